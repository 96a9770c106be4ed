//! The connection's life, and how it is.

use std::rc::Rc;
use std::task::{Context, Poll};

use corelane_runtime::net::{CloseHandle, Shutdown};

use super::{Link, SlotId, Wire};
use crate::postgres::encode::TERMINATE;
use crate::postgres::error::{Cause, Kind, PgError};
use crate::postgres::proto::Status;

/// Settings that a server may report. PostgreSQL 15 reports fourteen.
const PARAMETERS_MAX: usize = 128;

impl Wire {
    pub(in crate::postgres) fn set_parameter(&mut self, name: &str, value: &str) {
        if let Some((_, known)) = self.parameters.iter_mut().find(|(known, _)| **known == *name) {
            *known = value.into();
        } else if self.parameters.len() < PARAMETERS_MAX {
            self.parameters.push((name.into(), value.into()));
        } else {
            tracing::debug!(name, "postgresql reports more settings than are kept");
        }
    }

    pub(in crate::postgres) fn parameter(&self, name: &str) -> Option<Rc<str>> {
        self.parameters.iter().find(|(known, _)| **known == *name).map(|(_, value)| Rc::clone(value))
    }

    /// # Errors
    /// Why nothing is taken any more.
    pub(in crate::postgres) fn check_open(&self) -> Result<(), PgError> {
        let cause = match &self.link {
            Link::Up { ending: None, .. } => return Ok(()),
            Link::Up { ending: Some(cause), .. } | Link::Over(cause) => cause,
        };
        Err(PgError::new(match cause {
            Cause::Closed => Kind::Closed,
            cause => Kind::Lost { sent: false, cause: cause.clone() },
        }))
    }

    /// The connection is over: everybody who waits is told, and whether it was sent.
    pub(in crate::postgres) fn on_lost(&mut self, cause: Cause) -> Cause {
        let cause = match &mut self.link {
            Link::Up { ending, .. } => ending.take().unwrap_or(cause),
            Link::Over(before) => before.clone(),
        };
        self.link = Link::Over(cause.clone());
        let sent = self.fifo.len() - self.unsent;
        for (place, id) in std::mem::take(&mut self.fifo).into_iter().enumerate() {
            self.fail(id, place < sent, &cause);
        }
        for id in std::mem::take(&mut self.queue) {
            self.fail(id, false, &cause);
        }
        (self.queue_dead, self.queue_bytes, self.unsent, self.holder) = (0, 0, 0, None);
        self.cancel_since = None;
        self.output.clear();
        self.wakes.append(&mut self.watchers);
        self.wakes.extend(self.writer.take());
        self.wakes.extend(self.timer.take());
        cause
    }

    fn fail(&mut self, id: SlotId, sent: bool, cause: &Cause) {
        let error = PgError::new(Kind::Lost { sent, cause: cause.clone() });
        let waiting = self.slots[id].finish(Err(error.into()));
        self.stats.lost += u64::from(waiting.is_some());
        self.wakes.extend(waiting);
        self.unlist(id);
    }

    /// Ends the connection from our side; the reader then notices.
    pub(super) fn end(&mut self, cause: Cause) {
        let is_idle = self.fifo.is_empty();
        if let Link::Up { closer, ending } = &mut self.link
            && ending.is_none()
        {
            *ending = Some(cause);
            if is_idle {
                // The writer says goodbye and shuts the socket down then.
                self.output.push(TERMINATE);
            } else if let Some(closer) = closer {
                shut(closer);
            }
            self.wakes.extend(self.writer.take());
            self.wakes.extend(self.reader.take());
        }
    }

    /// Its owner wants it to end.
    pub(in crate::postgres) fn close(&mut self) {
        self.end(Cause::Closed);
    }

    /// The writer is done, and so is the connection.
    pub(in crate::postgres) fn shut_down(&self) {
        if let Link::Up { closer: Some(closer), .. } = &self.link {
            shut(closer);
        }
    }

    /// The writer has failed. Its error says more than the end that the reader will see.
    pub(in crate::postgres) fn on_write_failed(&mut self, cause: Cause) {
        self.end(cause);
        self.shut_down();
    }

    pub(in crate::postgres) fn is_open(&self) -> bool {
        matches!(self.link, Link::Up { ending: None, .. })
    }

    /// Why it is over, if it is.
    pub(in crate::postgres) fn over(&self) -> Option<&Cause> {
        match &self.link {
            Link::Over(cause) => Some(cause),
            Link::Up { .. } => None,
        }
    }

    /// Resolved when nothing is in flight or queued, and so also at the end.
    pub(in crate::postgres) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.in_flight() == 0 && self.waiting() == 0 {
            return Poll::Ready(());
        }
        self.watchers.push(cx.waker().clone());
        Poll::Pending
    }

    /// Resolved at the end.
    pub(in crate::postgres) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        if let Link::Over(cause) = &self.link {
            return Poll::Ready(cause.clone());
        }
        if !self.watchers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.watchers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    pub(in crate::postgres) fn status(&self) -> Status {
        self.status
    }

    /// Calls that were sent and have no answer, those that were given up included.
    pub(in crate::postgres) fn in_flight(&self) -> usize {
        self.fifo.len()
    }

    /// Calls that wait for room.
    pub(in crate::postgres) fn waiting(&self) -> usize {
        self.queue.len() - self.queue_dead
    }

    pub(in crate::postgres) fn queued_bytes(&self) -> usize {
        self.output.queued() + self.queue_bytes
    }

    /// Nothing is under way and no transaction is open.
    pub(in crate::postgres) fn is_clean(&self) -> bool {
        self.is_open()
            && self.fifo.is_empty()
            && self.waiting() == 0
            && self.holder.is_none()
            && self.status == Status::Idle
    }
}

/// Ends a connection, so that its reader and its writer notice. An error means that it had ended already.
fn shut(closer: &CloseHandle) {
    let _ended = closer.shutdown(Shutdown::Both);
}
