//! Integration tests, one module a subject.

#![allow(clippy::unwrap_used, reason = "tests")]

mod chunked;
mod conn;
mod date;
mod encode;
mod head;
mod multipart;
mod proxy;
