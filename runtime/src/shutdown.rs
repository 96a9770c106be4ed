//! Two-step shutdown as the tasks of a core see it: first draining, then stop.
//!
//! Draining is a request: finish what is in hand, take nothing new. It is set by
//! [`Runtime::shutdown`](crate::Runtime::shutdown), or for one core by [`drain`]. When the grace
//! is over the core stops: every task is dropped where it waits.
//!
//! ```
//! use corelane_runtime as runtime;
//!
//! runtime::block_on(async {
//!     assert!(!runtime::shutdown::is_draining());
//!     runtime::spawn(async { runtime::shutdown::drain() });
//!     runtime::shutdown::draining().await;
//!     assert!(runtime::shutdown::is_draining());
//! });
//! ```

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::executor::Core;

/// True once this core has been asked to drain.
///
/// # Panics
/// If the caller is not on a core.
#[track_caller]
pub fn is_draining() -> bool {
    Core::with(Core::is_draining)
}

/// Asks this core, and only this one, to drain. Asking again does nothing.
///
/// # Panics
/// If the caller is not on a core.
#[track_caller]
pub fn drain() {
    Core::with(Core::start_draining);
}

/// Waits until this core is asked to drain; ready at once if it was.
///
/// # Cancellation
/// May be dropped at any time; its place in the core's list of waiters goes with it.
///
/// # Panics
/// If polled off a core.
pub fn draining() -> Draining {
    Draining { waiter: None }
}

/// The future of [`draining`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Draining {
    /// Place in the core's list of waiters, once polled.
    waiter: Option<usize>,
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Core::with(|core| {
            if core.is_draining() {
                return Poll::Ready(());
            }
            core.drain_waiters.wait(&mut self.waiter, cx.waker());
            Poll::Pending
        })
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            Core::try_with(|core| {
                // Draining has emptied the list for good.
                if !core.is_draining() {
                    core.drain_waiters.leave(waiter);
                }
            });
        }
    }
}
