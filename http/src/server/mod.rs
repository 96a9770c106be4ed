//! The server: one listener, one accept loop and one copy of the application per core.
//!
//! ```no_run
//! use corelane_http::{app::App, server::Server};
//!
//! async fn hello() -> &'static str {
//!     "Hello, World!"
//! }
//!
//! fn main() -> Result<(), corelane_http::server::ServerError> {
//!     Server::bind("127.0.0.1:8080").run(|| App::new().get("/", hello))
//! }
//! ```
//!
//! [`Server::run`] takes the process over: it serves until SIGTERM or SIGINT, drains, and returns. A second signal
//! closes at once. [`Server::start`] gives a [`Running`] instead, for tests and for programs with a main of their own.

mod accept;
mod error;
mod hooks;
mod limits;
mod listen;
mod registry;
mod trust;

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use corelane_runtime::signal::{self, Signals};
use corelane_runtime::{DriverChoice, RingOptions, Runtime, RuntimeInfo};

use crate::app::{App, Outcome};
use hooks::{ProcessHook, Start};

pub use error::ServerError;
pub use limits::Limits;
pub use trust::{TrustError, TrustedProxies};

pub(crate) use registry::{Registry, Ticket};

/// A server being configured. See the [module](self) for the two ways to run it.
#[must_use = "a server does nothing until `run` or `start`"]
pub struct Server {
    address: Result<SocketAddr, ServerError>,
    cores: Option<usize>,
    driver: DriverChoice,
    ring_options: RingOptions,
    limits: Limits,
    trust: Result<TrustedProxies, TrustError>,
    /// What SIGHUP calls; it ends the server as the other signals do if there is nothing.
    hangup: Option<Box<dyn FnMut() + Send>>,
    on_start: Vec<ProcessHook>,
    on_stop: Vec<ProcessHook>,
}

impl Server {
    /// A server that will listen on `address`; port 0 takes a free one.
    ///
    /// The address is resolved here, once, on the calling thread; what fails is reported by `run` or `start`.
    pub fn bind(address: impl ToSocketAddrs) -> Server {
        let address = address
            .to_socket_addrs()
            .map_err(ServerError::address)
            .and_then(|mut found| found.next().ok_or_else(ServerError::no_address));
        Server {
            address,
            cores: None,
            driver: DriverChoice::Auto,
            ring_options: RingOptions::default(),
            limits: Limits::default(),
            trust: Ok(TrustedProxies::default()),
            hangup: None,
            on_start: Vec::new(),
            on_stop: Vec::new(),
        }
    }

    /// How many cores serve; every core the process may run on if not given.
    pub fn cores(mut self, cores: usize) -> Server {
        self.cores = Some(cores);
        self
    }

    /// How the kernel is asked for I/O ([`DriverChoice::Auto`]).
    pub fn driver(mut self, driver: DriverChoice) -> Server {
        self.driver = driver;
        self
    }

    /// Choices of the ring driver, all off by default: see [`RingOptions`].
    ///
    /// ```no_run
    /// use corelane_http::{app::App, server::Server};
    /// use corelane_runtime::RingOptions;
    ///
    /// let busy = RingOptions { busy_poll: Some(std::time::Duration::from_micros(50)), ..RingOptions::default() };
    /// Server::bind("127.0.0.1:8080").ring_options(busy).run(App::new)?;
    /// # Ok::<(), corelane_http::server::ServerError>(())
    /// ```
    pub fn ring_options(mut self, options: RingOptions) -> Server {
        self.ring_options = options;
        self
    }

    /// Bounds and timeouts.
    pub fn limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// Proxies at these addresses and in these networks are believed about the client: see [`TrustedProxies::new`].
    /// Nobody is unless named. An entry that is neither is reported by `run` or `start`.
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item = impl AsRef<str>>) -> Server {
        self.trust = TrustedProxies::new(networks);
        self
    }

    /// The same, with more said about it.
    pub fn trust(mut self, proxies: TrustedProxies) -> Server {
        self.trust = Ok(proxies);
        self
    }

    /// What [`Server::run`] calls when the process gets SIGHUP, on a thread that is no core: to read the configuration
    /// anew, to reopen a log. Without it SIGHUP stops the server as SIGTERM does.
    pub fn on_hangup(mut self, call: impl FnMut() + Send + 'static) -> Server {
        self.hangup = Some(Box::new(call));
        self
    }

    /// Runs `hook` once for the process, before any core builds its application: what has to be done once, such as bringing
    /// a database up to date. Hooks run in the order they were added, on a thread of their own; an error
    /// stops the start. The order of all hooks is told in [`app`](crate::app#start-and-stop).
    ///
    /// ```no_run
    /// use corelane_http::{app::App, server::Server};
    ///
    /// # async fn migrate() -> std::io::Result<()> { Ok(()) }
    /// Server::bind("127.0.0.1:8080").on_start(migrate).run(App::new)?;
    /// # Ok::<(), corelane_http::server::ServerError>(())
    /// ```
    #[track_caller]
    pub fn on_start<F, Fut>(mut self, hook: F) -> Server
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: Outcome> + 'static,
    {
        self.on_start.push(ProcessHook::new(hook));
        self
    }

    /// Runs `hook` once for the process, when the last core has ended, however it did; of several the last added first. Not
    /// for a server that did not start. All of them together have [`Limits::stop_timeout`]; an error is logged.
    #[track_caller]
    pub fn on_stop<F, Fut>(mut self, hook: F) -> Server
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: Outcome> + 'static,
    {
        self.on_stop.insert(0, ProcessHook::new(hook));
        self
    }

    /// Starts the server and returns once every core accepts. `factory` is called once on each core, then the
    /// core's start hooks run; no core accepts before all are through.
    ///
    /// # Errors
    /// The address cannot be had, a trusted proxy is none, a core could not be started, no driver works here, a start
    /// hook failed or took longer than [`Limits::start_timeout`], or the factory panicked: on a mistake in the application, such
    /// as a route given twice.
    ///
    /// # Panics
    /// If a hook of the process does.
    pub fn start(self, factory: impl Fn() -> App + Send + Sync + 'static) -> Result<Running, ServerError> {
        let cores =
            self.cores.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
        let listeners = listen::listeners(self.address?, cores)?;
        let address = listeners.address;
        let limits = self.limits.fit_descriptors(cores, corelane_runtime::descriptors::raise_limit());
        let trust = self.trust.map_err(ServerError::trust)?;
        hooks::run(self.on_start, self.driver, limits.start_timeout)?;
        let (drain_timeout, stop_timeout) = (limits.drain_timeout, limits.stop_timeout);
        let factory = Arc::new(factory);
        let (start, reports) = Start::new(cores);
        let runtime = Runtime::builder()
            .cores(Some(cores))
            .driver(self.driver)
            .ring_options(self.ring_options)
            .lease_bytes_max(limits.buffer_bytes_per_core)
            .start(move |core| {
                let start = start.core();
                let listener = listeners.take(core);
                // Caught here, as the start is to tell what was wrong, and not only that a core has ended.
                let service = catch_unwind(AssertUnwindSafe(|| factory().into_service()));
                let (limits, trust) = (limits.clone(), trust.clone());
                async move {
                    let service = match service {
                        Ok(service) => service,
                        Err(payload) => return start.fail(ServerError::factory(&*payload)),
                    };
                    if start.run(&service, limits.start_timeout).await {
                        accept::serve(listener, service, limits, trust).await;
                    }
                }
            })
            .map_err(ServerError::runtime)?;
        if let Err(failure) = hooks::wait(&reports, cores) {
            runtime.shutdown_now();
            let ended = runtime.join().map_err(ServerError::runtime);
            // A core that has panicked says so at its end; if it does not, it was stopped from outside.
            return Err(failure.or(ended.err()).unwrap_or_else(ServerError::stopped));
        }
        tracing::info!(%address, runtime = %runtime.info(), "listening");
        let at_end = AtEnd { hooks: Mutex::new(self.on_stop), driver: self.driver, within: stop_timeout };
        Ok(Running { runtime, address, grace: drain_timeout.saturating_add(stop_timeout), at_end })
    }

    /// Starts the server and serves until the process is told to stop by SIGTERM or SIGINT; then no connection is
    /// accepted, requests under way get [`Limits::drain_timeout`] to finish, stop hooks run, and `run` returns. A second
    /// signal closes at once.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn run(mut self, factory: impl Fn() -> App + Send + Sync + 'static) -> Result<(), ServerError> {
        let signals = Signals::block().map_err(ServerError::runtime)?;
        let hangup = self.hangup.take();
        let Running { runtime, grace, at_end, .. } = self.start(factory)?;
        let ended = match hangup {
            Some(call) => signal::drain_on_signal_but_hangup(runtime, signals, grace, call),
            None => signal::drain_on_signal(runtime, signals, grace),
        };
        at_end.run();
        ended.map_err(ServerError::runtime)
    }
}

/// A server that listens.
pub struct Running {
    runtime: Runtime,
    address: SocketAddr,
    /// For what is under way, and for stop hooks.
    grace: Duration,
    at_end: AtEnd,
}

/// What is left to do when the cores have ended.
struct AtEnd {
    /// Never contended: it is there so that a [`Running`] can be shared, which hooks alone could not.
    hooks: Mutex<Vec<ProcessHook>>,
    driver: DriverChoice,
    within: Duration,
}

impl AtEnd {
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
    /// The address it listens on, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
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
    /// returns when every core has ended.
    ///
    /// # Errors
    /// A core ended by a panic outside any handler.
    pub fn shutdown(self) -> Result<(), ServerError> {
        self.runtime.shutdown(self.grace);
        self.join()
    }

    /// Closes every connection now and returns when every core has ended. The stop hooks of cores are not waited for, those of the
    /// process are.
    ///
    /// # Errors
    /// As [`Running::shutdown`].
    pub fn shutdown_now(self) -> Result<(), ServerError> {
        self.runtime.shutdown_now();
        self.join()
    }

    fn join(self) -> Result<(), ServerError> {
        let ended = self.runtime.join().map_err(ServerError::runtime);
        self.at_end.run();
        ended
    }
}
