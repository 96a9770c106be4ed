//! The admin listener: profiles, statistics and findings of the process, on an address of their own.
//!
//! ```
//! use corelane_middlewares::admin::Admin;
//!
//! // In `main`, before the server runs; it answers until the value is dropped.
//! let admin = Admin::bind("127.0.0.1:0").start()?;
//! println!("curl http://{}/profile/cpu?seconds=10 > flame.svg", admin.address());
//! # Ok::<(), corelane_middlewares::admin::AdminError>(())
//! ```
//!
//! It runs on a core of its own, in a thread called `corelane-admin`: it answers while the application's cores are stuck,
//! which is when one wants to know. Its core is not pinned, and sleeps unless it is asked.
//!
//! | path | answer |
//! | --- | --- |
//! | `GET /` | this list |
//! | `GET /stats` | the figures of each core, as JSON |
//! | `GET /findings` | what is wrong, the costliest first, as JSON; `format=text` for people |
//! | `GET /profile/cpu` | CPU time by stack: `seconds` (10, at most 300), `hz` (99, at most 999), `format` |
//! | `GET /profile/history` | the same of the last `minutes` (5), not counting the last `skip` (0), if a history is kept |
//! | `GET /profile/diff` | the last `minutes` against those before them, as a flame graph |
//!
//! `format` is `svg` (a flame graph; the default), `collapsed`, or `pprof`.
//!
//! # Who may ask
//!
//! Nobody unless the application starts it. On a loopback address everybody on the machine may, as with a debugger's port; a
//! browser is kept from being used for it by the check that `Host` is an address or `localhost`. Any other address needs a
//! [`token`](Admin::token), which every request has to carry (`Authorization: Bearer ...`, RFC 6750). There is no TLS
//! here: put nginx in front, or come by an SSH tunnel.

mod cpu;
mod error;
mod findings;
mod guard;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use corelane_http::app::App;
use corelane_http::extract::Json;
use corelane_http::server::{Running, Server};
use corelane_profiling::sampler::History;
use corelane_profiling::watch::Watch;
use corelane_runtime::observe;
use serde_json::{Map, Value, json};

use self::error::Kind;
use self::guard::Guard;

pub use self::error::AdminError;

/// The name of its thread. The kernel keeps fifteen bytes.
const THREAD: &std::ffi::CStr = c"corelane-admin";

/// An admin listener being set up.
#[must_use = "it does nothing until `start`"]
pub struct Admin {
    address: Result<SocketAddr, AdminError>,
    token: Option<String>,
    history_hz: Option<u32>,
    longest_poll: Duration,
}

impl Admin {
    /// One that will listen on `address`; port 0 takes a free one. What is wrong with it is said by [`start`](Admin::start).
    pub fn bind(address: impl ToSocketAddrs) -> Admin {
        let address = address
            .to_socket_addrs()
            .map_err(|error| AdminError::new(Kind::Address(error)))
            .and_then(|mut found| found.next().ok_or(AdminError::new(Kind::NoAddress)));
        Admin { address, token: None, history_hz: None, longest_poll: Duration::from_millis(10) }
    }

    /// What every request has to carry as a bearer token. Needed on an address that is not loopback; on one that is, it is
    /// asked for if it is set.
    pub fn token(mut self, token: impl Into<String>) -> Admin {
        self.token = Some(token.into());
        self
    }

    /// Keeps a profile of the last hour, `hz` samples per second of CPU; [`HISTORY_HZ`](corelane_profiling::sampler::HISTORY_HZ) is
    /// meant for it. Off unless asked for.
    pub fn history(mut self, hz: u32) -> Admin {
        self.history_hz = Some(hz);
        self
    }

    /// How long a task may hold a core before that is a finding. Default 10 ms; at least 2 ms.
    pub fn longest_poll(mut self, longest: Duration) -> Admin {
        self.longest_poll = longest;
        self
    }

    /// Starts it. It answers until what is returned is dropped.
    ///
    /// # Errors
    /// The address is none, or is taken, or is not loopback and there is no token; the history cannot be kept; or no
    /// thread or driver can be had.
    pub fn start(self) -> Result<AdminServer, AdminError> {
        let address = self.address?;
        if self.token.as_ref().is_some_and(String::is_empty) {
            return Err(AdminError::new(Kind::EmptyToken));
        }
        if self.token.is_none() && !address.ip().is_loopback() {
            return Err(AdminError::new(Kind::NoToken(address)));
        }
        let history = match self.history_hz {
            Some(hz) => Some(History::start(hz).map_err(|error| AdminError::new(Kind::Sampler(error)))?),
            None => None,
        };
        let watch = Watch::start(self.longest_poll).map_err(|error| AdminError::new(Kind::Watch(error)))?;
        let listener = Arc::new(Listener { token: self.token, history, watch });
        let server = Server::bind(address).cores(1);
        let running = server
            .start(move || {
                // A name is a help to whoever looks at the threads, no more.
                let _unnamed = rustix::thread::set_name(THREAD);
                app(&listener)
            })
            .map_err(|error| AdminError::new(Kind::Server(error)))?;
        tracing::info!(address = %running.address(), "the admin listener answers");
        Ok(AdminServer { running: Some(running) })
    }
}

/// What all requests share.
struct Listener {
    token: Option<String>,
    history: Option<History>,
    watch: Watch,
}

fn app(listener: &Arc<Listener>) -> App {
    App::new()
        .shared(Arc::clone(listener))
        .with(Guard::new(listener.token.as_deref()))
        .get("/", list)
        .get("/stats", stats)
        .get("/findings", findings::findings)
        .get("/profile/cpu", cpu::profile)
        .get("/profile/history", cpu::history)
        .get("/profile/diff", cpu::diff)
}

async fn list() -> &'static str {
    "Corelane admin listener\n\n\
     GET /stats                                  figures of each core\n\
     GET /findings?format=text                   what is wrong, and what to do\n\
     GET /profile/cpu?seconds=10&hz=99&format=svg    CPU time by stack (svg, collapsed, pprof)\n\
     GET /profile/history?minutes=5&skip=0       the same of the last minutes, if a history is kept\n\
     GET /profile/diff?minutes=5                 the last minutes against those before them\n"
}

/// The figures of every core that is not the listener's own, and requests by route.
async fn stats() -> Json<Value> {
    let cores = observe::cores().into_iter().filter(|core| !core.is_own_runtime());
    let cores: Vec<Value> = cores
        .map(|core| {
            let stats = core.stats();
            let mut out = Map::new();
            out.insert("core".into(), json!(core.id().index()));
            out.insert("thread".into(), json!(core.thread()));
            out.insert("driver".into(), json!(core.driver().to_string()));
            for metric in stats.metrics() {
                let value = if metric.scale == 1.0 {
                    json!(metric.value)
                } else {
                    json!(metric.value as f64 * metric.scale)
                };
                out.insert(metric.name.into(), value);
            }
            let routes: Map<String, Value> = observe::Route::all()
                .filter_map(|route| {
                    let requests = core.requests(route);
                    (requests > 0).then(|| Some((route.name()?.to_string(), json!(requests)))).flatten()
                })
                .collect();
            out.insert("routes".into(), Value::Object(routes));
            let blocking = core.blocking();
            out.insert(
                "blocking".into(),
                json!({ "threads": blocking.threads, "idle": blocking.idle, "queued": blocking.queued }),
            );
            Value::Object(out)
        })
        .collect();
    Json(json!({
        "process": std::process::id(),
        "sampler": corelane_profiling::sampler::source().to_string(),
        "frame_pointers": corelane_profiling::sampler::has_frame_pointers(),
        "cores": cores,
    }))
}

/// An admin listener that answers, until it is dropped.
#[must_use = "it ends when it is dropped"]
pub struct AdminServer {
    running: Option<Running>,
}

impl AdminServer {
    /// The address it listens on, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        match &self.running {
            Some(running) => running.address(),
            None => unreachable!("it runs until it is dropped"),
        }
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take()
            && let Err(error) = running.shutdown_now()
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the admin listener did not end well");
        }
    }
}

impl std::fmt::Debug for AdminServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminServer").field("address", &self.address()).finish()
    }
}
