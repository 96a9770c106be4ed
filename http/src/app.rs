//! The application: routes, state and layers, built once on each core.
//!
//! The server calls the factory that it is given on every core, so nothing in an [`App`] has to be `Send`, and
//! state is shared by `Rc`. What all cores have to share, the factory captures.
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

use std::fmt;
use std::rc::Rc;

use corelane_runtime::buf::LocalBoxFuture;
use http::Method;

use crate::extract::States;
use crate::handler::{Extractors, Handler};
use crate::middleware::Middleware;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::router::{self, MethodRouter, Registry, RouteList, Routes, ScopeId};

/// An application being put together. See the [module](self), and [`router`] for templates.
#[must_use = "an application answers nothing until a server runs it"]
pub struct App {
    registry: Registry,
    states: States,
    before: Vec<Before>,
}

/// What runs before a request is routed. See [`App::before`].
type Before = Box<dyn Fn(&mut Request) -> Result<(), Response>>;

impl App {
    /// No routes: every answer is 404.
    pub fn new() -> App {
        App { registry: Registry::new(), states: States::new(), before: Vec::new() }
    }

    /// Registers handlers for a path.
    ///
    /// # Panics
    /// At the caller's line: if the template is not valid, or a method has a handler on this path already.
    #[track_caller]
    pub fn route(mut self, template: &str, methods: MethodRouter) -> App {
        self.registry.add(ScopeId::ROOT, template, methods);
        self
    }

    /// Puts a layer around everything, 404 included. The order is told in [`middleware`](crate::middleware).
    pub fn with(mut self, middleware: impl Middleware) -> App {
        self.registry.layer(ScopeId::ROOT, middleware);
        self
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
        self.before.push(Box::new(hook));
        self
    }

    /// What is registered so far, in order of registration.
    pub fn routes(&self) -> RouteList {
        self.registry.list()
    }

    /// Registers routes below a prefix, with layers of their own.
    ///
    /// ```
    /// use corelane_http::app::App;
    ///
    /// let app = App::new().group("/api", |api| {
    ///     api.get("/users", async || "users").group("/admin", |admin| admin.get("", async || "admin"))
    /// });
    /// # let _ = app;
    /// ```
    ///
    /// # Panics
    /// At the caller's line, if the prefix does not begin with a slash or ends with one.
    #[track_caller]
    pub fn group(mut self, prefix: &str, routes: impl FnOnce(Group) -> Group) -> App {
        self.registry = Group::inside(self.registry, ScopeId::ROOT, "", prefix, routes);
        self
    }

    /// Gives a value to the handlers of this core, which take it with [`State<T>`](crate::extract::State).
    ///
    /// # Panics
    /// At the caller's line, if there is a value of this type already.
    #[track_caller]
    pub fn state<T: 'static>(mut self, value: T) -> App {
        self.states.insert(value);
        self
    }

    /// The finished application, as the server uses it and tests can.
    ///
    /// # Panics
    /// If a handler takes a state that was not given, with the handler's route and where that was registered.
    pub fn into_service(self) -> AppService {
        let before = (!self.before.is_empty()).then(|| Rc::from(self.before));
        AppService { routes: Rc::new(self.registry.build(Rc::new(self.states))), before }
    }
}

impl Default for App {
    fn default() -> Self {
        App::new()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// Routes below a prefix. See [`App::group`].
#[must_use = "return it from the closure"]
pub struct Group {
    registry: Registry,
    scope: ScopeId,
    prefix: String,
}

impl Group {
    #[track_caller]
    fn inside(
        mut registry: Registry,
        parent: ScopeId,
        outer: &str,
        prefix: &str,
        routes: impl FnOnce(Group) -> Group,
    ) -> Registry {
        assert!(
            prefix.starts_with('/') && !prefix.ends_with('/'),
            "`{prefix}` is not a prefix: it has to begin with a slash and not to end with one"
        );
        let scope = registry.scope(parent);
        routes(Group { registry, scope, prefix: format!("{outer}{prefix}") }).registry
    }

    /// Registers handlers for a path below the prefix; `""` is the prefix itself, `"/"` the prefix and a slash.
    ///
    /// # Panics
    /// As [`App::route`].
    #[track_caller]
    pub fn route(mut self, template: &str, methods: MethodRouter) -> Group {
        assert!(
            template.is_empty() || template.starts_with('/'),
            "`{template}` is not a route template: in a group it begins with a slash or is empty"
        );
        self.registry.add(self.scope, &format!("{}{template}", self.prefix), methods);
        self
    }

    /// Puts a layer around the routes of this group, inside those of what it stands in.
    pub fn with(mut self, middleware: impl Middleware) -> Group {
        self.registry.layer(self.scope, middleware);
        self
    }

    /// A group inside this one: prefixes add up, layers nest.
    ///
    /// # Panics
    /// As [`App::group`].
    #[track_caller]
    pub fn group(mut self, prefix: &str, routes: impl FnOnce(Group) -> Group) -> Group {
        self.registry = Group::inside(self.registry, self.scope, &self.prefix, prefix, routes);
        self
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The same short forms on both.
macro_rules! methods {
    ($type:ident: $($name:ident $text:literal),*) => {
        impl $type {
            $(
                #[doc = concat!("Registers a handler for ", $text, ".\n\n# Panics\nAs [`App::route`].")]
                #[track_caller]
                pub fn $name<H: Handler<Args, Output: IntoResponse>, Args: Extractors>(self, template: &str, handler: H) -> $type {
                    self.route(template, router::$name(handler))
                }
            )*

            /// Registers a handler for a method that has no function of its own.
            ///
            /// # Panics
            /// As [`App::route`].
            #[track_caller]
            pub fn on<H: Handler<Args, Output: IntoResponse>, Args: Extractors>(
                self,
                method: Method,
                template: &str,
                handler: H,
            ) -> $type {
                self.route(template, router::on(method, handler))
            }
        }
    };
    ($($type:ident),*) => {
        $(methods!($type:
            get "`GET` and `HEAD`", post "`POST`", put "`PUT`", delete "`DELETE`", patch "`PATCH`", head "`HEAD`",
            options "`OPTIONS`", any "every method that has no handler of its own");
        )*
    };
}

methods!(App, Group);

/// A finished application: requests in, responses out. Cheap to clone, stays on its core.
#[derive(Clone)]
pub struct AppService {
    routes: Rc<Routes>,
    /// `None` if there are none.
    before: Option<Rc<[Before]>>,
}

impl AppService {
    /// Answers a request.
    ///
    /// The response to `HEAD` still has its body, from which the connection tells the length; sending none is
    /// the connection's part.
    ///
    /// # Cancellation
    /// Dropping the future drops the handler, and its layers, where they wait.
    pub fn call(&self, mut request: Request) -> LocalBoxFuture<'static, Response> {
        if let Some(hooks) = &self.before {
            for hook in &**hooks {
                if let Err(answer) = hook(&mut request) {
                    return LocalBoxFuture::new(std::future::ready(answer));
                }
            }
        }
        self.routes.route(&mut request).endpoint().call(request)
    }

    /// Every route of the application.
    pub fn routes(&self) -> &RouteList {
        self.routes.list()
    }
}

impl fmt::Debug for AppService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppService").finish_non_exhaustive()
    }
}
