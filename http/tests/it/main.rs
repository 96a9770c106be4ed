//! Applications without sockets: requests are made by hand and given to the service.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use corelane_runtime::DriverChoice;

/// The driver that servers of these tests run on: `CORELANE_TEST_DRIVER`, or the best that works here.
fn driver() -> DriverChoice {
    match std::env::var("CORELANE_TEST_DRIVER") {
        Ok(name) => name.parse().expect("CORELANE_TEST_DRIVER names a driver"),
        Err(_) => DriverChoice::Auto,
    }
}

#[cfg(feature = "client")]
mod client;
mod errors;
mod extract;
mod forms;
mod middleware;
mod mount;
mod named;
mod oracle;
mod problem;
mod properties;
mod respond;
mod routing;
mod server;
mod ui;
mod uploads;
#[cfg(feature = "validate")]
mod valid;
