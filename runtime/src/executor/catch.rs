//! The wrapper around every spawned future: catches its panics and keeps the core's books.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Core;
use crate::observe::{self, Route};

/// What a panic carried.
pub(super) type Payload = Box<dyn Any + Send + 'static>;

/// Runs `F`, turning a panic into an error value (guard 3).
///
/// monoio lets a panic unwind through its loop, which ends the core. The future is also dropped
/// under `catch_unwind`, because a destructor may panic as well.
pub(super) struct Catch<F> {
    /// `None` once the future has ended. Pinned as the wrapper is.
    future: Option<F>,
    books: Books,
}

/// What the core keeps about a task.
struct Books {
    /// Key in the core's table of live tasks, once the first poll has put it there.
    task: Option<usize>,
    /// What the task works for, while it is not being polled.
    route: Route,
}

impl<F> Catch<F> {
    pub(super) fn new(future: F) -> Catch<F> {
        Catch { future: Some(future), books: Books { task: None, route: observe::route() } }
    }

    /// The pinned future, and the books beside it.
    fn project(self: Pin<&mut Self>) -> (Pin<&mut Option<F>>, &mut Books) {
        // SAFETY: `future` is pinned whenever the wrapper is: it is never moved out (only set to
        // `None` in place), the wrapper has no other way to it, its `Drop` does not move it, and
        // `Catch<F>: Unpin` requires `F: Unpin` by the auto trait.
        unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.books)
        }
    }

    fn end(self: Pin<&mut Self>) {
        let (mut future, books) = self.project();
        let task = books.task.take();
        if catch_unwind(AssertUnwindSafe(|| future.set(None))).is_err() {
            count_panic("in a destructor");
        }
        if let Some(task) = task {
            Core::try_with(|core| core.task_ended(task));
        }
    }
}

impl<F: Future> Future for Catch<F> {
    type Output = Result<F::Output, Payload>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (future, books) = self.as_mut().project();
        if books.task.is_none() {
            books.task = Core::try_with(|core| core.task_began(cx.waker()));
        }
        observe::set_route(books.route);
        let Some(future) = future.as_pin_mut() else { unreachable!("polled after completion") };
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
        books.route = observe::route();
        observe::set_route(Route::NONE);
        let polled = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(payload) => {
                count_panic("in a task");
                Err(payload)
            }
        };
        self.end();
        Poll::Ready(polled)
    }
}

impl<F> Drop for Catch<F> {
    fn drop(&mut self) {
        // SAFETY: the wrapper is being dropped and is not moved again; see `project`.
        unsafe { Pin::new_unchecked(self) }.end();
    }
}

fn count_panic(place: &str) {
    Core::try_with(|core| core.shared.counters.panics.add(1));
    tracing::error!(place, "a task panicked; the core goes on");
}
