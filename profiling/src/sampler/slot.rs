//! Where a thread's samples go: written in its signal handler, read by the collector.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use corelane_runtime::observe;

use crate::stacks::{FRAMES_MAX, Ranges, Registers, Scratch, Unwinder};

/// Threads sampled at once, at most. The samples of more are lost, and counted as threads left out.
pub(super) const SLOTS_MAX: usize = 512;

/// Words of a ring. At 999 samples a second of 40 frames the collector has 380 ms to come round, and comes after 100.
const RING_WORDS: usize = 16 * 1024;

/// Words of a sample besides its addresses.
const HEAD_WORDS: usize = 3;
const _: () = assert!((HEAD_WORDS + FRAMES_MAX) * 32 <= RING_WORDS, "the deepest samples fit often enough");

/// Why a sample was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The thread has used so much CPU.
    Time,
    /// Somebody wants to know where the thread is.
    Asked,
}

/// One sample, as the collector sees it.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) cause: Cause,
    /// The core it was taken on, if on one.
    pub(crate) core: Option<usize>,
    /// Index of the route.
    pub(crate) route: u32,
    /// What it stands for, in nanoseconds of CPU.
    pub(crate) nanos: u64,
    /// Innermost first.
    pub(crate) addresses: &'a [u64],
}

/// What belongs to one thread. Never freed: a signal that comes late finds it still.
pub(crate) struct Slot {
    /// The thread that writes here; 0 for nobody. What comes on another thread is dropped.
    thread: AtomicU32,
    /// Nanoseconds of CPU between two samples.
    period: AtomicU64,
    /// Written by the thread: words from `tail` to `head`, each counted from the beginning of time.
    head: AtomicU64,
    /// Written by the collector. Invariant: `tail <= head <= tail + RING_WORDS`.
    tail: AtomicU64,
    lost: AtomicU64,
    ring: Box<[AtomicU64]>,
    /// What the handler uses; nobody else while `thread` is set.
    inner: UnsafeCell<Inner>,
    /// True while the handler is inside.
    busy: AtomicBool,
}

struct Inner {
    scratch: Scratch,
    ranges: Ranges,
    /// The range of the stack, once the first sample has found it.
    stack: Range<u64>,
}

// SAFETY: all but `inner` are atomics. `inner` is used by the handler on the slot's thread, one at a time by `busy`, and by
// `assign` only while `thread` is 0 and no handler is inside.
unsafe impl Sync for Slot {}

static SLOTS: [AtomicPtr<Slot>; SLOTS_MAX] = [const { AtomicPtr::new(std::ptr::null_mut()) }; SLOTS_MAX];

/// The slot of this number. Async-signal-safe.
#[inline]
pub(super) fn at(index: usize) -> Option<&'static Slot> {
    let slot = SLOTS.get(index)?.load(Ordering::Acquire);
    // SAFETY: null, or leaked by `assign`.
    unsafe { slot.as_ref() }
}

/// Gives a thread a slot. `None` if all are taken.
pub(super) fn assign(thread: u32, period: u64) -> Option<usize> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let free = |slot: &AtomicPtr<Slot>| {
        let slot = slot.load(Ordering::Acquire);
        // SAFETY: as in `at`.
        unsafe { slot.as_ref() }
            .is_none_or(|slot| slot.thread.load(Ordering::SeqCst) == 0 && !slot.busy.load(Ordering::SeqCst))
    };
    let index = SLOTS.iter().position(free)?;
    if SLOTS[index].load(Ordering::Acquire).is_null() {
        SLOTS[index].store(Box::into_raw(Box::new(Slot::new())), Ordering::Release);
    }
    let slot = at(index)?;
    {
        // SAFETY: the slot is nobody's and no handler is inside, as `free` saw. One that enters now looks at `thread`
        // first and leaves, since that is 0 until the last line; nobody else assigns, by the lock.
        let inner = unsafe { &mut *slot.inner.get() };
        inner.ranges = Ranges::read();
        inner.stack = 0..0;
    }
    slot.tail.store(slot.head.load(Ordering::Acquire), Ordering::Release);
    slot.lost.store(0, Ordering::Relaxed);
    slot.period.store(period, Ordering::Relaxed);
    slot.thread.store(thread, Ordering::SeqCst);
    Some(index)
}

impl Slot {
    fn new() -> Slot {
        let inner = Inner { scratch: Scratch::default(), ranges: Ranges::default(), stack: 0..0 };
        Slot {
            thread: AtomicU32::new(0),
            period: AtomicU64::new(0),
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            ring: (0..RING_WORDS).map(|_| AtomicU64::new(0)).collect(),
            inner: UnsafeCell::new(inner),
            busy: AtomicBool::new(false),
        }
    }

    pub(super) fn set_period(&self, nanos: u64) {
        self.period.store(nanos, Ordering::Relaxed);
    }

    /// Takes the slot from its thread.
    pub(super) fn release(&self) {
        self.thread.store(0, Ordering::SeqCst);
    }

    /// Samples that found no room since the slot was assigned.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Takes a sample of the calling thread. Async-signal-safe: no lock, no allocation, no call into libc but `gettid`.
    pub(super) fn sample(&self, cause: Cause, periods: u64, registers: Registers) {
        let thread = self.thread.load(Ordering::SeqCst);
        if thread == 0 || self.busy.swap(true, Ordering::SeqCst) {
            return;
        }
        // SAFETY: gettid takes nothing and cannot fail.
        let is_own = unsafe { libc::gettid() }.cast_unsigned() == thread;
        if is_own && self.thread.load(Ordering::SeqCst) == thread {
            self.write(cause, periods, registers);
        }
        self.busy.store(false, Ordering::SeqCst);
    }

    fn write(&self, cause: Cause, periods: u64, registers: Registers) {
        let Some(unwinder) = Unwinder::ready() else { return };
        let (head, tail) = (self.head.load(Ordering::Relaxed), self.tail.load(Ordering::Acquire));
        if head - tail > (RING_WORDS - HEAD_WORDS - FRAMES_MAX) as u64 {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // SAFETY: `busy` is ours and the slot is this thread's, so nobody else is here: see the field.
        let inner = unsafe { &mut *self.inner.get() };
        if !inner.stack.contains(&registers.sp) {
            // A thread that switches between stacks that are no mappings of their own has samples of one frame.
            inner.stack = inner.ranges.around(registers.sp).unwrap_or(0..0);
        }
        // Not below the stack pointer, where nothing is kept (but for 128 bytes of a leaf, which holds no frame).
        let stack = registers.sp..inner.stack.end;
        let mut next = head + HEAD_WORDS as u64;
        let count = unwinder.walk(registers, &stack, &mut inner.scratch, |address| {
            self.put(next, address);
            next += 1;
        });
        let cause = u64::from(cause == Cause::Asked);
        // Both are one or two loads of thread-local memory that needs no making.
        let core = corelane_runtime::try_core_id().map_or(0, |core| core.index() as u32 + 1);
        let route = observe::route().index();
        self.put(head, cause << 32 | count as u64);
        self.put(head + 1, u64::from(core) << 32 | u64::from(route));
        self.put(head + 2, periods.saturating_mul(self.period.load(Ordering::Relaxed)));
        self.head.store(next, Ordering::Release);
    }

    fn put(&self, at: u64, word: u64) {
        self.ring[at as usize % RING_WORDS].store(word, Ordering::Relaxed);
    }

    fn word(&self, at: u64) -> u64 {
        self.ring[at as usize % RING_WORDS].load(Ordering::Relaxed)
    }

    /// Hands what has come to `take`. One caller at a time.
    pub(super) fn drain(&self, mut take: impl FnMut(Sample<'_>)) {
        let mut addresses = [0; FRAMES_MAX];
        let (head, mut tail) = (self.head.load(Ordering::Acquire), self.tail.load(Ordering::Relaxed));
        while tail < head {
            let (first, owner, nanos) = (self.word(tail), self.word(tail + 1), self.word(tail + 2));
            let count = (first as u32 as usize).min(FRAMES_MAX);
            for (index, address) in addresses[..count].iter_mut().enumerate() {
                *address = self.word(tail + (HEAD_WORDS + index) as u64);
            }
            let cause = if first >> 32 == 0 { Cause::Time } else { Cause::Asked };
            let (core, route) = (((owner >> 32) as usize).checked_sub(1), owner as u32);
            take(Sample { cause, core, route, nanos, addresses: &addresses[..count] });
            tail += (HEAD_WORDS + count) as u64;
        }
        self.tail.store(tail, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_thread() -> u32 {
        // SAFETY: gettid takes nothing and cannot fail.
        unsafe { libc::gettid() }.cast_unsigned()
    }

    #[test]
    fn samples_come_out_as_they_went_in_and_a_full_ring_loses_the_newest() {
        Unwinder::get();
        let slot = Slot::new();
        slot.thread.store(own_thread(), Ordering::SeqCst);
        slot.set_period(10);
        // SAFETY: no handler knows this slot.
        unsafe { &mut *slot.inner.get() }.ranges = Ranges::read();
        let mut taken = 0;
        for round in 0..5 {
            for index in 0..1000 {
                let cause = if index % 2 == 0 { Cause::Time } else { Cause::Asked };
                slot.sample(cause, index, Registers::here());
            }
            let mut index = 0;
            slot.drain(|sample| {
                assert_eq!(sample.nanos, index * 10, "round {round}");
                assert_eq!(sample.cause == Cause::Asked, index % 2 == 1);
                assert!(sample.addresses.len() > 2);
                index += 1;
            });
            taken += index;
            assert!(index >= 100, "{index} samples fit");
        }
        assert_eq!(taken + slot.lost(), 5000);
    }

    #[test]
    fn a_signal_that_comes_to_another_thread_leaves_nothing() {
        Unwinder::get();
        let slot = Slot::new();
        for thread in [0, own_thread() + 1] {
            slot.thread.store(thread, Ordering::SeqCst);
            slot.sample(Cause::Time, 1, Registers::here());
        }
        slot.drain(|sample| panic!("{sample:?}"));
    }
}
