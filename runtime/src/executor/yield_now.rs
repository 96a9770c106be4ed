//! Giving way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Core;

/// Lets every other ready task run and the driver look at completions and timers, then goes on.
///
/// monoio's own `yield_now` puts the task at the front of the queue, so that a task yielding in a
/// loop starves its core, and its loop looks at timers only when the queue is empty (guards 1 and
/// 2). This one ends the caller's part in the turn: the core enters the kernel once before the
/// caller runs again. That is about a microsecond on an idle core; call it between pieces of work
/// of some tens of microseconds, not per item.
///
/// ```
/// use corelane_runtime as runtime;
/// runtime::block_on(async {
///     let other = runtime::spawn(async { 1 });
///     runtime::yield_now().await;
///     assert!(other.is_finished());
/// });
/// ```
///
/// # Cancellation
/// May be dropped at any time.
///
/// # Panics
/// If polled off a core.
pub async fn yield_now() {
    YieldNow { yielded: false }.await;
}

struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        Core::with(|core| core.wake_next_turn(cx.waker().clone()));
        Poll::Pending
    }
}
