//! What the pool needs of a connection. The simulation in the tests has another one.

use std::fmt;
use std::future::Future;

/// One connection.
pub(in crate::postgres) trait Link: 'static {
    type Error: LinkError;

    /// True if new requests may be sent, as far as is known without asking.
    fn is_fit(&self) -> bool;

    /// True if every request was answered, and the session is in no transaction.
    fn is_clean(&self) -> bool;

    /// Requests sent and not answered, those included that nobody waits for any more.
    fn pending(&self) -> usize;

    /// True if the session may hold what a new one would not.
    fn needs_reset(&self) -> bool;

    /// A round trip that changes nothing.
    fn check(&self) -> impl Future<Output = Result<(), Self::Error>>;

    /// Makes the session like new.
    fn reset(&self) -> impl Future<Output = Result<(), Self::Error>>;

    /// Ends the connection.
    fn close(&self);

    /// Ready once the connection has ended, with the cause. Does not keep it open.
    fn ended(&self) -> impl Future<Output = Self::Error> + 'static;
}

/// Why there is no connection.
pub(in crate::postgres) trait LinkError: Clone + fmt::Display + 'static {
    /// True if nobody was there, or the server is still starting: the try cost neither side anything.
    fn is_absent(&self) -> bool;
}

/// Where connections come from.
pub(in crate::postgres) trait Source: 'static {
    type Link: Link;

    /// Opens one, within a time of its own.
    fn open(&self) -> impl Future<Output = Result<Self::Link, <Self::Link as Link>::Error>>;
}
