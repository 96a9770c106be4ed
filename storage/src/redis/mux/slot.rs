//! One call.

use std::task::Waker;
use std::time::Instant;

use super::Request;
use crate::redis::error::RedisError;
use crate::redis::proto::Value;

/// Where a call stands.
#[derive(Debug)]
pub(super) enum State {
    /// In the queue.
    Queued(Waker, Request),
    /// In the fifo.
    Sent(Waker),
    /// Has an outcome, which the caller has not taken. May still be in a list, after its deadline.
    Done(Result<Value, RedisError>),
    /// The caller has gone, or has its outcome. Kept for the list it is in.
    GivenUp,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    /// Replies to come.
    pub(super) left: usize,
    /// The replies become an array, also if it is one.
    pub(super) many: bool,
    /// Those of a request of many that have come.
    pub(super) values: Vec<Value>,
    /// The queue or the fifo refers to it.
    pub(super) is_listed: bool,
}

impl Slot {
    /// Moves on from the queue, if it is there for somebody; what to send then.
    pub(super) fn leave_queue(&mut self) -> Option<Request> {
        match std::mem::replace(&mut self.state, State::GivenUp) {
            State::Queued(waker, request) => {
                self.state = State::Sent(waker);
                Some(request)
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The outcome, if somebody waits for one; whom to wake.
    #[inline]
    pub(super) fn finish(&mut self, outcome: Result<Value, RedisError>) -> Option<Waker> {
        if !matches!(self.state, State::Queued(..) | State::Sent(_)) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Done(outcome)) {
            State::Queued(waker, _) | State::Sent(waker) => Some(waker),
            State::Done(_) | State::GivenUp => None,
        }
    }
}
