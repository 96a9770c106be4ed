//! One call.

use std::task::Waker;
use std::time::Instant;

use super::channel::Events;
use super::collect::Collect;
use crate::postgres::error::PgError;
use crate::postgres::rows::{BatchRows, Rows};
use crate::postgres::statement::Column;

/// Where a call stands.
#[derive(Debug)]
pub(super) enum State {
    /// In the queue, with what to send.
    Queued(Waker, Vec<u8>),
    /// In the fifo.
    Sent(Waker),
    /// Has an outcome, which the caller has not taken. May still be in a list, after its deadline.
    Done(Result<Reply, Failure>),
    /// The caller has gone, or has its outcome. Kept for the list it is in.
    GivenUp,
}

/// What a call waits for. What comes for it is told apart by this.
#[derive(Debug)]
pub(super) enum Work {
    /// Rows and counts of statements that are known.
    Execute(Collect),
    /// The description of a statement.
    Prepare { params: Vec<u32>, columns: Vec<Column>, error: Option<PgError> },
    /// The end of a prepared statement.
    Close,
    /// Whatever the statements of the simple protocol give.
    Simple(Simple),
    /// Everything as it comes.
    Channel(Events),
}

/// The results of the simple protocol.
#[derive(Debug, Default)]
pub(super) struct Simple {
    /// Of the result that is coming.
    pub(super) columns: Option<std::rc::Rc<[Column]>>,
    pub(super) data: Vec<u8>,
    pub(super) rows: usize,
    /// Bytes of all results.
    pub(super) bytes: usize,
    /// Rows are wanted.
    pub(super) keep: bool,
    pub(super) results: Vec<Rows>,
    pub(super) error: Option<PgError>,
}

/// What a call gives.
#[derive(Debug)]
pub(in crate::postgres) enum Reply {
    Rows(BatchRows),
    /// The types are known by number only.
    Prepared {
        params: Vec<u32>,
        columns: Vec<Column>,
    },
    Simple(Vec<Rows>),
    Closed,
}

/// Why a call has nothing to give.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct Failure {
    pub(in crate::postgres) error: PgError,
    /// The server undid all that the call did, for a reason that is not the call's.
    pub(in crate::postgres) retry: Option<Retry>,
    /// No transaction is open after it: it may be issued again for that reason.
    pub(in crate::postgres) is_idle: bool,
}

/// What a call may be issued again for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Retry {
    /// The server's plan is of no use any more, or it does not know the statement.
    Stale,
    /// A cancel that was meant for another has met it.
    Interrupted,
}

impl From<PgError> for Failure {
    fn from(error: PgError) -> Failure {
        Failure { error, retry: None, is_idle: false }
    }
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    pub(super) work: Work,
    pub(super) began: Instant,
    pub(super) deadline: Option<Instant>,
    /// A request to cancel it was made.
    pub(super) is_cancelled: bool,
    /// The queue or the fifo refers to it.
    pub(super) is_listed: bool,
}

impl Slot {
    /// True if somebody waits for it.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.state, State::Queued(..) | State::Sent(_))
    }

    /// True for a channel that its owner may write to: deadlines are its own matter.
    pub(super) fn is_open_channel(&self) -> bool {
        matches!((&self.state, &self.work), (State::Sent(_), Work::Channel(_)))
    }

    /// Moves on from the queue, if it is there for somebody; what to send then.
    pub(super) fn leave_queue(&mut self) -> Option<Vec<u8>> {
        match std::mem::replace(&mut self.state, State::GivenUp) {
            State::Queued(waker, bytes) => {
                self.state = State::Sent(waker);
                Some(bytes)
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The outcome, if somebody waits for one; whom to wake.
    #[inline]
    pub(super) fn finish(&mut self, outcome: Result<Reply, Failure>) -> Option<Waker> {
        if !self.is_wanted() {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Done(outcome)) {
            State::Queued(waker, _) | State::Sent(waker) => Some(waker),
            State::Done(_) | State::GivenUp => None,
        }
    }
}
