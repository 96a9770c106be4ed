//! The layers around real handlers, most of them over a socket.
#![allow(clippy::unwrap_used, reason = "tests")]

mod body_limit;
mod flash;
mod session;
mod session_cookie;
mod support;
