#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

#[cfg(doctest)]
mod guides;

#[cfg(feature = "client")]
#[doc(inline)]
pub use corelane_http::client;
#[cfg(feature = "config")]
#[doc(inline)]
pub use corelane_http::config;
#[doc(inline)]
pub use corelane_http::multipart;
#[cfg(feature = "openapi")]
#[doc(inline)]
pub use corelane_http::openapi;
#[cfg(any(feature = "askama", feature = "minijinja"))]
#[doc(inline)]
pub use corelane_http::template;
#[doc(inline)]
pub use corelane_http::{
    app, body, cookie, extract, files, handler, middleware, problem, request, response, router, server, sse,
    testing,
};
#[doc(inline)]
pub use corelane_middlewares as middlewares;
#[cfg(feature = "admin")]
#[doc(inline)]
pub use corelane_profiling as profiling;
#[doc(inline)]
pub use corelane_runtime as runtime;
#[cfg(feature = "redis")]
#[doc(inline)]
pub use corelane_storage as storage;

/// What most files of an application import: `use corelane::prelude::*;`.
///
/// ```
/// use corelane::prelude::*;
///
/// async fn hello(Path(name): Path<String>) -> String {
///     format!("Hello, {name}!")
/// }
/// let app = App::new().get("/hello/{name}", hello);
/// # let _ = app;
/// ```
pub mod prelude {
    pub use corelane_http::app::App;
    pub use corelane_http::extract::{Form, Header, Json, Path, Peer, Query, State};
    pub use corelane_http::middleware::{Middleware, Next};
    pub use corelane_http::problem::Problem;
    pub use corelane_http::request::Request;
    pub use corelane_http::response::{Html, IntoResponse, Response, StatusCode};
    pub use corelane_http::router::{get, post};
    pub use corelane_http::server::Server;
}
