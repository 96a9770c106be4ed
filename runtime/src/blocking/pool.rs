//! The threads behind [`run`](super::run).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::{BlockingStats, QUEUE_MAX, THREAD_IDLE_MAX, THREADS_MAX};
use crate::signal;

/// Work for a thread of the pool. Dropped without being run if the pool closes first.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Bounds of one pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Threads at most. At the bound jobs wait in the queue.
    pub(crate) threads_max: usize,
    /// Jobs waiting at most. At the bound a job is refused.
    pub(crate) queue_max: usize,
    /// A thread that had nothing to do for this long ends.
    pub(crate) idle_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { threads_max: THREADS_MAX, queue_max: QUEUE_MAX, idle_max: THREAD_IDLE_MAX }
    }
}

/// Why a job was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// The queue is at its bound.
    Full,
    /// The runtime has ended.
    Closed,
    /// There is no thread, and the system gives none.
    NoThread(io::Error),
}

/// A bounded pool. Threads start when they are needed and end when they are not.
///
/// Dropping it drops the jobs that wait; those being run are run to their end, and nobody waits for them.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    /// Processors the threads may run on: those the process had before its cores were pinned. A
    /// thread inherits the pinning of the core that started it, which would put all blocking work
    /// onto that one core.
    #[cfg(target_os = "linux")]
    processors: Option<rustix::thread::CpuSet>,
    /// A lock, which the request path must not have: the pool is for work of many microseconds,
    /// and the lock is held for a few dozen nanoseconds.
    state: Mutex<State>,
    /// Signalled once for each job queued, and for all when the pool closes.
    work: Condvar,
}

#[derive(Default)]
struct State {
    /// Invariant: no longer than `queue_max`.
    queue: VecDeque<Job>,
    /// Threads alive or being started. Invariant: at most `threads_max`.
    threads: usize,
    /// Threads waiting for work, those already signalled included.
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("queued", &self.queue.len())
            .field("threads", &self.threads)
            .field("idle", &self.idle)
            .field("closed", &self.closed)
            .finish()
    }
}

impl Pool {
    /// Makes the pool; no thread is started yet. Call it before the caller pins itself.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits: Limits { threads_max: limits.threads_max.max(1), ..limits },
                #[cfg(target_os = "linux")]
                processors: rustix::thread::sched_getaffinity(None).ok(),
                state: Mutex::default(),
                work: Condvar::new(),
            }),
        }
    }

    pub(super) fn submit(&self, job: Job) -> Result<(), Refused> {
        {
            let mut state = self.shared.lock();
            if state.closed {
                return Err(Refused::Closed);
            }
            // The idle threads already have the queued jobs coming.
            let spare = state.idle > state.queue.len();
            if spare || state.threads == self.shared.limits.threads_max {
                return self.shared.enqueue(state, job);
            }
            state.threads += 1;
        }
        let shared = self.shared.clone();
        // The name is cut by the kernel after 15 bytes.
        let name = String::from("corelane-block");
        // Kept by a slot, so that the job is still here if the thread cannot be started.
        let first = Arc::new(Mutex::new(Some(job)));
        let theirs = first.clone();
        match thread::Builder::new().name(name).spawn(move || shared.work(take(&theirs))) {
            Ok(_) => Ok(()),
            Err(error) => {
                let mut state = self.shared.lock();
                state.threads -= 1;
                match take(&first) {
                    // Fewer threads than allowed is slower, not wrong.
                    Some(job) if state.threads > 0 => self.shared.enqueue(state, job),
                    _ => Err(Refused::NoThread(error)),
                }
            }
        }
    }

    pub(crate) fn stats(&self) -> BlockingStats {
        let state = self.shared.lock();
        BlockingStats { threads: state.threads, idle: state.idle, queued: state.queue.len() }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let abandoned = {
            let mut state = self.shared.lock();
            state.closed = true;
            std::mem::take(&mut state.queue)
        };
        self.shared.work.notify_all();
        // Outside the lock: what a job owns may have a destructor of any kind.
        drop(abandoned);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, mut state: MutexGuard<'_, State>, job: Job) -> Result<(), Refused> {
        if state.queue.len() >= self.limits.queue_max {
            return Err(Refused::Full);
        }
        state.queue.push_back(job);
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// The life of one thread.
    fn work(&self, first: Option<Job>) {
        // Signals are for the thread that waits for them. Failing to mask is not worth losing the
        // thread: it fails only for a set that does not exist.
        let _ = signal::block_in_this_thread();
        #[cfg(target_os = "linux")]
        if let Some(processors) = &self.processors {
            // Refused where a container forbids it: then the thread runs where its starter did.
            let _ = rustix::thread::sched_setaffinity(None, processors);
        }
        let mut next = first;
        while let Some(job) = next.take().or_else(|| self.next_job()) {
            // The job catches what its closure throws; this is for destructors of what it owned.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
                // Not dropped: the payload's destructor may panic as well.
                std::mem::forget(payload);
            }
        }
    }

    /// Waits for the next job. None when this thread is to end; then it is no longer counted.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        let deadline = Instant::now() + self.limits.idle_max;
        state.idle += 1;
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.idle -= 1;
                return Some(job);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                state.idle -= 1;
                state.threads -= 1;
                return None;
            }
            state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn take(slot: &Mutex<Option<Job>>) -> Option<Job> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
