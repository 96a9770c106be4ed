//! When the requests of an open loop are due, and which connection takes the next.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Times at a fixed distance. They are computed, not queued, so a server that falls behind fills no memory here.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// When the first distance began; `None` until all connections are open.
    start: Cell<Option<Instant>>,
    distance: Duration,
    /// Times handed out.
    taken: Cell<u32>,
    /// True once no more times shall be handed out.
    over: Cell<bool>,
    /// Connections with nothing to do; each is in here once.
    idle: RefCell<VecDeque<Waker>>,
}

impl Arrivals {
    pub(super) fn new(distance: Duration) -> Self {
        let (start, taken, over) = (Cell::new(None), Cell::new(0), Cell::new(false));
        Self { start, distance, taken, over, idle: RefCell::default() }
    }

    /// The first request is due one distance after `start`.
    pub(super) fn begin(&self, start: Instant) {
        self.start.set(Some(start));
    }

    /// Waits for the next due time that no other connection has taken; `None` once the run is over.
    pub(super) async fn next(&self) -> Option<Instant> {
        poll_fn(|context| match self.take(Instant::now()) {
            _ if self.over.get() => Poll::Ready(None),
            Some(due) => Poll::Ready(Some(due)),
            None => {
                self.idle.borrow_mut().push_back(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Wakes as many idle connections as there are times due at `now`.
    pub(super) fn wake(&self, now: Instant) {
        for _ in 0..self.overdue(now) {
            let Some(waker) = self.idle.borrow_mut().pop_front() else { return };
            waker.wake();
        }
    }

    /// Ends the run: every [`next`](Self::next) comes back with nothing.
    pub(super) fn end(&self) {
        self.over.set(true);
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        idle.into_iter().for_each(Waker::wake);
    }

    /// Times due at `now` that no connection has taken.
    pub(super) fn overdue(&self, now: Instant) -> u32 {
        let Some(start) = self.start.get() else { return 0 };
        let elapsed = now.saturating_duration_since(start).as_nanos();
        let due = elapsed / self.distance.as_nanos().max(1);
        u32::try_from(due).unwrap_or(u32::MAX).saturating_sub(self.taken.get())
    }

    fn take(&self, now: Instant) -> Option<Instant> {
        if self.overdue(now) == 0 {
            return None;
        }
        self.taken.set(self.taken.get() + 1);
        Some(self.start.get()? + self.distance * self.taken.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    #[test]
    fn a_time_is_taken_once_and_not_before_it_is_due() {
        let start = Instant::now();
        let arrivals = Arrivals::new(STEP);
        arrivals.begin(start);
        assert_eq!(arrivals.take(start + STEP / 2), None, "too early");
        assert_eq!(arrivals.take(start + STEP), Some(start + STEP));
        assert_eq!(arrivals.take(start + STEP), None, "taken");
    }

    #[test]
    fn nothing_is_due_before_the_beginning() {
        assert_eq!(Arrivals::new(STEP).take(Instant::now()), None);
    }

    #[test]
    fn a_stall_leaves_its_times_due() {
        let start = Instant::now();
        let arrivals = Arrivals::new(STEP);
        arrivals.begin(start);
        let after_stall = start + STEP * 3;
        assert_eq!(arrivals.overdue(after_stall), 3);
        // The first request after the stall counts from when it should have been sent, not from now.
        assert_eq!(arrivals.take(after_stall), Some(start + STEP));
        assert_eq!(arrivals.take(after_stall), Some(start + STEP * 2));
        assert_eq!(arrivals.overdue(after_stall), 1);
    }
}
