//! One stack of another thread, now.

use std::io;
use std::time::{Duration, Instant};

use corelane_runtime::observe::Route;

use super::signal;
use super::slot::{self, Cause, Slot};
use crate::stacks::Unwinder;

/// How long a thread has to answer. It answers when it runs, or when it is in a wait that signals interrupt.
const PATIENCE: Duration = Duration::from_millis(5);

/// Asks one thread where it is, as often as one likes.
pub(crate) struct Asker {
    thread: u32,
    index: usize,
    slot: &'static Slot,
}

/// Where a thread was, and for which route.
#[derive(Debug, Clone)]
pub(crate) struct Whereabouts {
    pub(crate) route: Route,
    /// Innermost first.
    pub(crate) addresses: Vec<u64>,
}

impl Asker {
    /// For a thread that runs.
    ///
    /// # Errors
    /// If the program handles SIGPROF itself, or too many threads are asked.
    pub(crate) fn new(thread: u32) -> io::Result<Asker> {
        Unwinder::get();
        signal::install()?;
        let index = slot::assign(thread, 0).ok_or_else(|| io::Error::from(io::ErrorKind::QuotaExceeded))?;
        let Some(slot) = slot::at(index) else { unreachable!("it was just assigned") };
        Ok(Asker { thread, index, slot })
    }

    /// Asks, and waits for the answer a few milliseconds at most. `None` if there is none: the thread has ended, or waits for
    /// a disk.
    pub(crate) fn ask(&self) -> Option<Whereabouts> {
        signal::ask(self.thread, self.index).ok()?;
        let until = Instant::now() + PATIENCE;
        loop {
            let mut found = None;
            self.slot.drain(|sample| {
                if sample.cause == Cause::Asked {
                    let route = Route::from_index(sample.route);
                    found = Some(Whereabouts { route, addresses: sample.addresses.to_vec() });
                }
            });
            if found.is_some() || Instant::now() >= until {
                return found;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.slot.release();
    }
}
