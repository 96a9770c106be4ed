//! Handlers by method, for one path.

use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use http::Method;

use super::guard::{Guard, Guards};
use super::info::Metas;
use super::named::{Name, RouteName};
use crate::extract::Needs;
use crate::handler::{Endpoint, Extractors, Handler, erase};
use crate::middleware::{Deadline, Layer, Middleware};
use crate::respond::IntoResponse;

/// Handlers of one path by method, with what goes around them. Made by [`get`] and its like, used by
/// [`App::route`](crate::app::App::route).
///
/// ```
/// use corelane_http::router::{get, post};
///
/// let notes = get(async || "all notes").post(async || "a new note").body_limit(64 * 1024);
/// # let _ = corelane_http::app::App::new().route("/notes", notes);
/// ```
#[must_use = "handlers answer nothing until they are given to `App::route`"]
pub struct MethodRouter {
    pub(super) handlers: Vec<MethodHandler>,
    pub(super) layers: Vec<Rc<dyn Layer>>,
    pub(super) body_limit: Option<u64>,
    pub(super) guards: Guards,
    pub(super) name: Option<Name>,
    pub(super) metas: Metas,
}

/// One handler of a path.
pub(super) struct MethodHandler {
    /// `None` for every method that has no handler of its own.
    pub(super) method: Option<Method>,
    pub(super) endpoint: Rc<dyn Endpoint>,
    pub(super) needs: Needs,
    /// Where it was registered, for messages.
    pub(super) location: &'static Location<'static>,
}

impl MethodRouter {
    fn new() -> MethodRouter {
        MethodRouter {
            handlers: Vec::new(),
            layers: Vec::new(),
            body_limit: None,
            guards: Guards::default(),
            name: None,
            metas: Metas::default(),
        }
    }

    #[track_caller]
    fn add<H: Handler<Args, Output: IntoResponse>, Args: Extractors>(
        mut self,
        method: Option<Method>,
        handler: H,
    ) -> MethodRouter {
        if self.handlers.iter().any(|found| found.method == method) {
            panic!("two handlers for {}", shown(method.as_ref()));
        }
        let mut needs = Needs::new();
        Args::needs(&mut needs);
        let location = Location::caller();
        self.handlers.push(MethodHandler { method, endpoint: erase(handler), needs, location });
        self
    }

    /// Answers this method; for those that have no function of their own.
    ///
    /// # Panics
    /// If the method has a handler here already.
    #[track_caller]
    pub fn on<H: Handler<Args, Output: IntoResponse>, Args: Extractors>(
        self,
        method: Method,
        handler: H,
    ) -> MethodRouter {
        self.add(Some(method), handler)
    }

    /// Puts a layer around these handlers, inside those of the groups and the application.
    /// The order of layers is told in [`middleware`](crate::middleware).
    pub fn with(mut self, middleware: impl Middleware) -> MethodRouter {
        self.layers.push(Rc::new(middleware));
        self
    }

    /// Longest time these handlers may take to respond; then they are dropped and the answer is 504. The same as a
    /// [`Deadline`] layer.
    pub fn deadline(self, after: Duration) -> MethodRouter {
        self.with(Deadline::after(after))
    }

    /// Longest request body these handlers take, in bytes, instead of the server's limit (2 MiB). Over it: 413.
    pub fn body_limit(mut self, bytes: u64) -> MethodRouter {
        self.body_limit = Some(bytes);
        self
    }

    /// Names the route: for the list of routes, for what is generated from it, and for paths to it. A name is given once
    /// in an application, and a [`Named`](super::Named) has to fit the template: both are checked when the route is
    /// registered.
    pub fn name(mut self, name: impl RouteName) -> MethodRouter {
        self.name = Some(name.into_name());
        self
    }

    /// Lets only requests through that pass the guard; of several, all. See [`guard`](super::guard).
    pub fn guard(mut self, guard: impl Guard) -> MethodRouter {
        self.guards.push(guard);
        self
    }

    /// Attaches a value to the route: what a document or a layer wants to know about it, such as a description or the
    /// role it takes. Layers and handlers find it with [`Request::route_meta`](crate::request::Request::route_meta), the
    /// rest with [`RouteInfo::meta`](super::RouteInfo::meta).
    ///
    /// It is about all methods here; register methods apart to tell about each.
    ///
    /// ```
    /// use corelane_http::app::App;
    /// use corelane_http::router::{get, post};
    ///
    /// struct Role(&'static str);
    ///
    /// let app = App::new()
    ///     .get("/notes", async || "all")
    ///     .route("/notes", post(async || "made").meta(Role("editor")));
    /// let roles: Vec<_> = app.routes().iter().map(|route| route.meta::<Role>().map(|role| role.0)).collect();
    /// assert_eq!(roles, [None, Some("editor")]);
    /// ```
    ///
    /// # Panics
    /// If there is a value of this type already.
    #[track_caller]
    pub fn meta<T: 'static>(mut self, value: T) -> MethodRouter {
        self.metas.insert(value);
        self
    }
}

pub(super) fn shown(method: Option<&Method>) -> &str {
    method.map_or("any method", Method::as_str)
}

/// Handlers of one path, beginning with that of this method.
#[track_caller]
pub fn on<H: Handler<Args, Output: IntoResponse>, Args: Extractors>(
    method: Method,
    handler: H,
) -> MethodRouter {
    MethodRouter::new().on(method, handler)
}

macro_rules! methods {
    ($($name:ident $method:expr, $text:literal;)*) => {
        $(
            #[doc = concat!("Handlers of one path, beginning with that of ", $text, ".")]
            #[track_caller]
            pub fn $name<H: Handler<Args, Output: IntoResponse>, Args: Extractors>(handler: H) -> MethodRouter {
                MethodRouter::new().$name(handler)
            }
        )*

        impl MethodRouter {
            $(
                #[doc = concat!("Answers ", $text, ".\n\n# Panics\nIf that has a handler here already.")]
                #[track_caller]
                pub fn $name<H: Handler<Args, Output: IntoResponse>, Args: Extractors>(self, handler: H) -> MethodRouter {
                    self.add($method, handler)
                }
            )*
        }
    };
}

methods! {
    get Some(Method::GET), "`GET` (and `HEAD`, unless that has its own)";
    post Some(Method::POST), "`POST`";
    put Some(Method::PUT), "`PUT`";
    delete Some(Method::DELETE), "`DELETE`";
    patch Some(Method::PATCH), "`PATCH`";
    head Some(Method::HEAD), "`HEAD`";
    options Some(Method::OPTIONS), "`OPTIONS`";
    any None, "every method that has no handler of its own";
}
