//! A place for one waker, filled by one task and woken from any thread, without a lock.

use std::task::Waker;

use super::{AtomicU8, Ordering, UnsafeCell};

/// Nobody is inside the slot.
const IDLE: u8 = 0;
/// The task is storing its waker.
const STORING: u8 = 1;
/// A thread is taking the waker out. Together with [`STORING`]: it found the task storing, and the
/// task now owes the wake.
const TAKING: u8 = 2;

/// One waker. Any number of threads may [`wake`](Self::wake); one task at a time may
/// [`store`](Self::store).
///
/// Who waits stores its waker first and looks at its condition second; who changes the condition
/// changes it first and wakes second. Then either the look sees the change or the wake finds the waker.
#[derive(Debug)]
pub(crate) struct WakerSlot {
    state: AtomicU8,
    /// Invariant: only who moved `state` from [`IDLE`] touches this, until it has moved it back.
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: `Waker` is Send and Sync, and `state` lets one thread at a time at the cell (see the field).
unsafe impl Sync for WakerSlot {}

impl WakerSlot {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(IDLE), waker: UnsafeCell::new(None) }
    }

    /// Stores the waker of the task that waits, in place of an older one.
    ///
    /// If a wake is under way at this moment, `waker` is woken instead: the caller looks again.
    pub(crate) fn store(&self, waker: &Waker) {
        match self.state.compare_exchange(IDLE, STORING, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => {
                let old = self.waker.with_mut(|slot| {
                    // SAFETY: this thread moved `state` from IDLE to STORING; takers leave the cell
                    // alone until it is IDLE again.
                    let slot = unsafe { &mut *slot };
                    match slot {
                        Some(old) if old.will_wake(waker) => None,
                        _ => slot.replace(waker.clone()),
                    }
                });
                if self.state.compare_exchange(STORING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err() {
                    // A wake came while the waker was being stored, and left without it.
                    let owed = self.waker.with_mut(|slot| {
                        // SAFETY: `state` is STORING | TAKING, which this thread alone ends.
                        unsafe { (*slot).take() }
                    });
                    self.state.swap(IDLE, Ordering::AcqRel);
                    if let Some(owed) = owed {
                        owed.wake();
                    }
                }
                // Runs code of the executor that made it: after the slot is open again.
                drop(old);
            }
            Err(state) => {
                debug_assert_eq!(state, TAKING, "two tasks store into one slot");
                waker.wake_by_ref();
            }
        }
    }

    /// Wakes the task that waits, if one does, and empties the slot.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// Empties the slot without waking. None also if another thread is just taking the waker, or
    /// the task is just storing it: then that one wakes.
    pub(crate) fn take(&self) -> Option<Waker> {
        match self.state.fetch_or(TAKING, Ordering::AcqRel) {
            IDLE => {
                let waker = self.waker.with_mut(|slot| {
                    // SAFETY: this thread moved `state` from IDLE to TAKING; nobody else touches
                    // the cell until the line below.
                    unsafe { (*slot).take() }
                });
                self.state.fetch_and(!TAKING, Ordering::Release);
                waker
            }
            _ => None,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_wake_takes_the_waker_with_it() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let slot = WakerSlot::new();
        slot.wake();
        slot.store(&count.clone().into());
        slot.wake();
        slot.wake();
        assert_eq!(count.0.load(SeqCst), 1);
    }

    #[test]
    fn the_newest_waker_counts() {
        let (old, new) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
        let slot = WakerSlot::new();
        slot.store(&old.clone().into());
        slot.store(&new.clone().into());
        assert_eq!(Arc::strong_count(&old), 1, "the older waker is dropped");
        slot.wake();
        assert_eq!((old.0.load(SeqCst), new.0.load(SeqCst)), (0, 1));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::future::block_on;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    use super::*;

    /// Steps: one thread sets a flag and wakes, while the task stores its waker and looks at the
    /// flag. Failure shows as a deadlock: the task sleeps though the flag is set.
    #[test]
    fn a_wake_is_never_lost() {
        loom::model(|| {
            let shared = Arc::new((AtomicBool::new(false), WakerSlot::new()));
            let other = shared.clone();
            let thread = thread::spawn(move || {
                // Relaxed on purpose: the slot has to publish the flag.
                other.0.store(true, Ordering::Relaxed);
                other.1.wake();
            });
            block_on(std::future::poll_fn(|cx| {
                if shared.0.load(Ordering::Relaxed) {
                    return std::task::Poll::Ready(());
                }
                shared.1.store(cx.waker());
                if shared.0.load(Ordering::Relaxed) {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            }));
            thread.join().unwrap();
        });
    }

    /// Steps: two threads wake while the task stores. Failure shows as two threads inside the cell,
    /// which loom's cell reports.
    #[test]
    fn two_wakes_and_a_store_never_meet_in_the_cell() {
        loom::model(|| {
            let slot = Arc::new(WakerSlot::new());
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let slot = slot.clone();
                    thread::spawn(move || slot.wake())
                })
                .collect();
            slot.store(Waker::noop());
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}
