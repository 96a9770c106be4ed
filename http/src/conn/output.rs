//! Answers on their way out: heads and small bodies in one lease, large bodies behind it.

use corelane_http_proto::date::DateCache;
use corelane_http_proto::encode::{ResponseStart, START_BYTES_MAX};
use corelane_runtime::buf::{Chunk, Chunks, Lease, PoolExhausted};

use crate::response::Headers;

/// Bodies up to this length are copied behind their head, in bytes: a copy of this size costs less than
/// a second entry of a vectored send.
const COPIED_BODY_BYTES_MAX: usize = 2048;

/// Output gathered before it is sent, in bytes, while there is more at hand: a further request, or the next chunk of
/// a stream. One answer may pass it by its own length; the next one is made when this is sent.
pub(super) const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Room asked of a new lease, in bytes: the answers to a full pipeline of small requests.
const LEASE_BYTES: usize = 4096;

/// What is to be sent, in order.
#[derive(Default)]
pub(super) struct Output {
    /// Closed pieces. Empty on the common path, where all fits the open one, and then without memory of its own.
    ready: Vec<Chunk>,
    /// Where the next head goes.
    open: Option<Lease>,
}

impl Output {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ready.iter().map(|chunk| chunk.len()).sum::<usize>()
            + self.open.as_ref().map_or(0, |lease| lease.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The open lease with at least `room` bytes free.
    #[inline]
    fn room(&mut self, room: usize) -> Result<&mut Lease, PoolExhausted> {
        if self.open.as_ref().is_none_or(|lease| lease.spare_len() < room) {
            self.reopen(room)?;
        }
        Ok(self.open.as_mut().expect("there is one"))
    }

    /// Opens a lease with this many bytes of room, behind the one that is open.
    #[cold]
    fn reopen(&mut self, room: usize) -> Result<(), PoolExhausted> {
        self.close();
        self.open = Some(Lease::take(room.max(LEASE_BYTES))?);
        Ok(())
    }

    fn close(&mut self) {
        if let Some(lease) = self.open.take()
            && !lease.is_empty()
        {
            self.ready.push(Chunk::Lease(lease));
        }
    }

    /// Writes a head, and a body behind it that is short or empty.
    ///
    /// # Errors
    /// If no lease can be had, or both are longer than the largest one.
    #[inline]
    pub(super) fn head(
        &mut self,
        start: &ResponseStart,
        headers: &Headers,
        date: &DateCache,
        body: &[u8],
    ) -> Result<(), PoolExhausted> {
        let fields = headers.as_wire();
        let lease = self.room(START_BYTES_MAX + fields.len() + 2 + body.len())?;
        let mut writer = start.encode(lease, Some(date)).expect("room was made for the start");
        writer.danger_lines(fields).expect("and for the fields");
        writer.finish();
        lease.extend_from_slice(body).expect("and for the body");
        Ok(())
    }

    /// True if a body of this length is copied behind its head.
    #[inline]
    pub(super) fn is_short(body: &[u8]) -> bool {
        body.len() <= COPIED_BODY_BYTES_MAX
    }

    /// Puts bytes behind what is there: copied if they are few, chained if not.
    ///
    /// # Errors
    /// If no lease can be had.
    pub(super) fn push(&mut self, chunk: Chunk) -> Result<(), PoolExhausted> {
        if Output::is_short(&chunk) {
            return self.copy(&chunk);
        }
        self.close();
        self.ready.push(chunk);
        Ok(())
    }

    /// Copies a few bytes behind what is there.
    ///
    /// # Errors
    /// If no lease can be had.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Result<(), PoolExhausted> {
        self.room(bytes.len())?.extend_from_slice(bytes).expect("room was made");
        Ok(())
    }

    /// Everything there is, and nothing is left.
    pub(super) fn take(&mut self) -> Chunks {
        self.close();
        self.ready.drain(..).collect()
    }

    /// Everything there is if it is in one piece: the common case, which needs no list.
    pub(super) fn take_single(&mut self) -> Option<Chunk> {
        if self.ready.is_empty() { self.open.take().map(Chunk::Lease) } else { None }
    }
}
