//! What is wrong with a running process, the worst first: evidence, cost, and what to do.
//!
//! ```
//! use corelane_profiling::findings::{Evidence, find};
//! use corelane_profiling::watch::Watch;
//! use std::time::Duration;
//!
//! let watch = Watch::start(Duration::from_millis(10))?;
//! // ... while the application serves ...
//! let evidence = Evidence::of(&watch);
//! for finding in find(&evidence) {
//!     println!("{finding}");
//! }
//! # Ok::<(), corelane_profiling::watch::WatchError>(())
//! ```
//!
//! Rules are functions from [`Evidence`] to findings, so that each can be tested with a fault planted in figures of a healthy process. They
//! look at two moments (rates are between them) and at the readings between (what only grows). A rule that has not enough to
//! go by says nothing.

mod cores;
mod evidence;
mod process;
mod routes;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

pub use self::evidence::{CoreDelta, Evidence, NamedStall};

/// What kind of fault it is. The text of each is what reports and alerts go by, and stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A task computed for long without giving its core back.
    TaskHoldsCore,
    /// A task called something that waits.
    BlockingCall,
    /// A task waited for a lock that another thread had.
    LockContention,
    /// Cores are ready to run and have no CPU.
    CpuShortage,
    /// The control group's CPU quota was used up.
    CpuThrottled,
    /// A core has nearly no idle time left.
    CoreSaturated,
    /// Some cores are busy while others have little to do.
    CoreImbalance,
    /// More cores than CPUs.
    TooManyCores,
    /// Turns of a core's loop are long.
    LongTurns,
    /// Timers fire late.
    LateTimers,
    /// Messages from other threads wait in a core's mailbox.
    MailboxDeep,
    /// Calls to other cores wait for their answers.
    CallsBacklog,
    /// Work waits for a thread of the blocking pool.
    BlockingPoolQueue,
    /// Handlers or tasks panic.
    Panics,
    /// No descriptor or memory for a new connection.
    AcceptBackoff,
    /// Nearly all descriptors are in use.
    DescriptorPressure,
    /// Nearly all memory that may be locked is.
    LockedMemoryPressure,
    /// The kernel gives no io_uring.
    EpollFallback,
    /// Built without optimisation.
    DebugBuild,
    /// Clients open a connection for nearly every request.
    ConnectionsNotReused,
    /// Answers leave in many small writes.
    SmallWrites,
    /// Tasks only become more.
    TaskLeak,
    /// Buffers only become more.
    LeaseLeak,
    /// Memory of the process only grows.
    MemoryGrowth,
    /// Memory of the control group is nearly used up.
    MemoryPressure,
    /// Memory was swapped out, or faults wait for a disk.
    Swapping,
    /// Threads only become more.
    ThreadGrowth,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// How much it matters, from 0 to 1: the part of time, of requests or of a bound that it takes.
    pub cost: f64,
    /// The core it was seen on; `None` if it is not of one.
    pub core: Option<usize>,
    /// The route it was seen on.
    pub route: Option<String>,
    /// What was seen, with figures.
    pub evidence: String,
    /// What to do about it.
    pub advice: &'static str,
    /// Functions it was seen in, innermost first, where a stack was taken.
    pub stack: Vec<String>,
}

impl Finding {
    fn new(kind: Kind, cost: f64, evidence: String, advice: &'static str) -> Finding {
        Finding {
            kind,
            cost: cost.clamp(0.0, 1.0),
            core: None,
            route: None,
            evidence,
            advice,
            stack: Vec::new(),
        }
    }

    fn on(mut self, core: usize) -> Finding {
        self.core = Some(core);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = serde_json::to_value(self.kind).unwrap_or_default();
        write!(f, "{:>3.0} % {}", self.cost * 100.0, kind.as_str().unwrap_or("?"))?;
        if let Some(core) = self.core {
            write!(f, ", core {core}")?;
        }
        if let Some(route) = &self.route {
            write!(f, ", {route}")?;
        }
        write!(f, "\n      {}\n      {}", self.evidence, self.advice)?;
        for function in &self.stack {
            write!(f, "\n        {function}")?;
        }
        Ok(())
    }
}

/// What is wrong, by what was seen; the costliest first.
pub fn find(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    routes::look(evidence, &mut found);
    process::look(evidence, &mut found);
    if evidence.seconds() > 0.0 {
        cores::look(evidence, &mut found);
    }
    found.sort_by(|a, b| b.cost.total_cmp(&a.cost).then(a.kind.cmp(&b.kind)));
    found
}
