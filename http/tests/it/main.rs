//! Applications without sockets: requests are made by hand and given to the service.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

mod extract;
mod middleware;
mod problem;
mod properties;
mod respond;
mod routing;
