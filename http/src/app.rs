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
use crate::router::{self, MethodRouter, Registry, Routes, ScopeId};

/// An application being put together. See the [module](self), and [`router`] for templates.
#[must_use = "an application answers nothing until a server runs it"]
pub struct App {
    registry: Registry,
    states: States,
}

impl App {
    /// No routes: every answer is 404.
    pub fn new() -> App {
        App { registry: Registry::new(), states: States::new() }
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
        AppService { routes: Rc::new(self.registry.build(Rc::new(self.states))) }
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
        self.routes.route(&mut request).endpoint().call(request)
    }
}

impl fmt::Debug for AppService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppService").finish_non_exhaustive()
    }
}
