//! Middleware: layers around handlers, like an onion.
//!
//! A layer sees the request on the way in and the response on the way out. It may answer itself, change either,
//! or run code around them. Any `async fn(Request, Next) -> impl IntoResponse` is one; a layer with
//! settings implements [`Middleware`].
//!
//! # Order
//!
//! On the way in: the application's layers, then those of each group from the outside in, then the route's; in each
//! place in the order they were added. On the way out: the reverse. Where in the chain of calls a layer is added does not
//! matter: `app.get("/a", a).with(x)` puts `x` around `a`. Layers run after routing, so they can ask for
//! [`Request::route`]; they also run for 404 (the application's), and for 405 and
//! automatic `OPTIONS` (those of the application and the groups of the path).
//!
//! A route without layers pays nothing; each layer costs one future in a block that the core recycles.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::middleware::Next;
//! use corelane_http::request::Request;
//! use corelane_http::response::Response;
//!
//! async fn no_sniffing(request: Request, next: Next) -> Response {
//!     let mut response = next.run(request).await;
//!     let _ = response.headers_mut().insert("x-content-type-options", "nosniff");
//!     response
//! }
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().with(no_sniffing).get("/", async || "hello").into_service();
//! let response = service.call(Request::builder("GET", "/").build()).await;
//! assert_eq!(response.headers().get("x-content-type-options"), Some("nosniff"));
//! # });
//! ```

mod deadline;
mod scope;

use std::borrow::Cow;
use std::rc::Rc;

use corelane_runtime::buf::LocalBoxFuture;

use crate::handler::Endpoint;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

pub use deadline::Deadline;
pub use scope::{Lent, Place, lend};

/// A layer around handlers. See the [module](self).
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use corelane_http::middleware::{Middleware, Next};
/// use corelane_http::request::Request;
/// use corelane_http::response::Response;
///
/// /// Counts the requests of a core; needs no atomics, as nothing leaves the core.
/// struct Count(Rc<Cell<u64>>);
///
/// impl Middleware for Count {
///     async fn handle(&self, request: Request, next: Next) -> Response {
///         self.0.set(self.0.get() + 1);
///         next.run(request).await
///     }
/// }
/// # let _ = corelane_http::app::App::new().with(Count(Rc::default()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware",
    label = "neither implements `Middleware` nor is an async function of `(Request, Next)`",
    note = "write `async fn layer(request: Request, next: Next) -> Response {{ next.run(request).await }}`, \
            or implement `Middleware` for a type with settings"
)]
pub trait Middleware: 'static {
    /// Answers the request, usually by what [`Next::run`] gives.
    fn handle(&self, request: Request, next: Next) -> impl Future<Output = Response>;

    /// What the list of routes calls it: the name of its type, or of the function.
    fn name(&self) -> Cow<'static, str> {
        short_name(std::any::type_name::<Self>())
    }
}

impl<F, R> Middleware for F
where
    F: AsyncFn(Request, Next) -> R + 'static,
    R: IntoResponse,
{
    async fn handle(&self, request: Request, next: Next) -> Response {
        self(request, next).await.into_response()
    }
}

/// The layers further in, and the handler. Not calling [`Next::run`] answers without them.
#[must_use = "`run` calls the handler; drop it on purpose to answer without"]
pub struct Next {
    endpoint: Rc<dyn Endpoint>,
}

impl Next {
    /// Runs the rest and gives its response.
    ///
    /// # Cancellation
    /// Dropping the future drops the handler where it waits.
    pub fn run(self, request: Request) -> LocalBoxFuture<'static, Response> {
        self.endpoint.call(request)
    }
}

/// A middleware that waits for what it goes around.
pub(crate) trait Layer {
    fn name(&self) -> Cow<'static, str>;

    fn around(self: Rc<Self>, inner: Rc<dyn Endpoint>) -> Rc<dyn Endpoint>;
}

impl<M: Middleware> Layer for M {
    fn name(&self) -> Cow<'static, str> {
        Middleware::name(self)
    }

    fn around(self: Rc<Self>, inner: Rc<dyn Endpoint>) -> Rc<dyn Endpoint> {
        Rc::new(Layered { middleware: self, inner })
    }
}

struct Layered<M> {
    middleware: Rc<M>,
    inner: Rc<dyn Endpoint>,
}

impl<M: Middleware> Endpoint for Layered<M> {
    fn call(&self, request: Request) -> LocalBoxFuture<'static, Response> {
        let middleware = Rc::clone(&self.middleware);
        let next = Next { endpoint: Rc::clone(&self.inner) };
        LocalBoxFuture::new(async move { middleware.handle(request, next).await })
    }
}

/// Puts `layers` around `endpoint`, the first outermost.
pub(crate) fn wrap(endpoint: Rc<dyn Endpoint>, layers: &[Rc<dyn Layer>]) -> Rc<dyn Endpoint> {
    layers.iter().rev().fold(endpoint, |inner, layer| Rc::clone(layer).around(inner))
}

/// `app::layers::Count<app::Clock>` as `Count<Clock>`; a closure as the function that it stands in.
fn short_name(full: &'static str) -> Cow<'static, str> {
    if !full.contains("::") {
        return Cow::Borrowed(full);
    }
    let mut short = String::new();
    let mut rest = full;
    while let Some(end) = rest.find(|c: char| !(c.is_alphanumeric() || "_:{}".contains(c))) {
        push_last(&mut short, &rest[..end]);
        let after = rest[end..].chars().next().map_or(end, |c| end + c.len_utf8());
        short.push_str(&rest[end..after]);
        rest = &rest[after..];
    }
    push_last(&mut short, rest);
    Cow::Owned(short)
}

/// Adds the last part of a path that is no `{{closure}}`.
fn push_last(short: &mut String, path: &str) {
    let mut parts = path.rsplit("::");
    let last = parts.by_ref().find(|part| !part.contains('{')).unwrap_or(path);
    short.push_str(last);
    if path.ends_with('}') && last != path {
        short.push_str("{closure}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_without_their_paths() {
        for (full, want) in [
            ("Count", "Count"),
            ("app::Count", "Count"),
            ("app::layers::Count<app::Clock>", "Count<Clock>"),
            ("app::Pair<a::B, (c::D, u8)>", "Pair<B, (D, u8)>"),
            ("app::no_sniffing", "no_sniffing"),
            ("app::build::{{closure}}", "build{closure}"),
            ("app::build::{{closure}}::{{closure}}", "build{closure}"),
        ] {
            assert_eq!(short_name(full), want, "{full}");
        }
    }
}
