//! Integration tests, one module a subject.

#![allow(clippy::unwrap_used, reason = "tests")]

mod chunked;
mod date;
mod encode;
