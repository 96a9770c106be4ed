//! What one connection may do, and for how long.

use std::time::Duration;

use super::proto::Limits;

/// Bounds and habits of one connection. Every wait and every queue of it is bounded by one of these.
///
/// ```
/// use corelane_storage::postgres::{Options, StatementMode};
/// use std::time::Duration;
///
/// let mut options = Options::default();
/// options.deadline = Some(Duration::from_secs(1));
/// options.statements = StatementMode::Unnamed;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Longest wait for an answer, from the first poll on, unless a call names its own. Default 5 s; `None` waits for as
    /// long as the connection lives. A statement that is over it is cancelled, and its connection closed if that does not help.
    pub deadline: Option<Duration>,
    /// How long a cancelled statement has to end before its connection is closed. Default 2 s.
    pub cancel_grace: Duration,
    /// Statements and batches that may be with the server unanswered. Default 256; more wait here.
    ///
    /// The server works on one at a time: more in flight only fill its buffers.
    pub in_flight_max: usize,
    /// Bytes that may wait for the kernel to take them. Default 1 MiB; a single larger statement may pass alone.
    pub queued_bytes_max: usize,
    /// Statements and batches that may wait for room. Default 10,000; more are refused at once.
    pub waiting_max: usize,
    /// Bytes of those. Default 16 MiB; more are refused at once.
    pub waiting_bytes_max: usize,
    /// Bytes of rows that the answer to one call may have. Default 64 MiB, at most 2 GiB; beyond it the call fails and
    /// the rest is thrown away. A [stream](super::Connection::stream) is not bound by it.
    pub rows_bytes_max: usize,
    /// Bounds of one message. Default [`Limits::default`].
    pub message_limits: Limits,
    /// Statements that are kept prepared. Default 256, at least one. The one that was not used for longest gives way; one that
    /// is in use stays, so that for a moment there may be more.
    pub statement_cache_max: usize,
    /// How statements are prepared. Default [`StatementMode::Named`].
    pub statements: StatementMode,
}

/// How statements are prepared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatementMode {
    /// Each once per connection, under a name. Works with PgBouncer from 1.21 on, with its `max_prepared_statements`.
    #[default]
    Named,
    /// Each time anew, without a name, in the same write as its execution: for PgBouncer's transaction mode and other
    /// poolers that hand every transaction to another server. Only the types are kept, and their first lookup is a
    /// round trip as ever.
    Unnamed,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            deadline: Some(Duration::from_secs(5)),
            cancel_grace: Duration::from_secs(2),
            in_flight_max: 256,
            queued_bytes_max: 1024 * 1024,
            waiting_max: 10_000,
            waiting_bytes_max: 16 * 1024 * 1024,
            rows_bytes_max: 64 * 1024 * 1024,
            message_limits: Limits::default(),
            statement_cache_max: 256,
            statements: StatementMode::Named,
        }
    }
}
