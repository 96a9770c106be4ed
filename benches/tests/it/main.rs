//! The floor and the load generator against each other and against servers that misbehave.
#![allow(clippy::unwrap_used, reason = "tests")]

mod alloc;
mod bare;
mod floor;
mod load;
#[path = "../../../storage/tests/it/support/pg_server.rs"]
mod pg_server;
mod postgres_alloc;
mod redis_alloc;
mod server;
