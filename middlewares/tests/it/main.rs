//! The layers around real handlers, most of them over a socket.
#![allow(clippy::unwrap_used, reason = "tests")]

mod access_log;
#[cfg(feature = "admin")]
mod admin;
mod basic_auth;
mod body_limit;
mod cookies;
mod cors;
mod flash;
mod https_redirect;
mod panic_page;
mod request_id;
mod rewriting;
mod session;
mod session_cookie;
#[cfg(feature = "redis")]
mod session_redis;
mod session_store;
mod support;
