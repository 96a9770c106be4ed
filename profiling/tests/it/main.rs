//! The profiler in a process that does something.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

mod sampler;
mod support;
mod watch;
