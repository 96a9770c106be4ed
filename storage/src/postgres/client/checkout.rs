//! A connection for one user.

use std::fmt;
use std::ops::Deref;

use super::source::PgSource;
use crate::postgres::connection::Connection;
use crate::postgres::pool::Lent;

/// A connection of the pool that nobody else uses meanwhile: for `COPY`, streams, `LISTEN`, settings of a session.
///
/// Dropping it gives it back. If something is unfinished on it then (an open transaction, an answer that was not waited
/// for, a clone of the [`Connection`] that is still somewhere), it is closed instead; if its session may have been
/// changed, it is first [made like new](crate::postgres::Reset).
pub struct Checkout {
    pub(in crate::postgres) lent: Lent<PgSource>,
}

impl Deref for Checkout {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.lent.link().connection
    }
}

impl fmt::Debug for Checkout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout").field("process_id", &self.process_id()).finish_non_exhaustive()
    }
}
