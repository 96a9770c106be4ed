//! Spawning tasks and awaiting their results.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_task::{Builder, FallibleTask, Runnable};

use super::Core;
use super::catch::{Catch, Payload};

type Output<T> = Result<T, Payload>;

/// Starts a task on this core. The future need not be `Send`.
///
/// The task first runs in this turn, behind those that are ready. A panic in it is caught,
/// counted, and handed to whoever awaits the handle; the core goes on. When the core ends, tasks
/// that are not finished are dropped where they wait.
///
/// # Panics
/// If the caller is not on a core.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Core::with(|core| {
        // SAFETY: the future is 'static.
        unsafe { spawn_scoped(core, future) }
    })
}

/// Starts a task whose future may borrow.
///
/// # Safety
/// The future must be dropped before what it borrows: the caller waits until the handle is
/// finished, or drops all tasks of the core.
pub(crate) unsafe fn spawn_scoped<F: Future>(core: &Core, future: F) -> JoinHandle<F::Output> {
    let shared = Arc::clone(&core.shared);
    let schedule = move |runnable: Runnable| {
        if Core::is_current(Arc::as_ptr(&shared)) {
            Core::with(|core| core.push(runnable));
        } else {
            shared.wake(runnable);
        }
    };
    let future = Catch::new(future);
    // SAFETY: the future may be neither `Send` nor 'static. It is polled and dropped by its
    // runnable only, and a runnable is run or dropped only by `Core::run_ready` and
    // `Core::drop_tasks` on this thread: `schedule` sends those woken elsewhere back here, and
    // `CoreShared` leaks what comes after the end. The output is taken or dropped by the task or
    // by the handle, which is `!Send`. The schedule function is `Send + Sync + 'static`. That the
    // future is dropped before what it borrows is the caller's duty.
    let (runnable, task) = unsafe { Builder::new().spawn_unchecked(move |()| future, schedule) };
    core.shared.counters.spawned.add(1);
    runnable.schedule();
    JoinHandle { task: Cell::new(Some(task.fallible())), not_send: std::marker::PhantomData }
}

impl Core {
    /// Notes a live task.
    pub(super) fn task_began(&self, waker: &Waker) -> usize {
        self.shared.counters.tasks.add(1);
        self.tasks.borrow_mut().insert(waker.clone())
    }

    /// Forgets a task whose future is gone.
    pub(super) fn task_ended(&self, key: usize) {
        self.shared.counters.tasks.sub(1);
        let waker = self.tasks.borrow_mut().remove(key);
        // Outside the borrow: it may be the last handle on the task.
        drop(waker);
    }
}

/// A task's result, to be awaited. Dropping the handle lets the task run on.
#[must_use = "drop it explicitly to let the task run on without a handle"]
pub struct JoinHandle<T> {
    /// `None` once aborted or once the result was taken.
    task: Cell<Option<FallibleTask<Output<T>>>>,
    /// The output need not be `Send`, so neither is the handle.
    not_send: std::marker::PhantomData<Rc<T>>,
}

impl<T> JoinHandle<T> {
    /// Ends the task: its future is dropped in this turn or the next, where it waits. If it has
    /// finished already this does nothing and the result can still be taken.
    pub fn abort(&self) {
        match self.task.take() {
            Some(task) if task.is_finished() => self.task.set(Some(task)),
            // Dropping the handle of `async_task` is what cancels.
            other => drop(other),
        }
    }

    /// True once the task has finished, panicked or was aborted.
    pub fn is_finished(&self) -> bool {
        let task = self.task.take();
        let finished = task.as_ref().is_none_or(FallibleTask::is_finished);
        self.task.set(task);
        finished
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Cancellation
    /// Dropping the handle lets the task run on.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(task) = this.task.get_mut() else {
            return Poll::Ready(Err(JoinError { kind: Kind::Aborted }));
        };
        match Pin::new(task).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                drop(this.task.take());
                Poll::Ready(match result {
                    Some(result) => result.map_err(|payload| JoinError { kind: Kind::Panicked(payload) }),
                    // The core is ending and has dropped the task.
                    None => Err(JoinError { kind: Kind::Aborted }),
                })
            }
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish()
    }
}

enum Kind {
    Panicked(Payload),
    Aborted,
}

/// Why a task has no result.
pub struct JoinError {
    kind: Kind,
}

impl JoinError {
    /// True if the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panicked(_))
    }

    /// True if the task was aborted.
    pub fn is_aborted(&self) -> bool {
        matches!(self.kind, Kind::Aborted)
    }

    /// What the panic carried, to go on with by `std::panic::resume_unwind`; `None` if aborted.
    pub fn into_panic(self) -> Option<Box<dyn std::any::Any + Send + 'static>> {
        match self.kind {
            Kind::Panicked(payload) => Some(payload),
            Kind::Aborted => None,
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Panicked(_) => "JoinError(Panicked)",
            Kind::Aborted => "JoinError(Aborted)",
        })
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Panicked(_) => "the task panicked",
            Kind::Aborted => "the task was aborted",
        })
    }
}

impl std::error::Error for JoinError {}
