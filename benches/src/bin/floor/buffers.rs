//! The ring of provided buffers that receives take from.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::{Submitter, types::BufRingEntry};

/// The one buffer group.
pub(crate) const GROUP: u16 = 0;
/// Bytes of one buffer.
pub(crate) const BYTES: usize = 2048;
/// The same as the kernel takes it.
const LENGTH: u32 = 2048;
const _: () = assert!(LENGTH as usize == BYTES);
/// Buffers in the ring: a power of two, as the kernel wants it, and enough for a turn at a thousand connections.
const COUNT: u16 = 2048;
/// The kernel wants the ring on a page boundary.
const PAGE: usize = 4096;

/// Buffers lent to the kernel. Both allocations live as long as the process, so neither is ever freed under the kernel.
pub(crate) struct BufferRing {
    entries: NonNull<BufRingEntry>,
    bytes: NonNull<u8>,
    /// Entries written so far, as the kernel counts them: the next goes to `tail % COUNT`.
    tail: u16,
}

impl BufferRing {
    /// Allocates the ring and hands every buffer to the kernel.
    pub(crate) fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        let entries = allocate(usize::from(COUNT) * size_of::<BufRingEntry>()).cast();
        let mut ring = Self { entries, bytes: allocate(usize::from(COUNT) * BYTES), tail: 0 };
        // SAFETY: the ring is COUNT zeroed entries on a page boundary, never freed.
        unsafe { submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, COUNT, GROUP, 0) }?;
        for id in 0..COUNT {
            ring.give_back(id);
        }
        ring.publish();
        Ok(ring)
    }

    /// The whole of buffer `id`, which a completion has just handed out.
    pub(crate) fn filled(&self, id: u16) -> &[u8] {
        debug_assert!(id < COUNT);
        // SAFETY: `id < COUNT`, so the slice lies in the allocation, which was zeroed; the kernel does not write to it
        // between the completion that named it and `give_back`.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().add(usize::from(id) * BYTES), BYTES) }
    }

    /// Writes buffer `id` into the ring; the kernel sees it after [`publish`](Self::publish).
    pub(crate) fn give_back(&mut self, id: u16) {
        debug_assert!(id < COUNT);
        // SAFETY: `tail % COUNT < COUNT` and `id < COUNT`: both pointers stay in their allocations. The kernel reads only
        // entries below the published tail, and there are as many entries as buffers, so this one is not in use.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(usize::from(self.tail % COUNT));
            entry.set_addr(self.bytes.as_ptr().add(usize::from(id) * BYTES) as u64);
            entry.set_len(LENGTH);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel all buffers given back.
    pub(crate) fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry's reserved field, in the allocation and aligned; the kernel only reads it,
        // and reads it atomically.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

fn allocate(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes, PAGE).expect("a size that fits in memory");
    // SAFETY: the size is not zero.
    NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}
