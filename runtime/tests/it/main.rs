//! Integration tests, one module a subject. Each runs over every driver.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::cast_possible_truncation, reason = "tests")]

mod blocking;
mod cancel;
mod deadlines;
mod drain;
mod echo;
mod fs;
mod guards;
mod inject;
mod kept;
mod launch;
mod mesh;
mod pressure;
mod send_file;
mod sharded;
mod shared_listener;
mod signal;
mod split;
mod stats;
mod stress;
mod support;
mod tasks;
#[cfg(feature = "tls")]
mod tls;
