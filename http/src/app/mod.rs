//! The application: routes, state and layers, built once on each core.
//!
//! The server calls the factory that it is given on every core, so nothing in an [`App`] has to be `Send`, and
//! state is shared by `Rc`. What all cores have to share, the factory captures, and [`App::shared`] hands out.
//!
//! ```
//! use std::cell::Cell;
//! use corelane_http::app::App;
//! use corelane_http::extract::State;
//! use corelane_http::request::Request;
//!
//! #[derive(Default)]
//! struct Visits(Cell<u64>);
//!
//! async fn visit(State(visits): State<Visits>) -> String {
//!     visits.0.set(visits.0.get() + 1);
//!     format!("{} visits on this core", visits.0.get())
//! }
//!
//! fn app() -> App {
//!     App::new().state(Visits::default()).get("/", visit)
//! }
//!
//! // Without a server, as a test does it:
//! # corelane_runtime::block_on(async {
//! let service = app().into_service();
//! let response = service.call(Request::builder("GET", "/").build()).await;
//! assert_eq!(response.into_body().bytes().await.unwrap(), "1 visits on this core");
//! # });
//! ```
//!
//! # Errors
//!
//! What goes wrong is answered with a [`Problem`](crate::problem::Problem). A client whose `Accept` begins with
//! `text/html`, as that of a browser does, gets it as a small page instead. [`App::on_error`] replaces either.
//!
//! # Start and stop
//!
//! In this order: [`Server::on_start`](crate::server::Server::on_start) once for the process; on each core the
//! factory, then [`App::on_start`] in the order of registration; once every core is through, all of them accept
//! connections. At the end: no more are accepted, requests under way finish; on each core [`App::on_stop`] in reverse
//! order; [`Server::on_stop`](crate::server::Server::on_stop) when the last core has ended.

mod errors;
mod group;
mod hooks;
mod page;
mod service;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::extract::States;
use crate::handler::{Extractors, Handler};
use crate::request::Request;
use crate::response::Response;
use crate::router::{Registry, RouteList, ScopeId};
use hooks::Hook;

pub use errors::{ErrorHandler, Statuses};
pub use group::Group;
pub use hooks::{HookError, Outcome};
pub use service::AppService;

pub(crate) use errors::{ErasedErrorHandler, ErrorHandlers, HandlingErrors};

/// An application being put together. See the [module](self), and [`router`](crate::router) for templates.
#[must_use = "an application answers nothing until a server runs it"]
pub struct App {
    plan: Plan,
}

/// All that an application consists of.
struct Plan {
    registry: Registry,
    states: States,
    before: Vec<Before>,
    on_start: Vec<Hook>,
    on_stop: Vec<Hook>,
}

/// What runs before a request is routed. See [`App::before`].
type Before = Box<dyn Fn(&mut Request) -> Result<(), Response>>;

impl App {
    /// No routes: every answer is 404.
    pub fn new() -> App {
        App {
            plan: Plan {
                registry: Registry::new(),
                states: States::new(),
                before: Vec::new(),
                on_start: Vec::new(),
                on_stop: Vec::new(),
            },
        }
    }

    /// Runs `hook` on each request before it is routed. It may change what is looked for
    /// ([`Request::set_path`], [`Request::set_method`]), attach a value, or answer in place of the application.
    ///
    /// Hooks run in the order they were added, on the path of every request, and cannot wait: what waits is a layer. An
    /// answer given here passes through no layer. An application without hooks pays nothing for them.
    ///
    /// ```
    /// use corelane_http::app::App;
    /// use corelane_http::request::Request;
    /// use corelane_http::response::IntoResponse;
    ///
    /// let app = App::new().get("/users", async || "users").before(|request| {
    ///     let Some(path) = request.path().strip_prefix("/v1").map(str::to_owned) else { return Ok(()) };
    ///     request.set_path(&path).map_err(IntoResponse::into_response)
    /// });
    /// # corelane_runtime::block_on(async {
    /// let response = app.into_service().call(Request::builder("GET", "/v1/users").build()).await;
    /// assert_eq!(response.status(), 200);
    /// # });
    /// ```
    pub fn before(mut self, hook: impl Fn(&mut Request) -> Result<(), Response> + 'static) -> App {
        self.plan.before.push(Box::new(hook));
        self
    }

    /// Gives a value to the handlers of this core, which take it with [`State<T>`](crate::extract::State).
    ///
    /// # Panics
    /// At the caller's line, if there is a value of this type already.
    #[track_caller]
    pub fn state<T: 'static>(mut self, value: T) -> App {
        self.plan.states.insert(value);
        self
    }

    /// Gives a value that all cores share to the handlers, which take it with [`Shared<T>`](crate::extract::Shared).
    ///
    /// The value is made outside the factory, which captures it. What is shared is touched by several cores at once: prefer
    /// [`App::state`] for what each core can have for itself.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use corelane_http::app::App;
    /// use corelane_http::extract::Shared;
    ///
    /// #[derive(Default)]
    /// struct Served(AtomicU64);
    ///
    /// async fn count(served: Shared<Served>) -> String {
    ///     format!("{} on all cores", served.0.0.fetch_add(1, Ordering::Relaxed) + 1)
    /// }
    ///
    /// let served = Arc::new(Served::default());
    /// let factory = move || App::new().shared(served.clone()).get("/", count);
    /// # let _ = factory();
    /// ```
    ///
    /// # Panics
    /// At the caller's line, if there is a value of this type already.
    #[track_caller]
    pub fn shared<T: Send + Sync + 'static>(mut self, value: Arc<T>) -> App {
        self.plan.states.insert(value);
        self
    }

    /// Runs `hook` on each core before that serves, in the order they were added. An error, or a panic, stops the start of
    /// the server, which reports it. A hook takes what a handler takes that needs no request, such as
    /// [`State`](crate::extract::State).
    ///
    /// All hooks of a core together have [`Limits::start_timeout`](crate::server::Limits::start_timeout).
    /// An [`AppService`] without a server runs them with [`AppService::start`].
    ///
    /// ```
    /// use corelane_http::app::App;
    /// use corelane_http::extract::State;
    ///
    /// # struct Pool;
    /// # impl Pool { async fn connect(&self) -> std::io::Result<()> { Ok(()) } async fn close(&self) {} }
    /// let app = App::new()
    ///     .state(Pool)
    ///     .on_start(async |State(pool): State<Pool>| pool.connect().await)
    ///     .on_stop(async |State(pool): State<Pool>| pool.close().await);
    /// # let _ = app;
    /// ```
    #[track_caller]
    pub fn on_start<H: Handler<Args, Output: Outcome>, Args: Extractors>(mut self, hook: H) -> App {
        self.plan.on_start.push(Hook::new(hook));
        self
    }

    /// Runs `hook` on each core once that serves no more, in reverse order of addition. An error is logged, and the
    /// next one runs.
    ///
    /// All hooks of a core together have [`Limits::stop_timeout`](crate::server::Limits::stop_timeout), counted from the end of
    /// the core's last request, or of the drain; what has not finished then is dropped. A server that is told to
    /// stop at once waits for none of them.
    #[track_caller]
    pub fn on_stop<H: Handler<Args, Output: Outcome>, Args: Extractors>(mut self, hook: H) -> App {
        self.plan.on_stop.push(Hook::new(hook));
        self
    }

    /// What is registered so far, in order of registration.
    pub fn routes(&self) -> RouteList {
        self.plan.registry.list()
    }

    /// The finished application, as the server uses it and tests can.
    ///
    /// # Panics
    /// If a handler takes a state that was not given, with the handler's route and where that was registered.
    pub fn into_service(self) -> AppService {
        AppService::new(self.plan)
    }

    const SCOPE: ScopeId = ScopeId::ROOT;
}

impl Plan {
    /// Takes another application in, below the prefix of `scope` and `prefix`.
    #[track_caller]
    fn absorb(&mut self, scope: ScopeId, prefix: &str, other: Plan) {
        self.registry.absorb(scope, prefix, other.registry);
        self.states.absorb(other.states);
        self.before.extend(other.before);
        self.on_start.extend(other.on_start);
        self.on_stop.extend(other.on_stop);
    }

    /// What finds routes, and what they find.
    fn build(self) -> (crate::router::Routes, Vec<Before>, Vec<Hook>, Vec<Hook>) {
        let Plan { registry, mut states, before, on_start, on_stop } = self;
        states.insert(registry.names());
        for hook in on_start.iter().chain(&on_stop) {
            hook.check(&states);
        }
        (registry.build(Rc::new(states)), before, on_start, on_stop)
    }
}

impl Default for App {
    fn default() -> Self {
        App::new()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("routes", &&*self.routes()).finish_non_exhaustive()
    }
}
