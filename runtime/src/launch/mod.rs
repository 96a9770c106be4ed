//! Starting cores, telling what they run on, and stopping them.

mod builder;
mod heartbeat;
mod info;
mod options;
mod run;

use std::fmt;

pub use self::builder::{Builder, Handle, Runtime};
pub use self::heartbeat::Heartbeat;
pub use self::info::{RingFlags, RuntimeInfo};
pub use self::options::RingOptions;
pub use self::run::block_on;

/// One core of a runtime, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(u16);

impl CoreId {
    /// The core with this number.
    ///
    /// # Panics
    /// If it is above 65,535.
    #[track_caller]
    pub fn new(index: usize) -> CoreId {
        match u16::try_from(index) {
            Ok(index) => CoreId(index),
            Err(_) => panic!("core {index} is beyond 65,535"),
        }
    }

    /// Its number.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which driver to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DriverChoice {
    /// Our own ring, else io_uring through monoio with the best flags the kernel has, else epoll.
    #[default]
    Auto,
    /// io_uring through our own loop, or an error.
    Ring,
    /// io_uring through monoio, or an error.
    Uring,
    /// epoll, which every Linux has.
    Epoll,
}

impl std::str::FromStr for DriverChoice {
    type Err = UnknownDriver;

    fn from_str(name: &str) -> Result<DriverChoice, UnknownDriver> {
        match name {
            "auto" => Ok(DriverChoice::Auto),
            "ring" => Ok(DriverChoice::Ring),
            "uring" => Ok(DriverChoice::Uring),
            "epoll" => Ok(DriverChoice::Epoll),
            _ => Err(UnknownDriver(())),
        }
    }
}

/// The name is none of `auto`, `ring`, `uring`, `epoll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownDriver(());

impl fmt::Display for UnknownDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a driver is one of auto, ring, uring, epoll")
    }
}

impl std::error::Error for UnknownDriver {}
