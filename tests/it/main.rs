//! The showcase as its users meet it: a process of its own, asked by curl, Python, wrk and by hand.
#![allow(clippy::unwrap_used, reason = "tests")]

mod clients;
mod faults;
mod process;
mod routes;
mod signals;
