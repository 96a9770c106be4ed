//! A command on its way, as a future.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use std::ops::Deref;
use std::rc::Rc;

use corelane_runtime::buf::LocalBoxFuture;
use corelane_runtime::time;

use super::cluster::Member;
use super::error::{Kind, RedisError};
use super::mux::{Request, SlotId};
use super::node::Node;
use super::proto::{Command, FromReply, Value};
use super::transaction::executed;
use super::{Redis, Route};

/// A command that is sent when it is first polled, and becomes its reply as a `T`.
///
/// All commands first polled in one turn of the core leave in one write.
///
/// ```no_run
/// # use corelane_storage::redis::{Redis, RedisError};
/// # use std::time::Duration;
/// # async fn example(redis: Redis) -> Result<(), RedisError> {
/// let visits = redis.get("visits").to::<Option<u64>>().deadline(Duration::from_millis(100)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`RedisError`]: the server's error, a reply of another type, no reply by the deadline, the end of the
/// connection. A command that was certainly not executed, or is read-only, is sent a second time if its
/// connection ended.
///
/// # Cancellation
/// May be dropped at any time. Before it is first polled nothing was sent; after that the server may execute it, and
/// its reply is thrown away.
#[must_use = "a command is sent when it is awaited"]
pub struct Call<'a, T> {
    redis: &'a Redis,
    request: Request,
    patience: Option<Duration>,
    shape: Shape,
    state: State<'a>,
    reply: PhantomData<fn() -> T>,
}

enum State<'a> {
    Idle,
    /// In the hands of the shared connection.
    Waiting(Ticket<'a>),
    /// On a way that takes more than one step.
    Boxed(LocalBoxFuture<'a, Result<Value, RedisError>>),
    Done,
}

/// How the replies become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As they are.
    Plain,
    /// `MULTI`, commands, `EXEC`: the reply to the last is what counts.
    Transaction,
}

/// The node that has the command.
enum Held<'a> {
    /// The client's only one.
    Own(&'a Node),
    /// One of a cluster, which may leave it meanwhile.
    Member(Rc<Member>),
}

impl Deref for Held<'_> {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        match self {
            Held::Own(node) => node,
            Held::Member(member) => member.node(),
        }
    }
}

/// A slot that is given up when this is dropped before its outcome was taken.
struct Ticket<'a> {
    node: Held<'a>,
    slot: Option<SlotId>,
    deadline: Instant,
    retried: bool,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.node.give_up(slot);
        }
    }
}

impl<'a, T: FromReply> Call<'a, T> {
    pub(super) fn new(redis: &'a Redis, request: Request) -> Call<'a, T> {
        Call { redis, request, patience: None, shape: Shape::Plain, state: State::Idle, reply: PhantomData }
    }

    pub(super) fn shaped(mut self, shape: Shape) -> Call<'a, T> {
        self.shape = shape;
        self
    }

    /// Asks for the reply as another type.
    pub fn to<U: FromReply>(self) -> Call<'a, U> {
        Call {
            redis: self.redis,
            request: self.request,
            patience: self.patience,
            shape: self.shape,
            state: self.state,
            reply: PhantomData,
        }
    }

    /// The longest wait for the reply, from the first poll on. Default [`Config::deadline`](super::Config::deadline).
    pub fn deadline(mut self, patience: Duration) -> Call<'a, T> {
        self.patience = Some(patience);
        self
    }

    /// A reply that the server may keep back for `wait`, on top of the usual deadline.
    pub(super) fn patient(mut self, wait: Duration) -> Call<'a, T> {
        self.patience = Some(wait.saturating_add(self.redis.config().deadline));
        self
    }

    /// The command, to send it in a [`Pipeline`](super::Pipeline) for instance.
    ///
    /// # Panics
    /// If this is a pipeline itself.
    #[track_caller]
    pub fn into_command(self) -> Command {
        match self.request {
            Request::One(command) => command,
            Request::Many(_) => panic!("a pipeline is not one command"),
        }
    }

    /// A server of a cluster was not the right one, or is not there: what comes then takes more than one step.
    fn resume(&mut self, member: Rc<Member>, outcome: Result<Value, RedisError>, deadline: Instant) {
        let (redis, request) = (self.redis, self.request.clone());
        self.state = State::Boxed(LocalBoxFuture::new(async move {
            match redis.cluster() {
                Some(cluster) => cluster.resume(request, member, outcome, deadline).await,
                None => outcome,
            }
        }));
    }

    fn poll_value(&mut self, cx: &mut Context<'_>) -> Poll<Result<Value, RedisError>> {
        loop {
            match &mut self.state {
                State::Idle => {
                    let patience = self.patience.unwrap_or(self.redis.config().deadline);
                    let now = time::now();
                    let deadline = now
                        .checked_add(patience)
                        .unwrap_or_else(|| now + Duration::from_secs(u32::MAX.into()));
                    let node = match self.redis.route(&self.request, patience, deadline) {
                        Route::Node(node) => Held::Own(node),
                        Route::Member(member) => Held::Member(member),
                        Route::Boxed(boxed) => {
                            self.state = State::Boxed(boxed);
                            continue;
                        }
                    };
                    self.state = State::Done;
                    match node.submit(&self.request, deadline, cx) {
                        Ok(slot) => {
                            let slot = Some(slot);
                            self.state = State::Waiting(Ticket { node, slot, deadline, retried: false });
                            return Poll::Pending;
                        }
                        Err(error) => match node {
                            Held::Own(_) => return Poll::Ready(Err(error)),
                            Held::Member(member) => self.resume(member, Err(error), deadline),
                        },
                    }
                }
                State::Waiting(ticket) => {
                    let Some(slot) = ticket.slot else {
                        unreachable!("a ticket has a slot until its outcome is taken")
                    };
                    let Poll::Ready(outcome) = ticket.node.poll_slot(slot, cx) else { return Poll::Pending };
                    ticket.slot = None;
                    if let Held::Member(member) = &ticket.node {
                        let (member, deadline) = (Rc::clone(member), ticket.deadline);
                        self.state = State::Done;
                        if !self.redis.cluster().is_some_and(|cluster| cluster.is_open(&outcome, &member)) {
                            return Poll::Ready(outcome);
                        }
                        self.resume(member, outcome, deadline);
                        continue;
                    }
                    if let Err(error) = &outcome
                        && !std::mem::replace(&mut ticket.retried, true)
                        && self.request.may_repeat(error)
                        && ticket.deadline > time::now()
                        && let Ok(slot) = ticket.node.submit(&self.request, ticket.deadline, cx)
                    {
                        ticket.slot = Some(slot);
                        return Poll::Pending;
                    }
                    self.state = State::Done;
                    return Poll::Ready(outcome);
                }
                State::Boxed(future) => {
                    let Poll::Ready(outcome) = Pin::new(future).poll(cx) else { return Poll::Pending };
                    self.state = State::Done;
                    return Poll::Ready(outcome);
                }
                State::Done => panic!("a call was polled after its end"),
            }
        }
    }
}

impl<T: FromReply> Future for Call<'_, T> {
    type Output = Result<T, RedisError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RedisError>> {
        let polled = self.poll_value(cx);
        if self.shape == Shape::Transaction
            && let Poll::Ready(Ok(Value::Array(replies))) = polled
        {
            let outcome = executed(replies);
            return Poll::Ready(outcome.and_then(|value| T::from_reply(value).map_err(RedisError::from)));
        }
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Value::Error(error))) => Poll::Ready(Err(RedisError::new(Kind::Server(error)))),
            Poll::Ready(Ok(value)) => Poll::Ready(T::from_reply(value).map_err(RedisError::from)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}
