//! Buffers as monoio's operations hold them.
//!
//! Each wrapper counts itself while it exists: that is how a core that ends knows whether the
//! kernel may still write to one of its buffers. If an I/O future is dropped, monoio moves the
//! wrapper into a box that it keeps until the completion (guard 12); the bytes themselves are on
//! the heap and do not move.

use std::io;
use std::os::fd::RawFd;

use crate::buf::{Batch, Chunk, Lease, LocalBox};
use crate::executor::Core;

/// Counts one buffer in the kernel's hands.
struct Lent;

impl Lent {
    fn new() -> Lent {
        Core::try_with(|core| core.shared.counters.lent.add(1));
        Lent
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        Core::try_with(|core| core.shared.counters.lent.sub(1));
    }
}

/// A lease being received into, behind the bytes it has.
pub(super) struct Receiving {
    lease: Lease,
    _lent: Lent,
}

impl Receiving {
    pub(super) fn new(lease: Lease) -> Receiving {
        Receiving { lease, _lent: Lent::new() }
    }

    pub(super) fn into_lease(self) -> Lease {
        self.lease
    }
}

// SAFETY: the pointer is to the lease's heap memory, which stays where it is when the wrapper
// moves and lives as long as it; `bytes_total` is the room behind that pointer.
unsafe impl monoio::buf::IoBufMut for Receiving {
    fn write_ptr(&mut self) -> *mut u8 {
        self.lease.spare().as_mut_ptr().cast()
    }

    fn bytes_total(&mut self) -> usize {
        self.lease.spare_len()
    }

    unsafe fn set_init(&mut self, n: usize) {
        // SAFETY: monoio calls this once, with the number of bytes the kernel wrote at `write_ptr`.
        unsafe { self.lease.filled(n) };
    }
}

/// A chunk being sent, from some byte on. Boxed, in a recycled block, because monoio's futures hold
/// it twice, and every connection's task is as large as the largest future it awaits.
pub(super) struct Sending {
    chunk: LocalBox<Chunk>,
    from: usize,
    _lent: Lent,
}

impl Sending {
    pub(super) fn new(chunk: Chunk, from: usize) -> Sending {
        debug_assert!(from <= chunk.len(), "sends from inside the chunk");
        Sending { chunk: LocalBox::new(chunk), from, _lent: Lent::new() }
    }

    pub(super) fn into_chunk(self) -> Chunk {
        LocalBox::into_inner(self.chunk)
    }
}

// SAFETY: every kind of chunk keeps its bytes outside itself (pool memory, heap, or static), so
// the pointer holds while the wrapper moves, and the bytes are initialised and not written to
// while the wrapper owns them.
unsafe impl monoio::buf::IoBuf for Sending {
    fn read_ptr(&self) -> *const u8 {
        self.chunk[self.from..].as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.chunk.len() - self.from
    }
}

/// Several chunks being sent.
pub(super) struct SendingAll {
    batch: Batch,
    _lent: Lent,
}

impl SendingAll {
    pub(super) fn new(batch: Batch) -> SendingAll {
        SendingAll { batch, _lent: Lent::new() }
    }

    pub(super) fn into_batch(self) -> Batch {
        self.batch
    }
}

// SAFETY: the vectors and the chunks are in the batch's block, which does not move with the
// wrapper; the vectors point to bytes that the chunks keep outside themselves (see `Sending`).
unsafe impl monoio::buf::IoVecBuf for SendingAll {
    fn read_iovec_ptr(&self) -> *const libc::iovec {
        self.batch.vectors().0
    }

    fn read_iovec_len(&self) -> usize {
        self.batch.vectors().1
    }
}

/// Receives what is there, without waiting.
pub(super) fn recv_now(fd: RawFd, mut lease: Lease) -> io::Result<Lease> {
    let room = lease.spare();
    // SAFETY: the room is ours to write for its length during the call.
    let n = unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), libc::MSG_DONTWAIT) };
    let Ok(n) = usize::try_from(n) else { return Err(io::Error::last_os_error()) };
    // SAFETY: the kernel wrote `n` bytes at the start of the room.
    unsafe { lease.filled(n) };
    Ok(lease)
}
