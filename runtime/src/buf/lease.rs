//! The owned buffer.

#![allow(clippy::cast_possible_truncation, reason = "offsets are at most 64 KiB, the largest lease")]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use bytes::Bytes;

use super::pool::{self, CLASSES, Home, PoolExhausted};
use super::view::View;

/// A buffer from the pool of the thread that took it: some bytes in use, spare room behind them.
///
/// It derefs to the bytes in use. [`advance`](Self::advance) drops bytes from the front without
/// moving the rest. Dropping it on its own thread keeps the memory for the next lease; dropping it
/// elsewhere frees the memory there and tells the pool by a counter.
pub struct Lease {
    memory: NonNull<u8>,
    home: NonNull<Home>,
    /// First byte in use. Invariant: `start <= end <= capacity`.
    start: u32,
    /// One past the last byte in use. Invariant: all bytes before it are initialised.
    end: u32,
    /// Bytes of the memory, here as well as in the table of classes: every append asks for them.
    /// Invariant: `capacity == CLASSES[class]`.
    capacity: u32,
    class: u8,
}

// SAFETY: a lease owns its memory alone. `home` is only reached through atomics, and outlives the
// lease (see `pool::give_back`).
unsafe impl Send for Lease {}
// SAFETY: through a shared reference a lease only reads its own bytes.
unsafe impl Sync for Lease {}

impl Lease {
    /// Takes an empty buffer with room for at least `capacity` bytes: 4, 16 or 64 KiB.
    ///
    /// # Errors
    /// [`PoolExhausted`] if this core's leases in use are at their bound, or if `capacity` is
    /// above 64 KiB.
    pub fn take(capacity: usize) -> Result<Lease, PoolExhausted> {
        let (memory, class, home) = pool::take(capacity)?;
        Ok(Lease { memory, home, start: 0, end: 0, capacity: CLASSES[class] as u32, class: class as u8 })
    }

    /// Bytes in all: those dropped from the front, those in use, and the spare ones.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Room behind the bytes in use, in bytes.
    #[inline]
    pub fn spare_len(&self) -> usize {
        self.capacity() - self.end as usize
    }

    /// The room behind the bytes in use. What is written there counts once
    /// [`extend_from_slice`](Self::extend_from_slice) or a reader says so.
    #[inline]
    pub fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: `end <= capacity`, the memory is ours alone, and uninitialised bytes may be
        // behind `MaybeUninit`.
        unsafe {
            let begin = self.memory.as_ptr().add(self.end as usize).cast::<MaybeUninit<u8>>();
            std::slice::from_raw_parts_mut(begin, self.spare_len())
        }
    }

    /// Counts `n` bytes of the spare room as in use.
    ///
    /// # Safety
    /// The first `n` bytes of [`spare`](Self::spare) are initialised.
    #[inline]
    pub(crate) unsafe fn filled(&mut self, n: usize) {
        debug_assert!(n <= self.spare_len(), "more bytes than there was room for");
        self.end += n as u32;
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`LeaseFull`] if they do not fit; nothing is appended then.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), LeaseFull> {
        let Some(room) = self.spare().get_mut(..bytes.len()) else { return Err(LeaseFull(())) };
        // SAFETY: `room` is as long as `bytes`, ours alone, and so does not overlap it; then its
        // bytes are initialised.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), room.as_mut_ptr().cast(), bytes.len());
            self.filled(bytes.len());
        }
        Ok(())
    }

    /// Drops `n` bytes from the front. The rest stays where it is.
    ///
    /// # Panics
    /// If fewer than `n` bytes are in use.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "advance by {n} in {} bytes", self.len());
        self.start += n as u32;
        if self.start == self.end {
            // Nothing left: the whole capacity is room again.
            self.start = 0;
            self.end = 0;
        }
    }

    /// Keeps the first `len` bytes; does nothing if there are fewer.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.end = self.start + len as u32;
        }
    }

    /// Drops all bytes; the whole capacity is room again.
    #[inline]
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Moves the bytes in use to the front, so that the room is in one piece behind them.
    pub fn compact(&mut self) {
        let len = self.len();
        // SAFETY: both ranges lie in the memory, which is ours alone; `copy` allows overlap.
        unsafe {
            let memory = self.memory.as_ptr();
            std::ptr::copy(memory.add(self.start as usize), memory, len);
        }
        self.start = 0;
        self.end = len as u32;
    }

    /// Makes it immutable, cheap to clone and to slice, and bound to this core.
    pub fn freeze(self) -> View {
        View::from_lease(self)
    }
}

impl Deref for Lease {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `start <= end <= capacity` and bytes before `end` are initialised.
        unsafe {
            let begin = self.memory.as_ptr().add(self.start as usize);
            std::slice::from_raw_parts(begin, (self.end - self.start) as usize)
        }
    }
}

impl DerefMut for Lease {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the memory is ours alone and `self` is borrowed mutably.
        unsafe {
            let begin = self.memory.as_ptr().add(self.start as usize);
            std::slice::from_raw_parts_mut(begin, (self.end - self.start) as usize)
        }
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        pool::give_back(self.memory, usize::from(self.class), self.home);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

impl io::Write for Lease {
    /// Appends what fits. Writing to a full lease returns 0.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.spare_len());
        self.extend_from_slice(&bytes[..n])?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// SAFETY: `chunk_mut` is the uninitialised room behind `end`, `advance_mut` counts what the caller
// wrote there, and `remaining_mut` is exactly that room.
unsafe impl bytes::BufMut for Lease {
    #[inline]
    fn remaining_mut(&self) -> usize {
        self.spare_len()
    }

    /// In one copy: the room of a lease is one piece, so the default's loop is not needed.
    #[inline]
    #[track_caller]
    fn put_slice(&mut self, bytes: &[u8]) {
        assert!(self.extend_from_slice(bytes).is_ok(), "put_slice past the capacity");
    }

    #[inline]
    unsafe fn advance_mut(&mut self, n: usize) {
        assert!(n <= self.spare_len(), "advance_mut past the capacity");
        // SAFETY: the caller wrote the first `n` bytes of `chunk_mut`.
        unsafe { self.filled(n) };
    }

    #[inline]
    fn chunk_mut(&mut self) -> &mut bytes::buf::UninitSlice {
        bytes::buf::UninitSlice::uninit(self.spare())
    }
}

impl From<Lease> for Bytes {
    /// No copy: the memory goes back when the last clone is dropped.
    fn from(lease: Lease) -> Bytes {
        Bytes::from_owner(lease)
    }
}

/// The bytes do not fit into the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseFull(());

impl fmt::Display for LeaseFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lease is full")
    }
}

impl std::error::Error for LeaseFull {}

impl From<LeaseFull> for io::Error {
    fn from(full: LeaseFull) -> io::Error {
        io::Error::new(io::ErrorKind::WriteZero, full)
    }
}

#[cfg(test)]
mod tests;
