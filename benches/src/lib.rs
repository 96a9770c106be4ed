//! Floor, peers, load generator and paired comparison.
//!
//! This crate measures; it never judges a timing in a test. Servers run pinned to one core and the load to another, in
//! turns, and what is compared is the server's processor time per request: throughput on a machine whose load generator
//! is not saturated says nothing.
//!
//! ```text
//! cargo run --release -p corelane-benches -- compare --scenario plaintext --connections 64
//! cargo run --release -p corelane-benches -- idle --connections 10000
//! cargo run --release -p corelane-benches -- load --address 127.0.0.1:8080 --rate 20000
//! ```
//!
//! The floor and the bare epoll program are programs of their own (`src/bin`), the peers are a workspace of their own (`peers/`).
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod answer;
pub mod ask;
pub mod compare;
pub mod host;
pub mod idle;
pub mod latency;
pub mod load;
pub mod machine;
pub mod nginx;
pub mod process;
pub mod redis;
pub mod server;
pub mod smoke;
pub mod stats;
pub mod subject;
pub mod table;
pub mod wrk;
