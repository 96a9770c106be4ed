//! Channels: a call whose owner writes and reads messages itself.

use std::task::{Context, Poll};
use std::time::Instant;

use super::channel::{Event, Events, UNREAD_BYTES_MAX};
use super::slot::{State, Work};
use super::{SlotId, Wire};
use crate::postgres::error::{Cause, Kind, PgError};

/// What becomes of a channel whose owner goes away in its midst.
#[derive(Debug, Clone, Copy)]
pub(in crate::postgres) enum OnDrop {
    /// The connection is closed.
    Close,
    /// This is sent, which brings the channel to its end; what comes until then is thrown away.
    Send(&'static [u8]),
}

impl Wire {
    /// Opens a channel, or queues it. It may be written to once it [is open](Self::poll_open).
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub(in crate::postgres) fn open_channel(
        &mut self,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<SlotId, PgError> {
        self.check_open()?;
        self.admit(Work::Channel(Events::default()), &[], now, deadline)
    }

    /// Resolved when the channel's owner may write.
    pub(in crate::postgres) fn poll_open(
        &mut self,
        id: SlotId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PgError>> {
        match &mut self.slots[id].state {
            State::Queued(waker, _) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            State::Sent(_) => {
                // From now on its owner says how long it may take.
                self.slots[id].deadline = None;
                Poll::Ready(Ok(()))
            }
            State::Done(_) | State::GivenUp => Poll::Ready(Err(self.channel_error(id))),
        }
    }

    /// Appends messages of a channel.
    ///
    /// # Errors
    /// If the connection or the channel is over.
    pub(in crate::postgres) fn push_channel(&mut self, id: SlotId, bytes: &[u8]) -> Result<(), PgError> {
        self.check_open()?;
        if self.holder != Some(id) {
            return Err(self.channel_error(id));
        }
        self.push(bytes);
        Ok(())
    }

    /// What has come for a channel.
    pub(in crate::postgres) fn poll_event(
        &mut self,
        id: SlotId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Event, PgError>> {
        let slot = &mut self.slots[id];
        let Work::Channel(events) = &mut slot.work else { unreachable!("the slot of a channel") };
        if let Some(event) = events.take() {
            if events.bytes <= UNREAD_BYTES_MAX / 2 {
                self.wakes.extend(self.reader.take());
            }
            return Poll::Ready(Ok(event));
        }
        match &mut slot.state {
            State::Sent(waker) if !events.is_over => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            _ => Poll::Ready(Err(self.channel_error(id))),
        }
    }

    /// True if the next event is there and is that there are more rows.
    pub(in crate::postgres) fn is_suspended_next(&self, id: SlotId) -> bool {
        matches!(&self.slots[id].work, Work::Channel(events) if events.is_suspended_next())
    }

    /// The owner has gone.
    pub(in crate::postgres) fn drop_channel(&mut self, id: SlotId, on_drop: OnDrop) {
        let slot = &self.slots[id];
        let is_over = matches!(&slot.work, Work::Channel(events) if events.is_over);
        if self.holder == Some(id) && !is_over && self.is_open() {
            match on_drop {
                OnDrop::Close => self.end(Cause::Abandoned),
                OnDrop::Send(bytes) => {
                    self.push(bytes);
                    // All that is needed for its end was sent: others may go on behind it.
                    self.holder = None;
                    self.slots[id].work = Work::Channel(Events::default());
                }
            }
        }
        self.wakes.extend(self.reader.take());
        self.give_up(id);
        self.pump();
    }

    /// Whoever gives a channel an unused slot back: nothing was written.
    pub(in crate::postgres) fn cancel_channel(&mut self, id: SlotId) {
        if self.holder == Some(id) && self.fifo.back() == Some(&id) {
            self.holder = None;
            self.fifo.pop_back();
            self.unsent = self.unsent.saturating_sub(1);
            self.slots[id].is_listed = false;
        }
        self.give_up(id);
        self.pump();
        if self.fifo.is_empty() {
            self.wakes.append(&mut self.watchers);
        }
    }

    /// Whether the reader may go on.
    pub(in crate::postgres) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let unread = match self.fifo.front().map(|&id| &self.slots[id]) {
            Some(slot) if slot.is_wanted() => match &slot.work {
                Work::Channel(events) => events.bytes,
                _ => 0,
            },
            _ => 0,
        };
        if unread <= UNREAD_BYTES_MAX || !self.is_open() {
            return Poll::Ready(());
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Something has come for a channel.
    pub(super) fn on_channel_message(&mut self, id: SlotId) {
        let slot = &mut self.slots[id];
        if let (State::GivenUp, Work::Channel(events)) = (&slot.state, &mut slot.work) {
            *events = Events::default();
        }
        self.wake_sent(id);
    }

    /// A channel has come to its end. Its owner may not have read all of it yet.
    pub(super) fn on_channel_over(&mut self, id: SlotId) {
        if self.holder == Some(id) {
            self.holder = None;
        }
        self.wake_sent(id);
    }

    fn channel_error(&self, id: SlotId) -> PgError {
        match &self.slots[id].state {
            State::Done(Err(failure)) => failure.error.clone(),
            _ => match self.check_open() {
                Err(error) => error,
                Ok(()) => PgError::new(Kind::Misuse("the channel is over")),
            },
        }
    }
}
