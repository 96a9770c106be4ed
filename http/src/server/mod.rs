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
mod limits;
mod listen;
mod registry;
mod trust;

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use corelane_runtime::signal::{self, Signals};
use corelane_runtime::{DriverChoice, Runtime, RuntimeInfo};

use crate::app::App;

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
    limits: Limits,
    trust: Result<TrustedProxies, TrustError>,
    /// What SIGHUP calls; it ends the server as the other signals do if there is nothing.
    hangup: Option<Box<dyn FnMut() + Send>>,
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
            limits: Limits::default(),
            trust: Ok(TrustedProxies::default()),
            hangup: None,
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

    /// Starts the server and returns once every core listens. `factory` is called once on each core.
    ///
    /// # Errors
    /// The address cannot be had, a trusted proxy is none, a core could not be started, or no driver works here.
    ///
    /// # Panics
    /// A mistake in the application, such as a route given twice, panics on the first core, and here.
    pub fn start(self, factory: impl Fn() -> App + Send + Sync + 'static) -> Result<Running, ServerError> {
        let cores =
            self.cores.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
        let listeners = listen::listeners(self.address?, cores)?;
        let address = listeners.address;
        let limits = self.limits.fit_descriptors(cores, corelane_runtime::descriptors::raise_limit());
        let drain_timeout = limits.drain_timeout;
        let trust = self.trust.map_err(ServerError::trust)?;
        let factory = Arc::new(factory);
        let runtime = Runtime::builder()
            .cores(Some(cores))
            .driver(self.driver)
            .lease_bytes_max(limits.buffer_bytes_per_core)
            .start(move |core| {
                let listener = listeners.take(core);
                let service = factory().into_service();
                accept::serve(listener, service, limits.clone(), trust.clone())
            })
            .map_err(ServerError::runtime)?;
        tracing::info!(%address, runtime = %runtime.info(), "listening");
        Ok(Running { runtime, address, drain_timeout })
    }

    /// Starts the server and serves until the process is told to stop by SIGTERM or SIGINT; then no connection is
    /// accepted, requests under way get [`Limits::drain_timeout`] to finish, and `run` returns. A second signal
    /// closes at once.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn run(mut self, factory: impl Fn() -> App + Send + Sync + 'static) -> Result<(), ServerError> {
        let signals = Signals::block().map_err(ServerError::runtime)?;
        let hangup = self.hangup.take();
        let Running { runtime, drain_timeout, .. } = self.start(factory)?;
        match hangup {
            Some(call) => signal::drain_on_signal_but_hangup(runtime, signals, drain_timeout, call),
            None => signal::drain_on_signal(runtime, signals, drain_timeout),
        }
        .map_err(ServerError::runtime)
    }
}

/// A server that listens.
pub struct Running {
    runtime: Runtime,
    address: SocketAddr,
    drain_timeout: Duration,
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

    /// Stops accepting, lets requests under way finish for [`Limits::drain_timeout`], and returns when every
    /// core has ended.
    ///
    /// # Errors
    /// A core ended by a panic outside any handler.
    pub fn shutdown(self) -> Result<(), ServerError> {
        self.runtime.shutdown(self.drain_timeout);
        self.join()
    }

    /// Closes every connection now and returns when every core has ended.
    ///
    /// # Errors
    /// As [`Running::shutdown`].
    pub fn shutdown_now(self) -> Result<(), ServerError> {
        self.runtime.shutdown_now();
        self.join()
    }

    fn join(self) -> Result<(), ServerError> {
        self.runtime.join().map_err(ServerError::runtime)
    }
}
