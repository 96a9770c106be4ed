//! Work that blocks or computes for long, off the cores: password hashes, file metadata, libc DNS.
//!
//! A core that blocks stalls every connection it has. [`run`] hands a closure to a bounded pool of
//! ordinary threads and awaits its result; the core goes on meanwhile.
//!
//! ```
//! use corelane_runtime::{block_on, blocking};
//!
//! let entries = block_on(blocking::run(|| std::fs::read_dir("/").map(Iterator::count)));
//! assert!(entries.unwrap().unwrap() > 0);
//! ```
//!
//! # Bounds
//!
//! One pool serves all cores of a runtime. It has at most so many threads as
//! [`Builder::blocking_threads`](crate::Builder::blocking_threads) says, each of which ends after
//! [`THREAD_IDLE_MAX`] without work, and at most [`QUEUE_MAX`] jobs wait for a thread. At the bound
//! [`run`] fails at once with an error of which [`BlockingError::is_full`] is true: an overloaded
//! pool sheds work, it does not collect it.

mod pool;
#[cfg(all(test, not(loom)))]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{fmt, io};

use self::pool::Refused;
pub(crate) use self::pool::{Limits, Pool};
use crate::executor::Core;
use crate::sync::reply::reply;

/// Threads of a runtime's pool at most, unless the builder says otherwise.
///
/// Jobs mostly wait for a disk or a resolver, so there may be more of them than processors; a
/// bound this low keeps jobs that compute from crowding out the cores.
pub const THREADS_MAX: usize = 32;

/// Jobs waiting for a thread at most, over all cores of a runtime.
///
/// At a millisecond a job and [`THREADS_MAX`] threads the last of them waits 32 ms; a longer queue
/// would only be a longer wait.
pub const QUEUE_MAX: usize = 1024;

/// How long a thread without work stays.
///
/// Long enough to outlast the pauses of a busy time, short enough that a burst at start does not
/// cost its stacks for ever.
pub const THREAD_IDLE_MAX: Duration = Duration::from_secs(10);

/// Runs `job` on a thread of the pool and gives its result.
///
/// # Errors
/// [`BlockingError`], of which exactly one is true: [`is_full`](BlockingError::is_full), nothing was
/// run; [`is_panicked`](BlockingError::is_panicked), the panic ended in the pool; or
/// [`is_closed`](BlockingError::is_closed), the runtime ended while the job waited.
///
/// # Cancellation
/// Dropping the future before a thread has taken the job up means that it is not run. Once it runs
/// it runs to its end, since a thread cannot be stopped, and its result is dropped on that thread.
/// The future drops neither early enough to free what the closure borrows (it must be `'static`)
/// nor late: dropping never waits.
///
/// # Panics
/// If polled outside a runtime.
pub async fn run<T, F>(job: F) -> Result<T, BlockingError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = reply();
    let job = Box::new(move || {
        if sender.is_abandoned() {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(job)).map_err(|payload| {
            // Not dropped: the payload's destructor may panic as well, with the reply still owed.
            std::mem::forget(payload);
            tracing::error!("a job of the blocking pool panicked");
            Kind::Panicked
        });
        // An answer nobody waits for any more is dropped here.
        drop(sender.send(result));
    });
    Core::with(|core| core.blocking().submit(job)).map_err(|refused| match refused {
        Refused::Full => Kind::Full,
        Refused::Closed => Kind::Closed,
        Refused::NoThread(error) => Kind::NoThread(error),
    })?;
    Ok(receiver.await.unwrap_or(Err(Kind::Closed))?)
}

/// What the pool of the caller's runtime is doing. A snapshot; scrapes use it.
///
/// # Panics
/// If called outside a runtime.
pub fn stats() -> BlockingStats {
    Core::with(|core| core.blocking().stats())
}

/// A snapshot of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingStats {
    /// Threads alive.
    pub threads: usize,
    /// Threads of these that have no work.
    pub idle: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
}

/// Why a job has no result.
#[derive(Debug)]
pub struct BlockingError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Full,
    NoThread(io::Error),
    Panicked,
    Closed,
}

impl BlockingError {
    /// True if the job was refused, because the queue is at its bound or because the system gives no
    /// thread (then the error has a source). Nothing was run: a server answers 503.
    pub fn is_full(&self) -> bool {
        matches!(self.kind, Kind::Full | Kind::NoThread(_))
    }

    /// True if the job was run and panicked.
    pub fn is_panicked(&self) -> bool {
        matches!(self.kind, Kind::Panicked)
    }

    /// True if the runtime ended before a thread took the job up. Nothing was run.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind, Kind::Closed)
    }
}

impl From<Kind> for BlockingError {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Full => "the queue of the blocking pool is full",
            Kind::NoThread(_) => "the blocking pool could not start a thread",
            Kind::Panicked => "a job of the blocking pool panicked",
            Kind::Closed => "the blocking pool has closed",
        })
    }
}

impl std::error::Error for BlockingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::NoThread(error) => Some(error),
            Kind::Full | Kind::Panicked | Kind::Closed => None,
        }
    }
}
