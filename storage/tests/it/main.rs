//! The clients against real servers, which the tests start, stop and kill, and against lying ones.
#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod support;
