//! What the pool's connections are.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use crate::postgres::config::Config;
use crate::postgres::connection::Connection;
use crate::postgres::error::{Kind, PgError};
use crate::postgres::pool::Refusal;
use crate::postgres::pool::link::{Link, LinkError, Source};
use crate::postgres::stats::Stats;

/// [`DISCARD ALL`](https://www.postgresql.org/docs/15/sql-discard.html) in its parts, without `DEALLOCATE ALL` and
/// `DISCARD PLANS`. Unlike that it may be sent in one piece.
const RESET: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// References to a connection that the pool itself has: the member's, and that of the task that waits for its end.
const OWN_HANDLES: usize = 2;

pub(in crate::postgres) struct PgSource {
    pub(in crate::postgres) config: Rc<Config>,
    /// What the connections did that are closed.
    past: Rc<RefCell<Stats>>,
}

impl PgSource {
    pub(super) fn new(config: Rc<Config>) -> PgSource {
        PgSource { config, past: Rc::default() }
    }

    pub(super) fn link(&self, connection: Connection) -> PgLink {
        PgLink { connection, past: Rc::clone(&self.past), is_closed: Cell::new(false) }
    }

    pub(super) fn past(&self) -> Stats {
        *self.past.borrow()
    }
}

impl Source for PgSource {
    type Link = PgLink;

    async fn open(&self) -> Result<PgLink, PgError> {
        Ok(self.link(Connection::connect(&self.config).await?))
    }
}

pub(in crate::postgres) struct PgLink {
    pub(in crate::postgres) connection: Connection,
    past: Rc<RefCell<Stats>>,
    is_closed: Cell<bool>,
}

impl Link for PgLink {
    type Error = PgError;

    fn is_fit(&self) -> bool {
        self.connection.is_open() && !self.connection.is_stuck()
    }

    fn is_clean(&self) -> bool {
        // Whoever had it may have kept a handle: it would be somebody else's connection.
        self.connection.is_clean() && self.connection.handles() <= OWN_HANDLES
    }

    fn pending(&self) -> usize {
        self.connection.in_flight()
    }

    fn needs_reset(&self) -> bool {
        self.connection.is_touched()
    }

    async fn check(&self) -> Result<(), PgError> {
        self.connection.batch_execute("").await
    }

    async fn reset(&self) -> Result<(), PgError> {
        self.connection.batch_execute(RESET).await?;
        self.connection.on_notification(|_| {});
        self.connection.on_notice(|_| {});
        self.connection.clear_touched();
        Ok(())
    }

    fn close(&self) {
        if !self.is_closed.replace(true) {
            self.connection.close();
            self.past.borrow_mut().add(&self.connection.stats());
        }
    }

    fn ended(&self) -> impl Future<Output = PgError> + 'static {
        let connection = self.connection.clone();
        async move { connection.closed().await }
    }
}

impl LinkError for PgError {
    fn is_absent(&self) -> bool {
        match self.kind() {
            Kind::Unavailable(cause) | Kind::Lost { cause, .. } => cause.is_absent(),
            _ => false,
        }
    }
}

impl From<Refusal<PgError>> for PgError {
    fn from(refusal: Refusal<PgError>) -> PgError {
        match refusal {
            Refusal::Away(error) => match error.kind() {
                // That connection ended; this caller's statement was never on it.
                Kind::Lost { cause, .. } => PgError::new(Kind::Unavailable(cause.clone())),
                _ => error,
            },
            Refusal::Overloaded(waiting_max) => PgError::new(Kind::Overloaded { waiting_max }),
            Refusal::Deadline(after) => PgError::new(Kind::Deadline { after, sent: false }),
            Refusal::Closed => PgError::new(Kind::Closed),
        }
    }
}
