//! Layers that most applications want around their handlers.
//!
//! Each is a type with settings that is given to `App::with`, `Group::with` or `MethodRouter::with`. One that is
//! not used costs nothing, neither time per request nor memory. What a layer keeps it keeps per core, unless its
//! documentation says otherwise.
//!
//! | layer or hook | what it does |
//! | --- | --- |
//! | [`RequestIds`](request_id::RequestIds) | an identifier for each request |
//! | [`AccessLog`](access_log::AccessLog) | a line for each request, combined or JSON |
//! | [`PanicPage`](panic_page::PanicPage) | shows a panic to the developer, in debug mode |
//! | [`HttpsRedirect`](https_redirect::HttpsRedirect) | sends plain requests to TLS |
//! | [`Cors`](cors::Cors) | lets scripts of other sites read answers |
//! | [`Sessions`](session::Sessions), [`Flash`](flash::Flash) | what is remembered of a client; messages to the next page |
//! | [`BasicAuth`](basic_auth::BasicAuth) | asks for name and password |
//! | [`BodyLimit`](body_limit::BodyLimit) | how large bodies may be |
//! | `admin::Admin`, with the feature `admin` | profiles and findings of the process, on an address of their own |
//! | [`TrailingSlash`](trailing_slash::TrailingSlash), [`MethodOverride`](method_override::MethodOverride) | change what is routed |
//!
//! `corelane_http` has [`Deadline`](corelane_http::middleware::Deadline) and [`SetCookies`](corelane_http::cookie::SetCookies).
//! The guide `docs/guide/middleware.md` says in which order they belong.
//!
//! This crate holds no part of the server: what a request, a response and a layer are is told in `corelane-http`.
//!
//! ```
//! use corelane_http::{app::App, request::Request};
//! use corelane_middlewares::body_limit::BodyLimit;
//!
//! # corelane_runtime::block_on(async {
//! let app = App::new().post("/notes", async |note: String| note).with(BodyLimit::bytes(1024));
//! let request = Request::builder("POST", "/notes").body("x".repeat(1025)).build();
//! assert_eq!(app.into_service().call(request).await.status(), 413);
//! # });
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod access_log;
#[cfg(feature = "admin")]
pub mod admin;
pub mod basic_auth;
pub mod body_limit;
pub mod cors;
pub mod flash;
pub mod https_redirect;
#[cfg(feature = "i18n")]
pub mod i18n;
pub mod method_override;
pub mod panic_page;
pub mod request_id;
pub mod session;
pub mod trailing_slash;
mod vary;
