//! The server: its listeners, and on each core their accept loops and a copy of the application.
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
//!
//! # The life of a process
//!
//! What [`Server::run`] does besides serving:
//!
//! * SIGUSR2 starts the program anew and hands the listening sockets over: the new process accepts before this one stops to.
//!   If the new one does not come up, this one goes on.
//! * It takes sockets from systemd ([`Listen::passed`]), tells it when it serves, reloads and stops, and answers its watchdog for as
//!   long as every core is alive.
//! * While it drains, it logs each second what it waits for; [`Status`] tells the program.
//! * A core with far more connections than the mean hands new ones to the core with the fewest.

mod accept;
mod command;
mod control;
mod error;
mod greet;
mod hooks;
mod intake;
mod limits;
mod listen;
mod notify;
mod registry;
mod running;
mod sockets;
mod status;
#[cfg(feature = "tls")]
mod tls;
mod trust;

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use corelane_runtime::signal::Signals;
use corelane_runtime::{CoreId, DriverChoice, RingOptions, Runtime};

use crate::app::{App, Outcome};
use accept::Job;
use control::Program;
use hooks::{ProcessHook, Start};
use intake::Intake;
use running::AtEnd;
use sockets::Sockets;

pub use error::ServerError;
pub use limits::Limits;
pub use listen::{Listen, ListenError};
pub use running::Running;
pub use sockets::ListenAddr;
pub use status::{Activity, Phase, Status};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsFileError};
pub use trust::{TrustError, TrustedProxies};

pub(crate) use registry::{Registry, State, Ticket};
pub(crate) use trust::Way;

/// A server being configured. See the [module](self) for the two ways to run it.
#[must_use = "a server does nothing until `run` or `start`"]
pub struct Server {
    listen: Vec<Listen>,
    /// What was wrong with an address.
    mistake: Option<ServerError>,
    status: Status,
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
        match address {
            Ok(address) => Server::new(Listen::tcp(address)),
            Err(mistake) => {
                let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
                Server { mistake: Some(mistake), ..Server::new(Listen::tcp(nowhere)) }
            }
        }
    }

    /// A server that will listen at this place, which may be something else than a TCP address.
    ///
    /// ```no_run
    /// use corelane_http::app::App;
    /// use corelane_http::server::{Listen, Server};
    ///
    /// Server::new(Listen::unix("/run/app.sock").mode(0o660)).run(App::new)?;
    /// # Ok::<(), corelane_http::server::ServerError>(())
    /// ```
    pub fn new(listen: impl Into<Listen>) -> Server {
        Server {
            listen: vec![listen.into()],
            mistake: None,
            status: Status::default(),
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

    /// Listens at this place, too. All places serve the same application.
    pub fn listen(mut self, listen: impl Into<Listen>) -> Server {
        self.listen.push(listen.into());
        self
    }

    /// What tells how far the server is, from now on until after its end.
    pub fn status(&self) -> Status {
        self.status.clone()
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
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let (sockets, ready) = Sockets::open(&self.listen, cores)?;
        let copies: Result<Vec<_>, _> =
            (0..cores).map(|core| sockets.of_core(CoreId::new(core), cores).map(Some)).collect();
        let copies = Mutex::new(copies.map_err(ServerError::runtime)?);
        let limits = self.limits.fit_descriptors(cores, corelane_runtime::descriptors::raise_limit());
        let trust = self.trust.map_err(ServerError::trust)?;
        hooks::run(self.on_start, self.driver, limits.start_timeout)?;
        let status = self.status;
        status.set_cores(cores);
        let at_end = AtEnd::new(self.on_stop, self.driver, limits.stop_timeout);
        let factory = Arc::new(factory);
        let (start, reports) = Start::new(cores);
        let intake = Intake::new(cores);
        let places: Arc<[Listen]> = self.listen.into();
        let (of_cores, of_status, of_places) = (limits.clone(), status.clone(), places.clone());
        let runtime = Runtime::builder()
            .cores(Some(cores))
            .driver(self.driver)
            .ring_options(self.ring_options)
            .lease_bytes_max(limits.buffer_bytes_per_core)
            .start(move |core| {
                let start = start.core();
                let copies = copies.lock().unwrap_or_else(PoisonError::into_inner)[core.index()].take();
                // Caught here, as the start is to tell what was wrong, and not only that a core has ended.
                let service = catch_unwind(AssertUnwindSafe(|| factory().into_service()));
                let job = Job {
                    sockets: copies.expect("a core takes its sockets once"),
                    places: of_places.clone(),
                    limits: of_cores.clone(),
                    trust: trust.clone(),
                    status: of_status.clone(),
                    intake: intake.clone(),
                };
                async move {
                    let service = match service {
                        Ok(service) => service,
                        Err(payload) => return start.fail(ServerError::factory(&*payload)),
                    };
                    if start.run(&service, job.limits.start_timeout).await {
                        accept::serve(job, service).await;
                    }
                }
            })
            .map_err(ServerError::runtime)?;
        if let Err(failure) = hooks::wait(&reports, cores) {
            runtime.shutdown_now();
            let ended = runtime.join().map_err(ServerError::runtime);
            sockets.close(ready.is_some());
            // A core that has panicked says so at its end; if it does not, it was stopped from outside.
            return Err(failure.or(ended.err()).unwrap_or_else(ServerError::stopped));
        }
        for address in sockets.addresses() {
            tracing::info!(%address, runtime = %runtime.info(), "listening");
        }
        status.advance(Phase::Serving);
        if let Some(ready) = ready
            && let Err(error) = ready.tell()
        {
            tracing::warn!(%error, "the process before this one could not be told that it may end");
        }
        Ok(Running { runtime, sockets, places, status, limits, at_end })
    }

    /// Starts the server and serves until the process is told to stop by SIGTERM or SIGINT; then no connection is
    /// accepted, requests under way get [`Limits::drain_timeout`] to finish, stop hooks run, and `run` returns. A second
    /// signal closes at once. SIGUSR2 has another process take over: see the [module](self#the-life-of-a-process).
    ///
    /// With `CORELANE_COMMAND` in the environment nothing is served: `routes` and `routes-json` print the routes, `check` builds the
    /// application, and `run` returns. This is what `corelane routes` and `corelane check-config` use; no hook runs.
    ///
    /// # Errors
    /// As [`Server::start`], and for any other word in `CORELANE_COMMAND`.
    pub fn run(mut self, factory: impl Fn() -> App + Send + Sync + 'static) -> Result<(), ServerError> {
        if let Some(done) = command::asked(&factory) {
            return done;
        }
        let signals = Signals::block().map_err(ServerError::runtime)?;
        let (hangup, program) = (self.hangup.take(), Program::of_this_process());
        self.start(factory)?.run(signals, hangup, program)
    }
}
