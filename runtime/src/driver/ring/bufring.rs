//! Receive buffers the kernel picks from: leases lent to it through a provided-buffer ring.
//!
//! A buffer in the ring is a [`Lease`] of the core's pool that the kernel owns. When a completion
//! says which one was filled, that lease is handed to the connection without a copy, and the place
//! it had stays vacant until the next [`refill`](BufRing::refill), once per loop turn. So a
//! connection that waits holds no buffer, and a core holds as many as it has entries here plus what
//! its tasks have not read yet.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use crate::buf::Lease;

/// The array of buffer addresses shared with the kernel.
pub(super) struct Entries {
    /// `count` entries, page-aligned, never moved.
    base: NonNull<BufRingEntry>,
    /// A power of two: the kernel masks positions.
    count: u16,
    /// Ours to advance, the kernel reads it once published.
    tail: u16,
}

impl Entries {
    /// Registers an empty ring of `count` entries (a power of two) under `group`.
    ///
    /// # Errors
    /// `ENOMEM` for the array, `EINVAL` on a kernel without provided-buffer rings.
    pub(super) fn register(ring: &IoUring, group: u16, count: u16) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel masks positions");
        // SAFETY: a fresh private mapping, no address asked for. It is unmapped in `drop`.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                usize::from(count) * size_of::<BufRingEntry>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(map.cast::<BufRingEntry>())
            .unwrap_or_else(|| unreachable!("mmap returned neither an error nor an address"));
        let this = Self { base, count, tail: 0 };
        // SAFETY: the mapping is page-aligned and holds `count` entries. The kernel pins its pages
        // for as long as it uses them, so unmapping it early would lose buffers, not memory.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(base.as_ptr() as u64, count, group, 0)?;
        }
        Ok(this)
    }

    /// Writes the next entry. The kernel sees it after [`publish`](Self::publish).
    ///
    /// # Safety
    /// `len` bytes at `address` belong to the kernel until a completion names `number`, or the
    /// ring is gone. At most `count` entries are offered at a time.
    pub(super) unsafe fn offer(&mut self, address: *mut u8, len: usize, number: u16) {
        let place = usize::from(self.tail & (self.count - 1));
        debug_assert!(place < usize::from(self.count));
        // SAFETY: `place` is below `count`, so this is inside the mapping; the entry at the tail is
        // ours, because the caller never offers more than `count` at a time. The tail itself lives
        // in bytes of entry 0 that none of these three setters touch.
        let entry = unsafe { &mut *self.base.as_ptr().add(place) };
        entry.set_addr(address as u64);
        entry.set_len(u32::try_from(len).unwrap_or(u32::MAX));
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was offered.
    pub(super) fn publish(&mut self) {
        // SAFETY: the tail lives in the first entry's reserved field, inside the mapping, aligned
        // for a u16, and is written only here and atomically.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.base.as_ptr()).cast_mut()) };
        // Release: the kernel must see the entries before it sees the tail.
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        let bytes = usize::from(self.count) * size_of::<BufRingEntry>();
        // SAFETY: the mapping made in `register`, unmapped once.
        unsafe { libc::munmap(self.base.as_ptr().cast(), bytes) };
    }
}

/// Leases of one size, lent to the kernel.
pub(super) struct BufRing {
    entries: Entries,
    group: u16,
    /// Bytes each buffer has at least; the kernel is told each one's true capacity.
    buffer_bytes: usize,
    /// By buffer number. `Some`: the kernel owns it.
    lent: Box<[Option<Lease>]>,
    /// Buffer numbers with no lease.
    vacant: Vec<u16>,
}

impl BufRing {
    /// Registers room for `count` buffers (a power of two) under `group`. It holds none before the
    /// first [`refill`](Self::refill).
    ///
    /// # Errors
    /// As [`Entries::register`].
    pub(super) fn new(ring: &IoUring, group: u16, count: u16, buffer_bytes: usize) -> io::Result<Self> {
        Ok(Self {
            entries: Entries::register(ring, group, count)?,
            group,
            buffer_bytes,
            lent: (0..count).map(|_| None).collect(),
            vacant: (0..count).rev().collect(),
        })
    }

    /// The number submissions name this ring by.
    pub(super) fn group(&self) -> u16 {
        self.group
    }

    /// Buffers the kernel has for receives to come.
    pub(super) fn lent(&self) -> usize {
        self.lent.len() - self.vacant.len()
    }

    /// Takes the buffer a completion names, with its first `len` bytes filled by the kernel.
    ///
    /// `None` when the number is not one we lent, or `len` is more than the buffer holds: the
    /// kernel would be wrong, and the caller drops the connection instead of guessing.
    pub(super) fn take(&mut self, number: u16, len: usize) -> Option<Lease> {
        let mut lease = self.lent.get_mut(usize::from(number))?.take()?;
        self.vacant.push(number);
        if len > lease.capacity() {
            return None;
        }
        // SAFETY: the completion says that the kernel wrote `len` bytes from the start of this
        // buffer, which is this lease's block, and is done with it. `len` fits, checked above.
        unsafe { lease.filled(len) };
        Some(lease)
    }

    /// Lends buffers for all vacant places, or as many as the pool has.
    pub(super) fn refill(&mut self) {
        if self.vacant.is_empty() {
            return;
        }
        while let Some(&number) = self.vacant.last() {
            let Ok(mut lease) = Lease::take(self.buffer_bytes) else { break };
            self.vacant.pop();
            // SAFETY: the lease stays in `lent` until `take` is given its number by a completion,
            // and its block does not move with it. One entry per number, so never more than there
            // are places.
            unsafe { self.entries.offer(lease.spare().as_mut_ptr().cast(), lease.capacity(), number) };
            self.lent[usize::from(number)] = Some(lease);
        }
        self.entries.publish();
    }

    /// Gives up the buffers without freeing them, for a ring that could not be shut down in time:
    /// the kernel may still write to them.
    pub(super) fn leak(&mut self) {
        for lease in self.lent.iter_mut().filter_map(Option::take) {
            std::mem::forget(lease);
        }
    }
}
