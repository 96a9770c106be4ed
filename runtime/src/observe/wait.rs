//! What tasks wait for: whoever observes is asked when a task leaves its waker somewhere.
//!
//! A future that cannot go on clones the waker it was polled with and leaves the clone where the event will come from.
//! At that moment the stack holds every function from the task down to what it waits for. While somebody observes, tasks
//! are polled with a waker that says so when it is cloned.

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::task::{RawWaker, RawWakerVTable, Waker};
use std::time::Instant;

use super::{Route, route};

/// Whoever wants to know. Called on cores, in their turns: it must be quick and must not wait.
pub trait WaitObserver: Sync {
    /// A task leaves its waker. The answer stands for the place, for which the caller's stack is the evidence; 0 is
    /// not an answer.
    fn site(&self) -> u32;

    /// A task that left its waker at `site` was polled again after `nanos`; `route` is what it works for.
    fn waited(&self, site: u32, route: Route, nanos: u64);
}

/// A thin pointer to a fat one, as a fat one is no atomic.
static OBSERVER: AtomicPtr<&'static dyn WaitObserver> = AtomicPtr::new(std::ptr::null_mut());

/// From here on `observer` is told what tasks wait for; `None` ends that. Costs tasks two clock reads and an allocation for each
/// poll that waits while it is on, and a load per poll while it is off.
pub fn observe_waits(observer: Option<&'static &'static dyn WaitObserver>) {
    let observer = observer.map_or(std::ptr::null_mut(), |observer| std::ptr::from_ref(observer).cast_mut());
    OBSERVER.store(observer, Relaxed);
}

#[inline]
fn observer() -> Option<&'static dyn WaitObserver> {
    let observer = OBSERVER.load(Relaxed);
    // SAFETY: null, or what `observe_waits` was given, which lives for ever and is only read.
    unsafe { observer.as_ref() }.copied()
}

/// A task that is being observed.
pub(crate) struct Watched {
    inner: Waker,
    /// Where the waker was left last; 0 for nowhere yet.
    site: AtomicU32,
    /// When the task's last poll ended, in nanoseconds of [`BEGAN`]; 0 while it runs.
    since: AtomicU64,
}

/// What times are told from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn nanos() -> u64 {
    u64::try_from(BEGAN.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

impl Watched {
    /// What the coming poll of a task is to be observed by; `None` if nobody observes. `last` is that of its last poll.
    #[inline]
    pub(crate) fn begin(last: Option<Arc<Watched>>, waker: &Waker) -> Option<Arc<Watched>> {
        if OBSERVER.load(Relaxed).is_null() { None } else { Watched::begin_observed(last, waker) }
    }

    #[cold]
    fn begin_observed(last: Option<Arc<Watched>>, waker: &Waker) -> Option<Arc<Watched>> {
        let observer = observer()?;
        let Some(last) = last else {
            return Some(Arc::new(Watched {
                inner: waker.clone(),
                site: AtomicU32::new(0),
                since: AtomicU64::new(0),
            }));
        };
        let (site, since) = (last.site.load(Relaxed), last.since.swap(0, Relaxed));
        if site != 0 && since != 0 {
            observer.waited(site, route(), nanos().saturating_sub(since));
        }
        Some(last)
    }

    /// The poll has ended, and the task waits.
    pub(crate) fn pending(&self) {
        self.since.store(nanos(), Relaxed);
    }

    /// A waker for the poll: that of the task, and tells of being cloned.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(Arc::clone(self)).cast::<()>();
        // SAFETY: the functions of `TELLING` treat the data as the `Arc<Watched>` it is, each as its part of the
        // contract of `RawWakerVTable` says; `Watched` is Send and Sync, as `Waker` and atomics are.
        unsafe { Waker::from_raw(RawWaker::new(data, &TELLING)) }
    }
}

static TELLING: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// # Safety
/// `data` is from [`Watched::waker`], as for all below.
unsafe fn clone(data: *const ()) -> RawWaker {
    let watched = data.cast::<Watched>();
    // SAFETY: the waker being cloned holds a count, so the value is alive.
    let site = unsafe { &(*watched).site };
    // On other threads a waker is cloned by what wakes, not by what waits.
    if crate::try_core_id().is_some()
        && let Some(observer) = observer()
    {
        site.store(observer.site(), Relaxed);
    }
    // SAFETY: as above; the new waker owns this count.
    unsafe { Arc::increment_strong_count(watched) };
    RawWaker::new(data, &TELLING)
}

/// # Safety
/// As [`clone`]; takes the waker's count.
unsafe fn wake(data: *const ()) {
    // SAFETY: the waker's count becomes this handle's.
    let watched = unsafe { Arc::from_raw(data.cast::<Watched>()) };
    watched.inner.wake_by_ref();
}

/// # Safety
/// As [`clone`].
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker holds a count, so the value is alive.
    unsafe { &*data.cast::<Watched>() }.inner.wake_by_ref();
}

/// # Safety
/// As [`clone`]; takes the waker's count.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker's count becomes this handle's.
    drop(unsafe { Arc::from_raw(data.cast::<Watched>()) });
}
