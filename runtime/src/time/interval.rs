//! Ticks at a fixed rate.

use std::time::{Duration, Instant};

use super::sleep::{later, sleep_until};

/// Ticks every `period`, the first time one period from now.
///
/// # Panics
/// If `period` is zero: that would be a task that never sleeps.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval needs a period above zero");
    Interval { next: later(Instant::now(), period), period }
}

/// Made by [`interval`].
#[derive(Debug)]
pub struct Interval {
    next: Instant,
    period: Duration,
}

impl Interval {
    /// Waits for the next tick and returns the time it was due.
    ///
    /// A tick that comes late does not move those after it; ticks that were missed altogether are
    /// skipped, so that a core that was busy is not made busier by catching up.
    ///
    /// # Cancellation
    /// May be dropped at any time: the tick is then still due.
    pub async fn tick(&mut self) -> Instant {
        sleep_until(self.next).await;
        let due = self.next;
        let late = super::now().saturating_duration_since(due);
        let missed = late.as_nanos() / self.period.as_nanos();
        let skip = u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1;
        self.next = later(due, self.period.saturating_mul(skip));
        due
    }
}
