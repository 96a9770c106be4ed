//! Many cores: how to start, stop and await them.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::info::RuntimeInfo;
use super::run::Ready;
use super::{CoreId, DriverChoice, Heartbeat, RingOptions};
use crate::blocking;
use crate::driver::{DriverKind, Findings};
use crate::executor::{Common, Core, spawn};
use crate::mailbox::CoreShared;
use crate::mesh::{Mesh, Seat, connect};
use crate::signal;
use crate::stats::CoreStats;
use crate::time::sleep;

/// Leases in use per core, in bytes, if nothing else is said: 256 MiB. Four thousand connections
/// that each receive into the largest lease at once.
const LEASE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How a runtime is to be.
///
/// ```
/// use corelane_runtime as runtime;
/// use std::time::Duration;
///
/// let runtime = runtime::Runtime::builder()
///     .cores(Some(2))
///     .pin(false)
///     .start(|_core| async { runtime::shutdown::draining().await })?;
/// assert_eq!(runtime.info().cores(), 2);
/// runtime.shutdown(Duration::from_secs(1));
/// runtime.join()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    cores: Option<usize>,
    pub(super) driver: DriverChoice,
    pin: bool,
    pub(super) ring_options: RingOptions,
    pub(super) lease_bytes_max: usize,
    pub(super) blocking: blocking::Limits,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            cores: None,
            driver: DriverChoice::Auto,
            pin: true,
            ring_options: RingOptions::NONE,
            lease_bytes_max: LEASE_BYTES_MAX,
            blocking: blocking::Limits::default(),
        }
    }
}

impl Builder {
    /// Number of cores; `None`, the default, is one per CPU that this process may run on.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn cores(mut self, cores: Option<usize>) -> Builder {
        assert!(cores != Some(0), "a runtime needs a core");
        self.cores = cores;
        self
    }

    /// Which driver to use. Default [`DriverChoice::Auto`].
    pub fn driver(mut self, driver: DriverChoice) -> Builder {
        self.driver = driver;
        self
    }

    /// How the ring driver is to be, if that is what runs.
    pub fn ring_options(mut self, options: RingOptions) -> Builder {
        self.ring_options = options;
        self
    }

    /// Whether each core is pinned to a CPU of its own. Default true; turn it off where the cores
    /// share the machine with other busy processes.
    pub fn pin(mut self, pin: bool) -> Builder {
        self.pin = pin;
        self
    }

    /// Leases in use per core at most, in bytes. Default 256 MiB. At the bound streams stop
    /// receiving until leases come back, and [`Lease::take`](crate::buf::Lease::take) fails.
    pub fn lease_bytes_max(mut self, bytes: usize) -> Builder {
        self.lease_bytes_max = bytes;
        self
    }

    /// Threads for [blocking work](crate::blocking) at most, shared by all cores. Default
    /// [`blocking::THREADS_MAX`]. They are started when there is such work. At the bound jobs
    /// wait, [`blocking::QUEUE_MAX`] of them at most.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn blocking_threads(mut self, threads: usize) -> Builder {
        assert!(threads > 0, "blocking work needs a thread");
        self.blocking.threads_max = threads;
        self
    }

    /// Starts one thread per core, each of which runs `f`; returns once all are up.
    ///
    /// A core ends when its future ends. What it spawned and did not await is dropped then.
    ///
    /// # Errors
    /// If a thread or a driver cannot be had on some core; no core has run `f` then.
    pub fn start<F, Fut>(self, f: F) -> io::Result<Runtime>
    where
        F: Fn(CoreId) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let cpus = allowed_cpus();
        let count = self.cores.unwrap_or(cpus.len());
        // Here, not on a core: the pool's threads run on the CPUs this thread may run on.
        let blocking = Arc::new(blocking::Pool::new(self.blocking));
        let f = Arc::new(f);
        let mut starting = Vec::with_capacity(count);
        for index in 0..count {
            let cpu = self.pin.then(|| cpus[index % cpus.len()]);
            let f = Arc::clone(&f);
            starting.push(Starting::spawn(CoreId::new(index), count, cpu, &self, f)?);
        }
        let mut facts = Vec::with_capacity(count);
        let mut shared = Vec::with_capacity(count);
        for core in &starting {
            // An error drops `starting`, and with it what the other threads wait for: they end.
            let up = core.up.recv().map_err(|_| io::Error::other("a core's thread ended at its start"))??;
            facts.push((up.kind, up.findings, up.cpu));
            shared.push(up.shared);
        }
        let info = RuntimeInfo::new(facts);
        if info.is_stepped_down() {
            tracing::warn!(%info, "runtime started");
        } else {
            tracing::info!(%info, "runtime started");
        }
        let cores: Arc<[Arc<CoreShared>]> = shared.into();
        let mut threads = Vec::with_capacity(count);
        for (core, seat) in starting.into_iter().zip(connect(&cores)) {
            let _ended = core.go.send((seat, Arc::clone(&blocking)));
            threads.push(core.thread);
        }
        Ok(Runtime { info, cores, threads })
    }
}

/// A core's thread that is opening its driver, and the channels to it.
struct Starting {
    thread: thread::JoinHandle<io::Result<()>>,
    up: mpsc::Receiver<io::Result<Up>>,
    go: mpsc::Sender<(Seat, Arc<blocking::Pool>)>,
}

/// What a core tells when its driver is open.
struct Up {
    kind: DriverKind,
    findings: Findings,
    cpu: Option<usize>,
    shared: Arc<CoreShared>,
}

impl Starting {
    fn spawn<F, Fut>(
        id: CoreId,
        count: usize,
        cpu: Option<usize>,
        builder: &Builder,
        f: Arc<F>,
    ) -> io::Result<Starting>
    where
        F: Fn(CoreId) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let (tell_up, up) = mpsc::channel();
        let (go, wait_for_go) = mpsc::channel();
        let builder = builder.clone();
        let thread = thread::Builder::new().name(format!("corelane-{id}")).spawn(move || {
            let cpu = cpu.filter(|&cpu| pin_to(cpu));
            if let Err(error) = signal::block_in_this_thread() {
                let _gone = tell_up.send(Err(error));
                return Ok(());
            }
            let ready = match Ready::open(id, count, &builder) {
                Ok(ready) => ready,
                Err(error) => {
                    let _gone = tell_up.send(Err(error));
                    return Ok(());
                }
            };
            let (kind, findings, shared) = (ready.kind(), ready.findings.clone(), ready.shared());
            let _gone = tell_up.send(Ok(Up { kind, findings, cpu, shared }));
            // Nobody to say go: another core could not start.
            let Ok((seat, blocking)) = wait_for_go.recv() else { return Ok(()) };
            match ready.run_main(Common { mesh: Mesh::new(seat), blocking }, move || f(id))? {
                Err(error) if error.is_panic() => Err(io::Error::other(format!("core {id}: {error}"))),
                // Stopped while its first task still ran: that is what was asked for.
                _ => Ok(()),
            }
        })?;
        Ok(Starting { thread, up, go })
    }
}

/// CPUs this process may run on.
fn allowed_cpus() -> Vec<usize> {
    let allowed: Vec<usize> = match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        Err(_) => Vec::new(),
    };
    if allowed.is_empty() { vec![0] } else { allowed }
}

/// Pins the calling thread. False, and a log line, if the kernel refuses: the core still works.
fn pin_to(cpu: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(cpu);
    match sched_setaffinity(None, &set) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(cpu, %error, "a core cannot be pinned");
            false
        }
    }
}

/// Cores that run. Dropping it stops them at once and waits for them.
pub struct Runtime {
    info: RuntimeInfo,
    cores: Arc<[Arc<CoreShared>]>,
    threads: Vec<thread::JoinHandle<io::Result<()>>>,
}

impl Runtime {
    /// How to start one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What it runs on.
    pub fn info(&self) -> &RuntimeInfo {
        &self.info
    }

    /// The figures of every core, in their order, as of a moment ago. Asks no core and may be called as
    /// often as one likes.
    pub fn core_stats(&self) -> Vec<CoreStats> {
        self.cores.iter().map(|core| CoreStats::of(core)).collect()
    }

    /// What another thread needs to shut the runtime down.
    pub fn handle(&self) -> Handle {
        Handle { cores: Arc::clone(&self.cores) }
    }

    /// First step: asks every core to [drain](crate::shutdown). Second step: cores that still run
    /// after `grace` are stopped, their tasks dropped. Returns at once; [`join`](Self::join) waits.
    pub fn shutdown(&self, grace: Duration) {
        self.handle().shutdown(grace);
    }

    /// Stops every core at once. Returns at once; [`join`](Self::join) waits.
    pub fn shutdown_now(&self) {
        self.handle().shutdown_now();
    }

    /// Waits until every core has ended.
    ///
    /// # Errors
    /// If the first task of a core panicked, or its loop could not start.
    pub fn join(mut self) -> io::Result<()> {
        self.join_all()
    }

    fn join_all(&mut self) -> io::Result<()> {
        let mut outcome = Ok(());
        for thread in self.threads.drain(..) {
            let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a core's thread panicked")));
            outcome = outcome.and(ended);
        }
        outcome
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.shutdown_now();
            let _reported_by_join_only = self.join_all();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Shuts a [`Runtime`] down from any thread. Does nothing once it has ended.
#[derive(Clone)]
pub struct Handle {
    cores: Arc<[Arc<CoreShared>]>,
}

impl Handle {
    /// First step: asks every core to [drain](crate::shutdown). Second step: cores that still run
    /// after `grace` are stopped, their tasks dropped. Returns at once; [`Runtime::join`] waits.
    pub fn shutdown(&self, grace: Duration) {
        for core in self.cores.iter() {
            core.post(Box::new(move || {
                Core::with(Core::start_draining);
                drop(spawn(async move {
                    sleep(grace).await;
                    Core::with(Core::stop);
                }));
            }));
        }
    }

    /// What finds out whether every core is alive.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat::new(Arc::clone(&self.cores))
    }

    /// Stops every core at once. Returns at once; [`Runtime::join`] waits.
    pub fn shutdown_now(&self) {
        for core in self.cores.iter() {
            core.post(Box::new(|| Core::with(Core::stop)));
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("cores", &self.cores.len()).finish_non_exhaustive()
    }
}
