//! HTTP/1.1 as bytes in, events out.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod chunked;
mod class;
pub mod conn;
pub mod date;
pub mod encode;
pub mod framing;
pub mod head;
pub mod method;
pub mod name;
pub mod scan;
