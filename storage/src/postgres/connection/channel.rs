//! The wire for one user: `COPY`, and streams of rows.

use std::future::poll_fn;
use std::time::Duration;

use corelane_runtime::time;

use super::{Connection, deadline_of};
use crate::postgres::error::PgError;
use crate::postgres::wire::{Event, OnDrop, SlotId};

/// The right to write messages to the server and to read its answers, up to the next `ReadyForQuery`. Other calls on the
/// connection wait meanwhile, but for those that were sent before.
pub(in crate::postgres) struct Channel {
    connection: Connection,
    slot: SlotId,
    on_drop: OnDrop,
}

/// Gives a slot up whose turn did not come.
struct Opening<'a> {
    connection: &'a Connection,
    slot: Option<SlotId>,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.connection.inner.with(|wire| wire.cancel_channel(slot));
        }
    }
}

impl Channel {
    /// Waits for its turn.
    ///
    /// # Errors
    /// If that does not come within `patience`, or the connection ends.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub(super) async fn open(
        connection: &Connection,
        patience: Option<Duration>,
    ) -> Result<Channel, PgError> {
        let now = time::now();
        let slot = connection.inner.with(|wire| wire.open_channel(now, deadline_of(patience, now)))?;
        let mut opening = Opening { connection, slot: Some(slot) };
        poll_fn(|cx| connection.inner.with(|wire| wire.poll_open(slot, cx))).await?;
        opening.slot = None;
        Ok(Channel { connection: connection.clone(), slot, on_drop: OnDrop::Close })
    }

    /// Appends messages.
    ///
    /// # Errors
    /// If the connection or the channel is over.
    pub(in crate::postgres) fn push(&mut self, bytes: &[u8]) -> Result<(), PgError> {
        self.connection.inner.with(|wire| wire.push_channel(self.slot, bytes))
    }

    /// What comes next. The last is [`Event::Ready`].
    ///
    /// # Errors
    /// If the connection is over.
    ///
    /// # Cancellation
    /// May be dropped at any time: nothing is lost.
    pub(in crate::postgres) async fn next(&mut self) -> Result<Event, PgError> {
        poll_fn(|cx| self.connection.inner.with(|wire| wire.poll_event(self.slot, cx))).await
    }

    /// True if the next event is there and is [`Event::Suspended`].
    pub(in crate::postgres) fn is_suspended_next(&self) -> bool {
        self.connection.inner.wire.borrow().is_suspended_next(self.slot)
    }

    /// What becomes of it if it is dropped before its end. At first the connection is closed.
    pub(in crate::postgres) fn on_drop(&mut self, on_drop: OnDrop) {
        self.on_drop = on_drop;
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.connection.inner.with(|wire| wire.drop_channel(self.slot, self.on_drop));
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("connection", &self.connection).finish_non_exhaustive()
    }
}
