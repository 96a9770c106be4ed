//! The cores of the process, of every runtime in it.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::Route;
use crate::blocking::{self, BlockingStats};
use crate::driver::DriverKind;
use crate::executor::Core;
use crate::launch::CoreId;
use crate::mailbox::CoreShared;
use crate::stats::CoreStats;

/// Those that run. Locked when a core starts or ends, and by whoever asks.
static CORES: Mutex<Vec<Probe>> = Mutex::new(Vec::new());

thread_local! {
    static SLOT: Cell<u32> = const { Cell::new(0) };
}

/// A number from 1 that no other core of the process has while this one runs, the smallest that was free; 0 on a
/// thread that is no core. Async-signal-safe.
#[inline]
pub fn core_slot() -> u32 {
    SLOT.get()
}

/// Every core of the process that runs now, of all runtimes, in the order they were started.
pub fn cores() -> Vec<Probe> {
    CORES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// One core, seen from any thread. It may have ended meanwhile; its figures stay what they were.
#[derive(Clone)]
pub struct Probe {
    shared: Arc<CoreShared>,
    blocking: Arc<blocking::Pool>,
    driver: DriverKind,
    thread: u32,
    slot: u32,
}

impl Probe {
    /// Which core of its runtime.
    pub fn id(&self) -> CoreId {
        self.shared.id
    }

    /// As [`core_slot`] says on it.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The kernel's number of its thread.
    pub fn thread(&self) -> u32 {
        self.thread
    }

    /// What it asks the kernel by.
    pub fn driver(&self) -> DriverKind {
        self.driver
    }

    /// Its figures, as of a moment ago.
    pub fn stats(&self) -> CoreStats {
        CoreStats::of(&self.shared)
    }

    /// Requests that were routed there.
    pub fn requests(&self, route: Route) -> u64 {
        self.shared.routes.value(route)
    }

    /// What the blocking pool of its runtime is doing.
    pub fn blocking(&self) -> BlockingStats {
        self.blocking.stats()
    }

    /// True if both are of one runtime.
    pub fn is_same_runtime(&self, other: &Probe) -> bool {
        Arc::ptr_eq(&self.blocking, &other.blocking)
    }

    /// True if the calling thread is a core of the same runtime.
    pub fn is_own_runtime(&self) -> bool {
        Core::try_with(|core| std::ptr::eq(core.blocking(), &raw const *self.blocking)).unwrap_or(false)
    }

    /// The number of the poll that is under way; `None` between turns. Two calls that give the same number met the
    /// same poll: if they are 10 ms apart, a task has held the core for 10 ms.
    pub fn poll_under_way(&self) -> Option<u64> {
        let sequence = self.shared.counters.poll_sequence.value();
        (sequence % 2 == 1).then_some(sequence)
    }

    /// Runs `work` in the core's next turn. It must be short and must not block. False if the core has ended.
    pub fn post(&self, work: impl FnOnce() + Send + 'static) -> bool {
        self.shared.post(Box::new(work))
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("core", &self.id())
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

/// Takes the core off the list when it is dropped.
pub(crate) struct Listed {
    slot: u32,
}

/// Puts the core of the calling thread on the list.
pub(crate) fn list(shared: Arc<CoreShared>, blocking: Arc<blocking::Pool>, driver: DriverKind) -> Listed {
    let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    let mut cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = |slot: u32| cores.iter().any(|core| core.slot == slot);
    let Some(slot) = (1..).find(|slot| !taken(*slot)) else { unreachable!("fewer cores than numbers") };
    cores.push(Probe { shared, blocking, driver, thread, slot });
    SLOT.set(slot);
    Listed { slot }
}

impl Drop for Listed {
    fn drop(&mut self) {
        SLOT.set(0);
        let ended = {
            let mut cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
            let at = cores.iter().position(|core| core.slot == self.slot);
            at.map(|at| cores.remove(at))
        };
        // Outside the lock: it may be the last handle on the runtime's pool.
        drop(ended);
    }
}
