//! Time as a core sees it: a clock read once a turn, and timers in the core's wheel.
//!
//! Timers have a resolution of one millisecond and never fire early. A timer costs two list
//! operations; the kernel is told only the earliest deadline of all, and only when it moves
//! nearer.
//!
//! ```
//! use corelane_runtime as runtime;
//! use std::time::Duration;
//!
//! runtime::block_on(async {
//!     let slow = runtime::time::sleep(Duration::from_secs(3600));
//!     let outcome = runtime::time::timeout(Duration::from_millis(5), slow).await;
//!     assert!(outcome.is_err());
//!
//!     let mut ticks = runtime::time::interval(Duration::from_millis(2));
//!     ticks.tick().await;
//!     ticks.tick().await;
//! });
//! ```

mod interval;
mod sleep;
pub(crate) mod wheel;

use std::time::Instant;

pub use self::interval::{Interval, interval};
pub use self::sleep::{Elapsed, Sleep, Timeout, sleep, sleep_until, timeout};

use crate::executor::Core;

/// The time at which this turn of the core began; off a core, the clock.
///
/// Costs no system call and no clock read. It is late by as long as the turn has run, which is
/// right for deadlines of seconds and wrong for measuring.
#[inline]
pub fn now() -> Instant {
    Core::try_with(Core::now).unwrap_or_else(Instant::now)
}
