//! The floor and the load generator against each other and against servers that misbehave.
#![allow(clippy::unwrap_used, reason = "tests")]

mod alloc;
mod bare;
mod floor;
mod load;
mod redis_alloc;
mod server;
