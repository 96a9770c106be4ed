//! The wheel's next deadline, as one timerfd.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use monoio::net::UnixStream;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::kick::{borrow, pollable};
use crate::driver::bell::silence;

/// Wakes the loop when the wheel's next deadline comes.
///
/// The deadline is told to the kernel only when it is earlier than the one the kernel has. A
/// deadline that went away or moved later leaves the timer as it is: it fires once for nothing. So
/// a request, whose deadlines only move later, costs no system call here, and sleeping needs no
/// timeout, which in a virtual machine spares a trap to the host per sleep.
pub(super) struct Timer {
    stream: UnixStream,
    armed: Cell<Option<Instant>>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Timer> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Timer { stream: pollable(fd)?, armed: Cell::new(None) })
    }

    /// Sees to it that the loop wakes at `next`, or earlier.
    #[inline]
    pub(super) fn arm(&self, next: Option<Instant>, now: Instant) {
        let Some(next) = next else { return };
        if self.armed.get().is_none_or(|armed| next < armed) {
            self.armed.set(Some(next));
            self.set(next.saturating_duration_since(now));
        }
    }

    fn set(&self, after: Duration) {
        // Zero would disarm.
        let after = after.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: after.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        let set = timerfd_settime(borrow(&self.stream), TimerfdTimerFlags::empty(), &once);
        debug_assert!(set.is_ok(), "the descriptor is a timer and the value is in range");
    }

    /// Waits until the timer has fired, and takes note.
    pub(super) async fn fired(&self) -> io::Result<()> {
        self.stream.readable(false).await?;
        silence(borrow(&self.stream));
        self.armed.set(None);
        Ok(())
    }

    /// Sleeps, apart from the wheel: for the end of the core, when nothing turns any more.
    pub(super) async fn wait(&self, after: Duration) {
        self.set(after);
        let _fired = self.fired().await;
    }
}
