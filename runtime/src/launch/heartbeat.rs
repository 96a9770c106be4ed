//! Whether every core is alive.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::CoreId;
use crate::mailbox::CoreShared;

/// Asks the cores of a runtime, from any thread, whether they still run: a core answers in its next turn, so one that
/// hangs in a task does not.
///
/// ```
/// use corelane_runtime::{Runtime, shutdown};
/// use std::time::Duration;
///
/// let runtime = Runtime::builder().cores(Some(2)).pin(false).start(|_core| shutdown::draining())?;
/// let mut heartbeat = runtime.handle().heartbeat();
/// assert_eq!(heartbeat.ask().len(), 0, "nobody was asked before");
/// std::thread::sleep(Duration::from_millis(500));
/// assert_eq!(heartbeat.ask().len(), 0, "everybody has answered");
/// runtime.shutdown(Duration::ZERO);
/// runtime.join()?;
/// # std::io::Result::Ok(())
/// ```
pub struct Heartbeat {
    cores: Arc<[Arc<CoreShared>]>,
    /// What each core has answered, counted. Shared with the question under way.
    answered: Vec<Arc<AtomicU64>>,
    /// Questions to each core. Invariant: at most one more than it has answered.
    asked: Vec<u64>,
}

impl Heartbeat {
    pub(super) fn new(cores: Arc<[Arc<CoreShared>]>) -> Heartbeat {
        let answered = cores.iter().map(|_| Arc::default()).collect();
        let asked = vec![0; cores.len()];
        Heartbeat { cores, answered, asked }
    }

    /// The cores that have not answered the question before, none at the first call; all others are asked again. A core that hangs is
    /// asked once, so that nothing piles up there.
    ///
    /// A core that has ended does not answer.
    pub fn ask(&mut self) -> Vec<CoreId> {
        let mut silent = Vec::new();
        for (index, core) in self.cores.iter().enumerate() {
            let answered = &self.answered[index];
            if answered.load(Ordering::Acquire) < self.asked[index] {
                silent.push(CoreId::new(index));
                continue;
            }
            self.asked[index] += 1;
            let answered = Arc::clone(answered);
            core.post(Box::new(move || {
                answered.fetch_add(1, Ordering::Release);
            }));
        }
        silent
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("asked", &self.asked).finish_non_exhaustive()
    }
}
