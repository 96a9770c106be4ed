//! Groups, and what they have in common with an application.

use std::fmt;
use std::rc::Rc;

use http::Method;

use super::{App, ErrorHandler, Plan, Statuses};
use crate::handler::{Extractors, Handler};
use crate::middleware::Middleware;
use crate::response::IntoResponse;
use crate::router::{self, Fallback, MethodRouter, ScopeId};

/// Routes below a prefix, or for a host. See [`App::group`].
#[must_use = "return it from the closure"]
pub struct Group {
    plan: Plan,
    scope: ScopeId,
}

impl Group {
    #[track_caller]
    fn inside(plan: Plan, scope: ScopeId, routes: impl FnOnce(Group) -> Group) -> Plan {
        routes(Group { plan, scope }).plan
    }
}

impl App {
    /// Registers routes for a host: `api.example.com`, or `*.example.com` for every name below that. The port does not
    /// matter, nor does case.
    ///
    /// The host is that of the request's target or `Host` field. Its routes come first, of a name before those of a
    /// wildcard, of a longer wildcard before those of a shorter one; then those that are for every host. A path that
    /// no route of the host matches is looked for among the next.
    ///
    /// ```
    /// use corelane_http::app::App;
    /// use corelane_http::request::Request;
    ///
    /// let app = App::new()
    ///     .host("api.example.com", |api| api.get("/", async || "api"))
    ///     .host("*.example.com", |tenant| tenant.get("/", async || "a tenant"))
    ///     .get("/", async || "everywhere else")
    ///     .get("/health", async || "on each host");
    /// # corelane_runtime::block_on(async {
    /// let service = app.into_service();
    /// let request = Request::builder("GET", "/").header("host", "shop.example.com:8080").build();
    /// assert_eq!(service.call(request).await.into_body().bytes().await.unwrap(), "a tenant");
    /// # });
    /// ```
    ///
    /// # Panics
    /// At the caller's line, if it is no host.
    #[track_caller]
    pub fn host(mut self, pattern: &str, routes: impl FnOnce(Group) -> Group) -> App {
        let scope = self.plan.registry.host(App::SCOPE, pattern);
        self.plan = Group::inside(self.plan, scope, routes);
        self
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("prefix", &self.plan.registry.prefix(self.scope))
            .finish_non_exhaustive()
    }
}

/// What both have.
macro_rules! scope {
    ($type:ident, $scope:expr) => {
        impl $type {
            /// Registers handlers for a path. In a group that is a path below the prefix: `""` is the prefix itself, `"/"`
            /// the prefix and a slash.
            ///
            /// # Panics
            /// At the caller's line: if the template is not valid, or a method has a handler on this path already.
            #[track_caller]
            pub fn route(mut self, template: &str, methods: MethodRouter) -> $type {
                let scope = $scope(&self);
                self.plan.registry.add(scope, template, methods);
                self
            }

            /// Puts a layer around everything in here: around the routes of a group inside the layers of what the
            /// group stands in, around all of an application, 404 included. The order is told in
            /// [`middleware`](crate::middleware).
            pub fn with(mut self, middleware: impl Middleware) -> $type {
                let scope = $scope(&self);
                self.plan.registry.layer(scope, middleware);
                self
            }

            /// Registers routes below a prefix, with layers of their own. Prefixes of groups inside groups add up, their
            /// layers nest.
            ///
            /// ```
            /// use corelane_http::app::{App, Group};
            ///
            /// fn admin(group: Group) -> Group {
            ///     group.get("", async || "admin").get("/log", async || "log")
            /// }
            ///
            /// let app = App::new().group("/api", |api| api.get("/users", async || "users").group("/admin", admin));
            /// # let _ = app;
            /// ```
            ///
            /// # Panics
            /// At the caller's line, if the prefix does not begin with a slash, ends with one, or is no valid template.
            #[track_caller]
            pub fn group(mut self, prefix: &str, routes: impl FnOnce(Group) -> Group) -> $type {
                let scope = self.plan.registry.scope($scope(&self), prefix);
                self.plan = Group::inside(self.plan, scope, routes);
                self
            }

            /// Takes in an application that was built elsewhere, below a prefix: its `/` is answered at the prefix itself.
            ///
            /// Its layers, fallbacks and error handlers stay around its own routes. Its states, hooks and names
            /// become those of the whole.
            ///
            /// ```
            /// use corelane_http::app::App;
            /// use corelane_http::request::Request;
            ///
            /// fn blog() -> App {
            ///     App::new().get("/", async || "posts").get("/{post}", async || "post")
            /// }
            ///
            /// # corelane_runtime::block_on(async {
            /// let service = App::new().nest("/blog", blog()).into_service();
            /// assert_eq!(service.call(Request::builder("GET", "/blog").build()).await.status(), 200);
            /// assert_eq!(service.call(Request::builder("GET", "/blog/first").build()).await.status(), 200);
            /// # });
            /// ```
            ///
            /// # Panics
            /// At the caller's line, if a route, a name or a state is there already, or the prefix is none.
            #[track_caller]
            pub fn nest(mut self, prefix: &str, app: App) -> $type {
                let scope = $scope(&self);
                self.plan.absorb(scope, prefix, app.plan);
                self
            }

            /// Takes in an application that was built elsewhere, at the same paths. As [`App::nest`] without a prefix.
            ///
            /// # Panics
            /// As [`App::nest`]; also if both have a fallback.
            #[track_caller]
            pub fn merge(mut self, app: App) -> $type {
                let scope = $scope(&self);
                self.plan.absorb(scope, "", app.plan);
                self
            }

            /// Answers paths that have no route: of a group, those below its prefix. The innermost fallback takes it.
            ///
            /// The status is what the handler gives: one that answers an error says so. The layers of the scope go
            /// around it.
            ///
            /// ```
            /// use corelane_http::app::App;
            /// use corelane_http::request::Request;
            /// use corelane_http::response::{Html, StatusCode};
            ///
            /// let service = App::new()
            ///     .fallback(async || (StatusCode::NOT_FOUND, Html("<h1>Nothing here</h1>")))
            ///     .into_service();
            /// # corelane_runtime::block_on(async {
            /// assert_eq!(service.call(Request::builder("GET", "/x").build()).await.status(), 404);
            /// # });
            /// ```
            ///
            /// # Panics
            /// At the caller's line, if there is one already.
            #[track_caller]
            pub fn fallback<H, Args>(mut self, handler: H) -> $type
            where
                H: Handler<Args, Output: IntoResponse>,
                Args: Extractors,
            {
                let scope = $scope(&self);
                self.plan.registry.fallback(scope, Fallback::new(handler));
                self
            }

            /// Answers methods that a path has no handler for, in place of the 405 of the router. `Allow` is added to
            /// what the handler gives. `OPTIONS` is still answered by the router.
            ///
            /// # Panics
            /// At the caller's line, if there is one already.
            #[track_caller]
            pub fn method_not_allowed<H, Args>(mut self, handler: H) -> $type
            where
                H: Handler<Args, Output: IntoResponse>,
                Args: Extractors,
            {
                let scope = $scope(&self);
                self.plan.registry.method_not_allowed(scope, Fallback::new(handler));
                self
            }

            /// Lets `handler` change the answers with these statuses, wherever they come from: handlers, layers in here,
            /// the router, panics. One status, several, or a range.
            ///
            /// The handler gets the request, without its body and extensions, and the answer. What it returns keeps the
            /// status unless it has one other than 200, and keeps the fields of the answer that do not
            /// describe its body, such as `allow` and `set-cookie`. Of several handlers that match, the one for
            /// the fewest statuses runs, then the first that was added; an answer is changed once, by the
            /// innermost scope. Not seen here: what the server refuses before there is a request (malformed
            /// heads), and streams that fail after their head was sent. A scope with error handlers keeps the buffer under a
            /// request's head until the answer is made.
            ///
            /// ```
            /// use corelane_http::app::App;
            /// use corelane_http::request::Request;
            /// use corelane_http::response::{Html, IntoResponse, Response};
            ///
            /// async fn page(request: Request, response: Response) -> Response {
            ///     if request.prefers_html() { Html("<h1>Lost?</h1>").into_response() } else { response }
            /// }
            ///
            /// async fn broken(_: Request, response: Response) -> String {
            ///     format!("we know about it ({})", response.status().as_u16())
            /// }
            ///
            /// let app = App::new().on_error([404, 410], page).on_error(500..=599, broken);
            /// # corelane_runtime::block_on(async {
            /// let response = app.into_service().call(Request::builder("GET", "/x").build()).await;
            /// assert_eq!(response.status(), 404);
            /// # });
            /// ```
            ///
            /// # Panics
            /// At the caller's line, if a status is not in 400 to 599.
            #[track_caller]
            pub fn on_error(mut self, statuses: impl Into<Statuses>, handler: impl ErrorHandler) -> $type {
                let (scope, statuses) = ($scope(&self), statuses.into());
                statuses.check();
                self.plan.registry.on_error(scope, statuses, Rc::new(handler));
                self
            }
        }
    };
}

scope!(App, |_: &App| App::SCOPE);
scope!(Group, |group: &Group| group.scope);

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
