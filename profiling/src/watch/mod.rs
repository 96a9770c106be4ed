//! A thread that watches the cores: tasks that hold one, and figures of the last minutes.
//!
//! ```
//! use corelane_profiling::watch::Watch;
//! use std::time::Duration;
//!
//! let watch = Watch::start(Duration::from_millis(10))?;
//! # let runtime = corelane_runtime::Runtime::builder().cores(Some(1)).start(|_| async {
//! // On a core, by mistake:
//! std::thread::sleep(Duration::from_millis(500));
//! # }).unwrap();
//! # std::thread::sleep(Duration::from_millis(300));
//! for stall in watch.stalls() {
//!     println!("core {} was held for {:?}: {:?}", stall.core, stall.held, stall.cause);
//! }
//! # runtime.join().unwrap();
//! # assert!(!watch.stalls().is_empty());
//! # Ok::<(), corelane_profiling::watch::WatchError>(())
//! ```
//!
//! A core numbers its polls. The thread `corelane-watch` looks at the numbers twice in the time that a task may hold a core; one
//! that has not changed for so long is a **stall**, and the core is asked for its stack. Time in which the core's thread was
//! ready and had no CPU is not the task's, and is told apart. A core that has just started is watched after 100 ms at the latest.

mod core;
mod readings;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, io, thread};

use corelane_runtime::observe::{self, Route};

use self::core::Watched;

pub use self::readings::{CoreReading, ProcessReading, Reading};

/// Stalls that are kept, the latest. Each has up to a kilobyte of stack.
pub const STALLS_MAX: usize = 256;

/// Readings that are kept: one for each [`READING_EVERY`], for ten minutes.
pub const READINGS_MAX: usize = 60;

/// How often figures are read for [`findings`](crate::findings).
pub const READING_EVERY: Duration = Duration::from_secs(10);

/// The shortest time that counts as a stall.
const SHORTEST: Duration = Duration::from_millis(2);

/// What a task did while it held its core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StallCause {
    /// It computed.
    Running,
    /// It was in a call that waits: a sleep, a file, a lock.
    Blocked,
}

/// A task that held its core.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stall {
    /// Which core.
    pub core: usize,
    /// When it was noticed.
    pub noticed: SystemTime,
    /// How long at least; while it goes on, until now.
    pub held: Duration,
    /// What it did.
    pub cause: StallCause,
    /// What it worked for.
    pub route: Route,
    /// Where it was when it was noticed, innermost first. Empty if the thread did not answer, as in an uninterruptible wait.
    pub addresses: Vec<u64>,
}

/// What the thread and those who ask share.
#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    stalls: Mutex<VecDeque<Stall>>,
    readings: Mutex<VecDeque<Reading>>,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watch {
    /// Starts watching every core of the process but that of the admin listener; a poll that takes longer than
    /// `longest` is a stall. 10 ms is a good bound: at 1 ms a busy machine makes them.
    ///
    /// # Errors
    /// If `longest` is under 2 ms, or no thread can be started. If the program handles SIGPROF itself, stalls have no stacks.
    pub fn start(longest: Duration) -> Result<Watch, WatchError> {
        if longest < SHORTEST {
            return Err(WatchError { source: None });
        }
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("corelane-watch".into()).spawn(move || run(&theirs, longest));
        let thread = thread.map_err(|error| WatchError { source: Some(error) })?;
        Ok(Watch { shared, thread: Some(thread) })
    }

    /// The stalls that are kept, the oldest first.
    pub fn stalls(&self) -> Vec<Stall> {
        self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The readings that are kept, the oldest first; the first one a moment after the start.
    pub fn readings(&self) -> Vec<Reading> {
        self.shared.readings.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends after its present look. A panic in it has been told by then.
            let _told = thread.join();
        }
    }
}

fn run(shared: &Shared, longest: Duration) {
    let mut watched: Vec<Watched> = Vec::new();
    let (mut next_list, mut next_reading) = (Instant::now(), Instant::now());
    while !shared.over.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next_list {
            // Cores come and go seldom, and the list is behind a lock.
            let present = observe::cores();
            watched.retain(|old| present.iter().any(|core| core.thread() == old.thread()));
            for core in present {
                if readings::is_admin(core.thread()) {
                    continue;
                }
                if !watched.iter().any(|old| old.thread() == core.thread()) {
                    watched.push(Watched::new(core));
                }
            }
            next_list = now + Duration::from_millis(100);
        }
        if now >= next_reading {
            let mut readings = shared.readings.lock().unwrap_or_else(PoisonError::into_inner);
            readings.push_back(Reading::take());
            while readings.len() > READINGS_MAX {
                readings.pop_front();
            }
            next_reading = now + READING_EVERY;
        }
        for core in &mut watched {
            core.look(longest, &shared.stalls);
        }
        thread::sleep(longest / 2);
    }
}

/// Why nobody watches.
#[derive(Debug)]
pub struct WatchError {
    /// `None` if the time was too short.
    source: Option<io::Error>,
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Some(_) => f.write_str("the thread that watches the cores cannot be started"),
            None => write!(f, "the longest time a task may hold a core must be {SHORTEST:?} or more"),
        }
    }
}

impl std::error::Error for WatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
