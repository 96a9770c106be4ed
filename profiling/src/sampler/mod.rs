//! CPU time by stack, of the running process.
//!
//! Each thread is interrupted once for so much CPU it has used, the kernel's part included, and notes its stack in memory of
//! its own: no lock, no allocation, nothing that could meet itself. A thread that sleeps costs nothing. One thread,
//! `corelane-sample`, collects ten times a second while somebody profiles, and ends with the last session. Addresses are named
//! afterwards, by [`Profile::resolve`], away from the cores.
//!
//! ```
//! use corelane_profiling::sampler;
//! use std::time::{Duration, Instant};
//!
//! let session = sampler::start(199)?;
//! let until = Instant::now() + Duration::from_millis(300);
//! while Instant::now() < until {
//!     std::hint::black_box((0..1000u64).sum::<u64>());
//! }
//! let profile = session.finish();
//! println!("{} samples by {}", profile.count(), sampler::source());
//! let collapsed = profile.resolve(&mut Default::default()).collapsed();
//! assert!(collapsed.lines().any(|line| line.contains("main")));
//! # Ok::<(), corelane_profiling::sampler::SamplerError>(())
//! ```
//!
//! # What it cannot see
//!
//! - Time off the CPU: that is what waits are for.
//! - Threads that live for less than a tenth of a second, or that block SIGPROF.
//! - Callers of a function that runs on a stack which is no mapping of its own, as some coroutine libraries have it.
//! - A library that is loaded after the first profile, and keeps no frame pointers: stacks end there. One that is
//!   *unloaded* while a profile runs may end the process: its unwind tables are read where they were.
//!
//! # Signals
//!
//! SIGPROF is taken when the first session starts, for the life of the process; a program that handles it itself gets an
//! error instead. System calls are restarted where the kernel does that.

mod ask;
mod collect;
mod signal;
mod slot;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use self::tally::Sink;
use crate::profile::Profile;

pub use self::signal::Source;

pub(crate) use self::ask::Asker;

/// Most samples per second of CPU. A prime below it, such as 99 or 199, does not fall into step with what runs every
/// millisecond.
pub const HZ_MAX: u32 = 999;

/// How many windows [`History`] keeps, and how long each is: the last hour by the minute.
pub const WINDOWS_MAX: usize = 60;
const WINDOW: Duration = Duration::from_secs(60);

/// What makes the samples in this process: perf events if the kernel lets them see its own part too, else CPU timers.
pub fn source() -> Source {
    collect::source()
}

/// True if stacks are walked by frame pointers: the program was built with `-C force-frame-pointers=yes`. Otherwise each frame is
/// looked up in the unwind tables, which gives the same stacks and costs some microseconds more per sample.
pub fn has_frame_pointers() -> bool {
    crate::stacks::Unwinder::get().has_frame_pointers()
}

/// Starts a profile with `hz` samples per second of CPU, of each thread. Several may run at once; the highest rate makes the
/// samples of all.
///
/// Blocks for some milliseconds, until the threads that run are being sampled: for threads that are no core.
///
/// # Errors
/// If `hz` is not from 1 to [`HZ_MAX`], if the program handles SIGPROF itself, or if no thread can be started.
pub fn start(hz: u32) -> Result<Session, SamplerError> {
    Session::new(hz, None)
}

/// A profile being taken. Dropping it ends it.
#[derive(Debug)]
pub struct Session {
    id: u64,
    sink: Arc<Mutex<Sink>>,
}

impl Session {
    fn new(hz: u32, windows: Option<(Duration, usize)>) -> Result<Session, SamplerError> {
        if !(1..=HZ_MAX).contains(&hz) {
            return Err(SamplerError { kind: Kind::Rate(hz) });
        }
        let sink = Arc::new(Mutex::new(Sink::new(hz, windows)));
        let id =
            collect::join(hz, Arc::clone(&sink)).map_err(|error| SamplerError { kind: Kind::Io(error) })?;
        Ok(Session { id, sink })
    }

    /// Ends it and gives what was seen. Blocks for some milliseconds, as [`start`] does.
    pub fn finish(self) -> Profile {
        collect::leave(self.id);
        self.sink.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        collect::leave(self.id);
    }
}

/// A profile that goes on at a low rate and keeps the last hour, minute by minute.
///
/// ```no_run
/// use corelane_profiling::sampler::{History, HISTORY_HZ};
///
/// let history = History::start(HISTORY_HZ)?;
/// // Later: what the last five minutes did that the five before them did not.
/// let minutes = history.windows();
/// let (before, after) = (history.last(5, 5), history.last(5, 0));
/// let diff = corelane_profiling::output::diff_svg(
///     &before.resolve(&mut Default::default()),
///     &after.resolve(&mut Default::default()),
/// );
/// # let _ = (minutes, diff);
/// # Ok::<(), corelane_profiling::sampler::SamplerError>(())
/// ```
#[derive(Debug)]
pub struct History(Session);

/// The rate that is meant for [`History`], in samples per second of CPU.
pub const HISTORY_HZ: u32 = 19;

impl History {
    /// Starts one.
    ///
    /// # Errors
    /// As [`start`].
    pub fn start(hz: u32) -> Result<History, SamplerError> {
        Session::new(hz, Some((WINDOW, WINDOWS_MAX))).map(History)
    }

    /// When each window that is kept began, the oldest first.
    pub fn windows(&self) -> Vec<SystemTime> {
        let sink = self.0.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.past().iter().map(|window| window.began).collect()
    }

    /// The last `windows` minutes as one profile, not counting the last `skip` of them. Empty if there are none yet.
    pub fn last(&self, windows: usize, skip: usize) -> Profile {
        let sink = self.0.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let past = sink.past();
        let end = past.len().saturating_sub(skip);
        Profile::merged(past.range(end.saturating_sub(windows)..end))
    }
}

/// Why there is no profile.
#[derive(Debug)]
pub struct SamplerError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Rate(u32),
    Io(io::Error),
}

impl SamplerError {
    /// True if the rate was out of bounds.
    pub fn is_rate(&self) -> bool {
        matches!(self.kind, Kind::Rate(_))
    }

    /// True if the program handles SIGPROF itself.
    pub fn is_signal_taken(&self) -> bool {
        matches!(&self.kind, Kind::Io(error) if error.kind() == io::ErrorKind::ResourceBusy)
    }
}

impl fmt::Display for SamplerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Rate(hz) => write!(f, "{hz} samples per second were asked for; it must be 1 to {HZ_MAX}"),
            Kind::Io(_) => f.write_str("the sampler cannot start"),
        }
    }
}

impl std::error::Error for SamplerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Rate(_) => None,
            Kind::Io(error) => Some(error),
        }
    }
}
