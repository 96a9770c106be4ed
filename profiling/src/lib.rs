//! What a running process does with its time and its memory.
//!
//! [`sampler`] tells where CPU time goes, by function, core and route. [`output`] writes what it found as a flame graph,
//! as collapsed stacks or for pprof.
//!
//! [`watch`] looks after the cores: tasks that hold one, figures of the last minutes; [`findings`] says what is wrong.
//!
//! Nothing here runs unless it is asked for, and what is not asked for costs requests nothing. This crate knows neither
//! HTTP nor files to write to: the admin listener in `corelane-middlewares` and the `corelane` command do.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]
#![allow(
    clippy::cast_possible_truncation,
    reason = "addresses and sizes: 64 bits on every platform this builds for"
)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("corelane-profiling reads signal contexts and stacks of 64-bit Linux only");

pub mod findings;
pub mod output;
pub mod profile;
pub mod sampler;
pub mod stacks;
pub mod watch;
