//! The futures of calls, on both sides.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::{fmt, mem};

use super::error::{CallError, Kind};
use super::pending::{Key, Outcome};
use super::rings::{Answer, Work};
use crate::executor::{Core, core_count, spawn};
use crate::launch::CoreId;

/// Runs `f` on a core and gives what it returns.
///
/// `f` runs in the loop of that core, between tasks, so it must be short: microseconds, no blocking.
/// For more use [`call_async`].
///
/// ```
/// use corelane_runtime::{block_on, core_id, mesh};
///
/// let answer = block_on(async { mesh::call(core_id(), || 6 * 7).await });
/// assert_eq!(answer, Ok(42));
/// ```
///
/// # Errors
/// See the table of the [module](super). The call is made when the future is first polled.
///
/// # Cancellation
/// Dropped before its first poll, or while it waits for a place, the call is not made. Dropped later,
/// it is run and its answer is dropped on this core.
///
/// # Panics
/// If polled outside a runtime.
pub fn call<T, F>(core: CoreId, f: F) -> Call<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Call::new(core, move |answer| answer.give(Ok(Box::new(f()))))
}

/// Runs the future that `f` makes on a core and gives its output. The future is made, run and
/// dropped there: it need not be `Send`.
///
/// ```
/// use corelane_runtime::{block_on, core_id, mesh, yield_now};
/// use std::rc::Rc;
///
/// let answer = block_on(async {
///     let there = mesh::call_async(core_id(), || async {
///         let not_send = Rc::new(42);
///         yield_now().await;
///         *not_send
///     });
///     there.await
/// });
/// assert_eq!(answer, Ok(42));
/// ```
///
/// # Errors
/// See the table of the [module](super). The call is made when the future is first polled.
///
/// # Cancellation
/// As with [`call`]: once made, the future runs to its end on its core, also if nobody awaits its answer.
///
/// # Panics
/// If polled outside a runtime.
pub fn call_async<T, F, Fut>(core: CoreId, f: F) -> Call<T>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    Call::new(core, move |answer| {
        let depth = answer.depth();
        // Boxed to be pinned; a call allocates in any case.
        let served = Served { future: Box::pin(f()), depth, answer: Some(answer) };
        // Detached: the answer goes by the mesh, not by the handle.
        drop(spawn(served));
    })
}

/// Runs `f` on every core of the runtime, this one included, all at the same time. The answers come in the
/// order of the cores.
///
/// # Errors
/// Each core's answer is a call of its own and fails as one.
///
/// # Cancellation
/// As with [`call`], for each core.
///
/// # Panics
/// If called outside a runtime.
#[track_caller]
pub fn broadcast<T, F>(f: F) -> Broadcast<T>
where
    F: Fn() -> T + Clone + Send + 'static,
    T: Send + 'static,
{
    let calls = (0..core_count()).map(|core| call(CoreId::new(core), f.clone())).collect();
    Broadcast::new(calls)
}

/// The future of a call.
#[must_use = "a call is made when its future is first polled"]
pub struct Call<T> {
    core: CoreId,
    state: State,
    answer: PhantomData<fn() -> T>,
    /// Its place in the tables is on the core that polls it first.
    on_core: PhantomData<Rc<()>>,
}

enum State {
    New(Work),
    Made(Key),
    Done,
}

impl<T: Send + 'static> Call<T> {
    pub(super) fn new(core: CoreId, work: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self { core, state: State::New(Box::new(work)), answer: PhantomData, on_core: PhantomData }
    }
}

fn restore<T: 'static>(outcome: Outcome) -> Result<T, CallError> {
    let answer: Box<dyn Any> = outcome?;
    match answer.downcast() {
        Ok(answer) => Ok(*answer),
        Err(_) => unreachable!("a key names one call, and that has one type"),
    }
}

impl<T: Send + 'static> Future for Call<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match mem::replace(&mut self.state, State::Done) {
            State::New(work) => {
                let made = Core::with(|core| core.mesh().submit(self.core.index(), work, cx.waker()));
                self.state = State::Made(made?);
                Poll::Pending
            }
            State::Made(key) => match Core::with(|core| core.mesh().poll(key, cx.waker())) {
                Some(outcome) => Poll::Ready(restore(outcome)),
                None => {
                    self.state = State::Made(key);
                    Poll::Pending
                }
            },
            State::Done => panic!("a call was polled after it was ready"),
        }
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        if let State::Made(key) = self.state {
            // No core any more: its table has gone, and the call with it.
            Core::try_with(|core| core.mesh().abandon(key));
        }
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New(_) => "new",
            State::Made(_) => "made",
            State::Done => "done",
        };
        f.debug_struct("Call").field("core", &self.core).field("state", &state).finish()
    }
}

/// The future of a [`broadcast`].
#[derive(Debug)]
#[must_use = "calls are made when their future is first polled"]
pub struct Broadcast<T> {
    calls: Vec<Call<T>>,
    /// Invariant: as long as `calls`; Some where the call is done.
    answers: Vec<Option<Result<T, CallError>>>,
}

// Answers are never pinned, and calls have no address of their own.
impl<T> Unpin for Broadcast<T> {}

impl<T> Broadcast<T> {
    pub(super) fn new(calls: Vec<Call<T>>) -> Self {
        let answers = calls.iter().map(|_| None).collect();
        Self { calls, answers }
    }
}

impl<T: Send + 'static> Future for Broadcast<T> {
    type Output = Vec<Result<T, CallError>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Broadcast { calls, answers } = self.get_mut();
        for (call, answer) in calls.iter_mut().zip(answers.iter_mut()) {
            if answer.is_none()
                && let Poll::Ready(result) = Pin::new(call).poll(cx)
            {
                *answer = Some(result);
            }
        }
        if answers.iter().all(Option::is_some) {
            Poll::Ready(mem::take(answers).into_iter().flatten().collect())
        } else {
            Poll::Pending
        }
    }
}

/// A called future on its core: answers when it ends, however it does.
struct Served<Fut> {
    future: Pin<Box<Fut>>,
    depth: usize,
    /// None once given. Dropped with the task when the core ends, it tells the caller so.
    answer: Option<Answer>,
}

impl<Fut> Future for Served<Fut>
where
    Fut: Future,
    Fut::Output: Send + 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let poll = || Core::with(|core| core.mesh().inside(this.depth, || this.future.as_mut().poll(cx)));
        let outcome = match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(Box::new(value) as Box<dyn Any + Send>),
            Err(payload) => {
                this.give(Err(Kind::Panicked));
                // The executor counts it, as with every task.
                resume_unwind(payload);
            }
        };
        this.give(outcome);
        Poll::Ready(())
    }
}

impl<Fut> Served<Fut> {
    fn give(&mut self, outcome: Outcome) {
        if let Some(answer) = self.answer.take() {
            answer.give(outcome);
        }
    }
}
