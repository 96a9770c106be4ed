//! What the tests share.

use std::future::Future;

use corelane_runtime::{Builder, DriverChoice, DriverKind};

/// Every driver, forced: a machine without io_uring fails these tests and must say so.
pub(crate) const DRIVERS: [(DriverChoice, DriverKind); 3] = [
    (DriverChoice::Ring, DriverKind::Ring),
    (DriverChoice::Uring, DriverKind::Uring),
    (DriverChoice::Epoll, DriverKind::Epoll),
];

/// Runs a test's future on a fresh core of each driver, one after the other.
pub(crate) fn on_each_driver<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for (choice, _) in DRIVERS {
        println!("driver: {choice:?}");
        Builder::default().driver(choice).block_on(test()).unwrap();
    }
}
