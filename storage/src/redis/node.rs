//! One server and the connection to it that all callers of the core share.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use corelane_runtime::buf::Lease;
use corelane_runtime::net::{RecvHalf, SendHalf};
use corelane_runtime::{spawn, time, yield_now};

use super::error::{Cause, RedisError};
use super::exclusive::{Exclusive, Target};
use super::keep::{Kept, keep};
use super::mux::{Depth, Mux, Request, SlotId};
use super::proto::{Command, Decoder, Reply, Value};
use super::stats::Stats;
use super::tracking::Pushes;

/// The handle on a node. Its last clone ends the connection.
#[derive(Clone)]
pub(super) struct Node {
    shared: Rc<Shared>,
    _alive: Rc<Alive>,
}

/// What the tasks of a node hold. They do not keep it open.
pub(super) struct Shared {
    mux: RefCell<Mux>,
    target: Target,
    /// Kept, so that waking needs no allocation.
    spare_wakes: Cell<Vec<Waker>>,
}

struct Alive(Rc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.with(Mux::close);
    }
}

impl Node {
    /// Starts a node: with a connection, or to make one.
    pub(super) fn start(target: Target, ready: Option<Exclusive>) -> Node {
        let mux = Mux::new(Rc::clone(&target.config), time::now());
        let shared = Rc::new(Shared { mux: RefCell::new(mux), target, spare_wakes: Cell::default() });
        drop(spawn(keep(Rc::clone(&shared), ready)));
        drop(spawn(keep_time(Rc::clone(&shared))));
        let alive = Rc::new(Alive(Rc::clone(&shared)));
        Node { shared, _alive: alive }
    }

    /// See [`Mux::submit`].
    #[inline]
    pub(super) fn submit(
        &self,
        request: &Request,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Result<SlotId, RedisError> {
        self.shared.with(|mux| mux.submit(request, time::now(), deadline, cx))
    }

    /// See [`Mux::poll_slot`].
    #[inline]
    pub(super) fn poll_slot(&self, slot: SlotId, cx: &mut Context<'_>) -> Poll<Result<Value, RedisError>> {
        self.shared.mux.borrow_mut().poll_slot(slot, cx)
    }

    /// See [`Mux::give_up`].
    pub(super) fn give_up(&self, slot: SlotId) {
        self.shared.with(|mux| mux.give_up(slot));
    }

    /// What is told by pushes.
    pub(super) fn tracked<R>(&self, f: impl FnOnce(&mut Pushes) -> R) -> R {
        self.shared.with(|mux| f(&mut mux.pushes))
    }

    /// Sends a command if there is a connection. Its reply is thrown away.
    pub(super) fn send_and_forget(&self, command: Command) {
        let deadline = time::now() + self.target().config.deadline;
        let mut cx = Context::from_waker(Waker::noop());
        if let Ok(slot) = self.submit(&Request::One(command), deadline, &mut cx) {
            self.give_up(slot);
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.shared.target
    }

    pub(super) fn stats(&self) -> Stats {
        self.shared.mux.borrow().stats
    }

    pub(super) fn depth(&self) -> Depth {
        self.shared.mux.borrow().depth()
    }

    /// Why a caller would be refused at once, if it would. Counts as somebody who asks.
    pub(super) fn refusal(&self) -> Option<RedisError> {
        self.shared.with(Mux::refusal)
    }

    pub(super) fn is_up(&self) -> bool {
        self.shared.mux.borrow().is_up()
    }

    /// Ends the connection, so that another one is made.
    pub(super) fn end(&self, cause: Cause) {
        self.shared.with(|mux| mux.end(cause));
    }

    pub(super) fn is_away(&self) -> bool {
        self.shared.mux.borrow().is_away()
    }
}

impl Shared {
    /// Runs `f` on the state, then wakes whom it says to wake: a waker may run anything.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Mux) -> R) -> R {
        let mut mux = self.mux.borrow_mut();
        let result = f(&mut mux);
        if mux.wakes.is_empty() {
            return result;
        }
        let mut wakes = std::mem::replace(&mut mux.wakes, self.spare_wakes.take());
        drop(mux);
        for waker in wakes.drain(..) {
            waker.wake();
        }
        self.spare_wakes.set(wakes);
        result
    }
}

impl Kept for Shared {
    fn target(&self) -> &Target {
        &self.target
    }

    fn is_closed(&self) -> bool {
        self.mux.borrow().is_closed()
    }

    fn poll_wanted(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn poll_demand(&self, cx: &mut Context<'_>) -> bool {
        self.mux.borrow_mut().poll_demand(cx)
    }

    async fn run(self: Rc<Self>, connection: Exclusive) -> Cause {
        let cause = run(&self, connection).await;
        self.with(|mux| mux.on_lost(cause))
    }

    fn on_connect_failed(&self) {
        self.with(|mux| mux.stats.connect_failures += 1);
    }

    fn on_away(&self, cause: &Cause) {
        self.with(|mux| mux.on_away(cause));
    }
}

/// Runs one connection to its end; gives the cause.
async fn run(shared: &Rc<Shared>, mut connection: Exclusive) -> Cause {
    let tracking = shared.with(|mux| mux.pushes.command());
    if let Some(command) = tracking
        && let Err(cause) = connection.insist(&command, &shared.target.config).await
    {
        return cause;
    }
    let (stream, decoder, unread) = connection.into_parts();
    let closer = stream.close_handle();
    let (receiver, sender) = match stream.split() {
        Ok(halves) => halves,
        Err(error) => return Cause::io(error),
    };
    let epoch = shared.with(|mux| mux.on_up(Some(closer), time::now()));
    drop(spawn(write(Rc::clone(shared), sender, epoch)));
    match read(shared, receiver, decoder, unread).await {
        Ok(never) => match never {},
        Err(cause) => cause,
    }
}

/// Receives and tells replies until the connection ends.
async fn read(
    shared: &Shared,
    mut receiver: RecvHalf,
    mut decoder: Decoder,
    mut unread: Option<Lease>,
) -> Result<std::convert::Infallible, Cause> {
    loop {
        let lease = match unread.take() {
            Some(lease) => lease,
            None => receiver.recv().await.map_err(Cause::io)?,
        };
        if lease.is_empty() {
            return Err(Cause::Eof);
        }
        let mut input = &lease[..];
        shared.with(|mux| mux.stats.bytes_in += input.len() as u64);
        while !shared.with(|mux| tell(mux, &mut decoder, &mut input))? {
            // Callers told so far issue their next commands and the writer sends them, so that the server works meanwhile.
            yield_now().await;
        }
    }
}

/// Tells the replies in `input`, or so many that the rest is worth another turn; true if that was all.
fn tell(mux: &mut Mux, decoder: &mut Decoder, input: &mut &[u8]) -> Result<bool, Cause> {
    let now = time::now();
    let mut share = mux.share();
    while share > 0 {
        match decoder.decode(input).map_err(Cause::Protocol)? {
            Some(Reply::Value(value)) => {
                mux.on_reply(value, now)?;
                share -= 1;
            }
            Some(Reply::Push(items)) => mux.on_push(items),
            None => break,
        }
    }
    mux.on_received(now);
    Ok(input.is_empty())
}

/// Sends what callers have issued, once a turn, until the connection ends.
async fn write(shared: Rc<Shared>, mut sender: SendHalf, epoch: u64) {
    while let Some(mut chunks) = poll_fn(|cx| shared.with(|mux| mux.poll_output(epoch, cx))).await {
        let last = if chunks.len() == 1 { chunks.pop() } else { None };
        let sent = match last {
            Some(chunk) => sender.send(chunk).await,
            None => sender.send_vectored(chunks).await,
        };
        if let Err(error) = sent {
            shared.with(|mux| mux.on_write_failed(epoch, Cause::io(error)));
            return;
        }
        shared.with(|mux| mux.on_sent(epoch, time::now()));
    }
}

/// Looks after deadlines: one timer for all calls, armed for the earliest. As long as callers have the same patience
/// that is a look every few seconds, whatever the load.
async fn keep_time(shared: Rc<Shared>) {
    let mut sleep = time::sleep(Duration::ZERO);
    let mut armed = None;
    poll_fn(|cx| {
        loop {
            let (closed, next) = shared.with(|mux| (mux.is_closed(), mux.poll_timer(cx)));
            if closed {
                return Poll::Ready(());
            }
            let Some(at) = next else { return Poll::Pending };
            if armed != Some(at) {
                sleep.reset(at);
                armed = Some(at);
            }
            if Pin::new(&mut sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
            shared.with(|mux| mux.expire(time::now()));
            armed = None;
        }
    })
    .await;
}
