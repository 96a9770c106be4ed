//! A server that listens.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use corelane_runtime::signal::Signals;
use corelane_runtime::{DriverChoice, Runtime, RuntimeInfo};

use super::control::{Control, DrainReport, Program};
use super::hooks::{self, ProcessHook};
use super::sockets::{ListenAddr, Sockets};
use super::status::{Phase, Status};
use super::{Limits, Listen, ServerError};

/// A server that listens. Dropping it closes every connection at once.
pub struct Running {
    pub(super) runtime: Runtime,
    pub(super) sockets: Sockets,
    pub(super) places: Arc<[Listen]>,
    pub(super) status: Status,
    pub(super) limits: Limits,
    pub(super) at_end: AtEnd,
}

/// What is left to do when the cores have ended.
pub(super) struct AtEnd {
    /// Never contended: it is there so that a [`Running`] can be shared, which hooks alone could not.
    hooks: Mutex<Vec<ProcessHook>>,
    driver: DriverChoice,
    within: Duration,
}

impl AtEnd {
    pub(super) fn new(hooks: Vec<ProcessHook>, driver: DriverChoice, within: Duration) -> AtEnd {
        AtEnd { hooks: Mutex::new(hooks), driver, within }
    }

    fn run(self) {
        // Each by itself: one that fails keeps none of the others from running.
        let until = Instant::now() + self.within;
        for hook in self.hooks.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let left = until.saturating_duration_since(Instant::now());
            if let Err(error) = hooks::run(vec![hook], self.driver, left) {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a stop hook of the process failed"
                );
            }
        }
    }
}

impl Running {
    /// The TCP address it listens on, the first of several, with the port that was taken.
    ///
    /// # Panics
    /// If it listens on none: see [`Running::addresses`].
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let tcp = self.addresses().into_iter().find_map(|address| match address {
            ListenAddr::Tcp(address) => Some(address),
            ListenAddr::Unix(_) => None,
        });
        tcp.expect("the server listens on a TCP address")
    }

    /// Everything it listens on.
    pub fn addresses(&self) -> Vec<ListenAddr> {
        self.sockets.addresses()
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// Which driver and ring flags the cores run on.
    pub fn info(&self) -> &RuntimeInfo {
        self.runtime.info()
    }

    /// Counters of each core.
    pub fn core_stats(&self) -> Vec<corelane_runtime::stats::CoreStats> {
        self.runtime.core_stats()
    }

    /// Stops accepting, lets requests under way finish for [`Limits::drain_timeout`], runs the stop hooks, and
    /// returns when every core has ended. What it waits for is logged each second.
    ///
    /// # Errors
    /// A core ended by a panic outside any handler.
    pub fn shutdown(self) -> Result<(), ServerError> {
        self.status.advance(Phase::Draining);
        self.sockets.close(false);
        self.runtime.shutdown(grace(&self.limits));
        let report = DrainReport::new(self.status.clone(), self.limits.drain_timeout);
        let ended = thread::scope(|scope| {
            let (done, is_done) = mpsc::channel();
            scope.spawn(move || report.run(&is_done));
            let ended = self.runtime.join();
            drop(done);
            ended
        });
        finish(ended, &self.status, self.at_end)
    }

    /// Closes every connection now and returns when every core has ended. The stop hooks of cores are not waited for, those of the
    /// process are.
    ///
    /// # Errors
    /// As [`Running::shutdown`].
    pub fn shutdown_now(self) -> Result<(), ServerError> {
        self.sockets.close(false);
        self.runtime.shutdown_now();
        finish(self.runtime.join(), &self.status, self.at_end)
    }

    /// Serves until a signal or a successor ends it.
    pub(super) fn run(
        self,
        signals: Signals,
        hangup: Option<Box<dyn FnMut() + Send>>,
        program: Program,
    ) -> Result<(), ServerError> {
        let Running { runtime, sockets, places, status, limits, at_end } = self;
        let control = Control {
            signals,
            handle: runtime.handle(),
            status: status.clone(),
            sockets,
            places,
            hangup,
            program,
            drain_timeout: limits.drain_timeout,
            grace: grace(&limits),
            start_timeout: limits.start_timeout,
        };
        finish(control.run(runtime), &status, at_end)
    }
}

/// For what is under way, and for stop hooks.
fn grace(limits: &Limits) -> Duration {
    limits.drain_timeout.saturating_add(limits.stop_timeout)
}

fn finish(ended: std::io::Result<()>, status: &Status, at_end: AtEnd) -> Result<(), ServerError> {
    status.advance(Phase::Ended);
    at_end.run();
    ended.map_err(ServerError::runtime)
}
