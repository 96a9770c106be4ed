//! Waiting for a time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::wheel::{Key, Target};
use crate::executor::Core;

/// Where a deadline goes that is too far for an `Instant`: a century.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or_else(|| from + FAR)
}

/// Waits for at least `duration`, from when it is called.
///
/// # Cancellation
/// May be dropped at any time.
pub fn sleep(duration: Duration) -> Sleep {
    // The clock, not the turn's time: after a long turn that would be too short a sleep.
    sleep_until(later(Instant::now(), duration))
}

/// Waits until `deadline`; ready at once if it has passed.
///
/// # Cancellation
/// May be dropped at any time.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, key: None }
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// # Panics
/// If polled off a core.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    deadline: Instant,
    /// The entry in the core's wheel, once polled.
    key: Option<Key>,
}

impl Sleep {
    /// When it is ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Moves the deadline.
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if let Some(key) = self.key {
            Core::with(|core| core.wheel.borrow_mut().arm(key, deadline));
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Core::with(|core| {
            if self.deadline <= core.now() {
                return Poll::Ready(());
            }
            let mut wheel = core.wheel.borrow_mut();
            let renewed = self.key.is_some_and(|key| wheel.set_waker(key, cx.waker()));
            if !renewed {
                self.key = Some(wheel.insert(self.deadline, Target::Wake(cx.waker().clone())));
            }
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let target = Core::try_with(|core| core.wheel.borrow_mut().remove(key));
            drop(target);
        }
    }
}

/// Gives `future` that long, from when it is called; then drops it.
///
/// # Errors
/// [`Elapsed`] if the time came first. If both come in one turn the result wins.
///
/// # Cancellation
/// May be dropped at any time; `future` is dropped with it. At expiry `future` is dropped by this
/// future's own drop, not before, so what it holds is released when the caller lets go.
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep(duration) }
}

/// The future of [`timeout`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Timeout<F> {
    future: F,
    sleep: Sleep,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `future` is pinned whenever `self` is: it is not moved out of or replaced here,
        // `Timeout` has no `Drop` and no other access to it, and is `Unpin` only if `F` is.
        // `sleep` is `Unpin`, so it may be taken by reference.
        let (future, sleep) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.sleep)
        };
        if let Poll::Ready(value) = future.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(sleep).poll(cx).map(|()| Err(Elapsed(())))
    }
}

/// The time came before the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline passed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}
