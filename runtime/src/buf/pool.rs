//! The pool of one thread: a short list of free buffers per size, and the books.
//!
//! The pool is the thread's, not the core's, so that code without a runtime (a parser's tests)
//! can take leases too. A core sets its bound at start.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{LEASE_LARGE, LEASE_MEDIUM, LEASE_SMALL};

/// Capacity of each class, in bytes, ascending.
pub(super) const CLASSES: [usize; 3] = [LEASE_SMALL, LEASE_MEDIUM, LEASE_LARGE];
const _: () = assert!(CLASSES[0] < CLASSES[1] && CLASSES[1] < CLASSES[2], "classes ascend");

/// Bytes of free buffers kept for reuse, per class.
///
/// Enough for the leases in use in one turn of a busy core; what a burst leaves above that goes
/// back to the allocator, which is how ten thousand connections that were busy for a moment do
/// not cost their peak for ever.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of leases in use on a thread that set no bound: 256 MiB.
const BYTES_MAX_DEFAULT: usize = 256 * 1024 * 1024;

/// Alignment of a buffer: a cache line.
const ALIGN: usize = 64;

/// The part of a pool that leases point to from any thread.
#[derive(Debug, Default)]
pub(super) struct Home {
    /// Bytes of this pool's leases that were dropped on other threads, in total.
    freed_elsewhere: AtomicUsize,
    /// Leases of this pool that were dropped on other threads, in total.
    leases_freed_elsewhere: AtomicUsize,
}

struct Pool {
    home: NonNull<Home>,
    bytes_max: Cell<usize>,
    /// Bytes taken, less bytes given back on this thread.
    bytes: Cell<usize>,
    leases: Cell<usize>,
    peak: Cell<usize>,
    refused: Cell<u64>,
    allocated: Cell<u64>,
    reused: Cell<u64>,
    free: RefCell<[Vec<NonNull<u8>>; CLASSES.len()]>,
}

thread_local! {
    static POOL: Pool = Pool::new();
}

impl Pool {
    fn new() -> Pool {
        Pool {
            home: NonNull::from(Box::leak(Box::<Home>::default())),
            bytes_max: Cell::new(BYTES_MAX_DEFAULT),
            bytes: Cell::new(0),
            leases: Cell::new(0),
            peak: Cell::new(0),
            refused: Cell::new(0),
            allocated: Cell::new(0),
            reused: Cell::new(0),
            free: RefCell::new([Vec::new(), Vec::new(), Vec::new()]),
        }
    }

    fn home(&self) -> &Home {
        // SAFETY: `home` was leaked in `new` and is freed only in `Drop`, after which nobody calls
        // this.
        unsafe { self.home.as_ref() }
    }

    fn in_use(&self) -> usize {
        self.bytes.get() - self.home().freed_elsewhere.load(Ordering::Relaxed)
    }

    fn leases_in_use(&self) -> usize {
        self.leases.get() - self.home().leases_freed_elsewhere.load(Ordering::Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for (class, free) in self.free.get_mut().iter_mut().enumerate() {
            for memory in free.drain(..) {
                release(memory, class);
            }
        }
        // Acquire: pairs with the Release of `give_back` elsewhere, so that those threads are done
        // with `home` once their lease is counted.
        let home = self.home();
        let left = self.leases.get() - home.leases_freed_elsewhere.load(Ordering::Acquire);
        if left == 0 {
            // SAFETY: made by `Box::leak` in `new`. Only leases point to it and all have been
            // given back, each after its last access.
            drop(unsafe { Box::from_raw(self.home.as_ptr()) });
        }
        // Otherwise a lease outlives its thread and will count itself here: sixteen bytes stay.
    }
}

/// The smallest class that holds `capacity` bytes.
fn class_of(capacity: usize) -> Option<usize> {
    CLASSES.iter().position(|&bytes| capacity <= bytes)
}

fn layout(class: usize) -> Layout {
    match Layout::from_size_align(CLASSES[class], ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!("classes are small and the alignment is a power of two"),
    }
}

/// Frees a buffer.
fn release(memory: NonNull<u8>, class: usize) {
    // SAFETY: every buffer of a class comes from `take`, which allocates with this layout.
    unsafe { dealloc(memory.as_ptr(), layout(class)) };
}

/// Takes a buffer that holds `capacity` bytes. Its bytes are not initialised.
pub(super) fn take(capacity: usize) -> Result<(NonNull<u8>, usize, NonNull<Home>), PoolExhausted> {
    let Some(class) = class_of(capacity) else {
        return Err(PoolExhausted { kind: Kind::TooLarge });
    };
    POOL.with(|pool| {
        let bytes = CLASSES[class];
        let in_use = pool.in_use() + bytes;
        if in_use > pool.bytes_max.get() {
            pool.refused.set(pool.refused.get() + 1);
            return Err(PoolExhausted { kind: Kind::Bound });
        }
        let kept = pool.free.borrow_mut()[class].pop();
        let memory = match kept {
            Some(memory) => {
                pool.reused.set(pool.reused.get() + 1);
                memory
            }
            None => {
                pool.allocated.set(pool.allocated.get() + 1);
                // SAFETY: the layout's size is not zero.
                let memory = unsafe { alloc(layout(class)) };
                NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout(class)))
            }
        };
        pool.bytes.set(pool.bytes.get() + bytes);
        pool.leases.set(pool.leases.get() + 1);
        pool.peak.set(pool.peak.get().max(in_use));
        Ok((memory, class, pool.home))
    })
}

/// Gives a buffer back: to the list of its thread, or to the allocator.
pub(super) fn give_back(memory: NonNull<u8>, class: usize, home: NonNull<Home>) {
    let here = POOL.try_with(|pool| {
        if pool.home != home {
            return false;
        }
        pool.bytes.set(pool.bytes.get() - CLASSES[class]);
        pool.leases.set(pool.leases.get() - 1);
        let mut free = pool.free.borrow_mut();
        if (free[class].len() + 1) * CLASSES[class] <= KEPT_BYTES_MAX {
            free[class].push(memory);
        } else {
            release(memory, class);
        }
        true
    });
    if here == Ok(true) {
        return;
    }
    release(memory, class);
    // SAFETY: a pool frees its `Home` only when every lease has been counted back, and this one is
    // counted by the last of these two lines.
    let home = unsafe { home.as_ref() };
    home.freed_elsewhere.fetch_add(CLASSES[class], Ordering::Relaxed);
    home.leases_freed_elsewhere.fetch_add(1, Ordering::Release);
}

/// Sets the bound of this thread's pool, in bytes of leases in use.
pub(crate) fn set_bytes_max(bytes: usize) {
    POOL.with(|pool| pool.bytes_max.set(bytes));
}

/// Frees the buffers this thread keeps for reuse.
pub(crate) fn trim() {
    POOL.with(|pool| {
        for (class, free) in pool.free.borrow_mut().iter_mut().enumerate() {
            for memory in free.drain(..) {
                release(memory, class);
            }
        }
    });
}

/// Leases of this thread's pool alive, wherever they are.
#[inline]
pub(crate) fn leases_out() -> u64 {
    POOL.with(|pool| pool.leases_in_use() as u64)
}

/// What the calling thread's pool has done.
///
/// ```
/// use corelane_runtime::buf::{Lease, pool_stats};
/// let before = pool_stats().bytes_in_use;
/// let lease = Lease::take(10)?;
/// assert_eq!(pool_stats().bytes_in_use, before + 4096);
/// drop(lease);
/// assert_eq!(pool_stats().bytes_in_use, before);
/// # Ok::<(), corelane_runtime::buf::PoolExhausted>(())
/// ```
pub fn pool_stats() -> PoolStats {
    POOL.with(|pool| PoolStats {
        leases_in_use: pool.leases_in_use(),
        bytes_in_use: pool.in_use(),
        bytes_peak: pool.peak.get(),
        bytes_max: pool.bytes_max.get(),
        bytes_kept: pool
            .free
            .borrow()
            .iter()
            .enumerate()
            .map(|(class, free)| free.len() * CLASSES[class])
            .sum(),
        allocated: pool.allocated.get(),
        reused: pool.reused.get(),
        refused: pool.refused.get(),
    })
}

/// Figures of one thread's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Leases alive, wherever they are.
    pub leases_in_use: usize,
    /// Bytes of leases alive.
    pub bytes_in_use: usize,
    /// Highest `bytes_in_use` so far.
    pub bytes_peak: usize,
    /// Bound of `bytes_in_use`.
    pub bytes_max: usize,
    /// Bytes of free buffers kept for reuse.
    pub bytes_kept: usize,
    /// Leases that needed an allocation, in total.
    pub allocated: u64,
    /// Leases served from the kept buffers, in total.
    pub reused: u64,
    /// Leases refused because of the bound, in total.
    pub refused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bound,
    TooLarge,
}

/// No lease: the pool's bound is reached, or no class is that large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolExhausted {
    kind: Kind,
}

impl PoolExhausted {
    /// True if no lease is ever that large, so that waiting is of no use.
    pub fn is_too_large(&self) -> bool {
        self.kind == Kind::TooLarge
    }
}

impl fmt::Display for PoolExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Bound => "the core's buffer pool is at its bound",
            Kind::TooLarge => "no lease is that large",
        })
    }
}

impl std::error::Error for PoolExhausted {}

impl From<PoolExhausted> for std::io::Error {
    fn from(error: PoolExhausted) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::OutOfMemory, error)
    }
}
