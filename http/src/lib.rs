//! HTTP/1.1 applications on one core each: routes, extractors, middleware, responses, and the server under them.
//!
//! An [`App`](app::App) is built by a factory on every core. Nothing in it has to be `Send`, and in steady state
//! a request that meets a plain handler is answered without touching the heap: requests, header blocks, futures and
//! JSON live in memory that the core uses again.
//!
//! This crate does not parse: bytes become heads and bodies in `corelane-http-proto`. It opens no socket but
//! through `corelane-runtime`. It speaks neither TLS nor HTTP/2, which nginx does in front of it.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::extract::{Json, Path};
//! use corelane_http::request::Request;
//!
//! #[derive(serde::Serialize)]
//! struct User {
//!     id: u64,
//! }
//!
//! async fn user(Path(id): Path<u64>) -> Json<User> {
//!     Json(User { id })
//! }
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().get("/users/{id}", user).into_service();
//! let response = service.call(Request::builder("GET", "/users/7").build()).await;
//! assert_eq!(response.into_body().bytes().await.unwrap(), r#"{"id":7}"#);
//! # });
//! ```
//!
//! [`app`] puts an application together, [`router`] tells about paths, [`handler`] and [`extract`] about functions
//! and their arguments, [`response`] about what they return, [`middleware`] about layers around them.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod app;
pub mod body;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "config")]
pub mod config;
mod conn;
pub mod cookie;
pub mod extract;
pub mod files;
pub mod handler;
pub mod middleware;
pub mod multipart;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod problem;
pub mod request;
pub mod respond;
pub mod response;
pub mod router;
pub mod server;
pub mod sse;
#[cfg(any(feature = "askama", feature = "minijinja"))]
pub mod template;
pub mod testing;
