//! What comes for a channel, until its owner takes it.

use std::collections::VecDeque;

use crate::postgres::db_error::DbError;
use crate::postgres::error::PgError;
use crate::postgres::proto::{CopyFormat, Message, Status};
use crate::postgres::rows::push_row;

/// Bytes of data that one event holds before another is begun.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that a channel may hold before the connection is read no further.
pub(in crate::postgres) const UNREAD_BYTES_MAX: usize = 256 * 1024;

/// What an event counts for beside its data.
const EVENT_BYTES: usize = 64;

/// What a channel tells its owner.
#[derive(Debug)]
#[expect(dead_code, reason = "formats and counts are for COPY, which is not built yet")]
pub(in crate::postgres) enum Event {
    /// The server waits for data.
    CopyIn(CopyFormat),
    /// Data will come.
    CopyOut(CopyFormat),
    /// The data of several messages, joined.
    CopyData(Vec<u8>),
    /// That was all of it.
    CopyDone,
    /// Rows as [`Rows`](crate::postgres::Rows) has them, and how many.
    Rows(Vec<u8>, usize),
    /// There may be more rows; they have to be asked for.
    Suspended,
    /// A statement is done; how many rows it says that it was about.
    Complete(u64),
    /// The server refuses, and skips all up to the next `Sync` in the extended protocol.
    Error(PgError),
    /// The channel's end.
    Ready(Status),
}

/// Events that were not taken.
#[derive(Debug, Default)]
pub(in crate::postgres) struct Events {
    queue: VecDeque<Event>,
    /// Bytes in them.
    pub(super) bytes: usize,
    /// The server has said that it is ready.
    pub(super) is_over: bool,
}

impl Events {
    pub(super) fn on_message(&mut self, message: Message<'_>) {
        let event = match message {
            Message::Row(row) => {
                let values = row.values_bytes();
                self.bytes += values.len() + size_of::<u32>();
                match self.queue.back_mut() {
                    Some(Event::Rows(data, count)) if data.len() < PIECE_BYTES => {
                        push_row(data, values);
                        *count += 1;
                        return;
                    }
                    _ => {
                        let mut data = Vec::with_capacity(values.len() + size_of::<u32>());
                        push_row(&mut data, values);
                        Event::Rows(data, 1)
                    }
                }
            }
            Message::CopyData(piece) => {
                self.bytes += piece.len();
                match self.queue.back_mut() {
                    Some(Event::CopyData(data)) if data.len() < PIECE_BYTES => {
                        data.extend_from_slice(piece);
                        return;
                    }
                    _ => Event::CopyData(piece.to_vec()),
                }
            }
            Message::CopyIn(format) => Event::CopyIn(format),
            Message::CopyOut(format) => Event::CopyOut(format),
            Message::CopyDone => Event::CopyDone,
            Message::PortalSuspended => Event::Suspended,
            Message::Complete(tag) => Event::Complete(tag.rows()),
            Message::EmptyQuery => Event::Complete(0),
            Message::Error(fields) => Event::Error(DbError::from_fields(&fields).into()),
            // Acknowledgements: what was asked for before is known to whoever asked.
            _ => return,
        };
        self.bytes += EVENT_BYTES;
        self.queue.push_back(event);
    }

    pub(super) fn on_ready(&mut self, status: Status) {
        self.bytes += EVENT_BYTES;
        self.queue.push_back(Event::Ready(status));
        self.is_over = true;
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        let event = self.queue.pop_front()?;
        self.bytes -= EVENT_BYTES;
        if let Event::CopyData(data) | Event::Rows(data, _) = &event {
            self.bytes -= data.len();
        }
        Some(event)
    }

    /// True if what comes next is that there are more rows to ask for.
    pub(super) fn is_suspended_next(&self) -> bool {
        matches!(self.queue.front(), Some(Event::Suspended))
    }
}
