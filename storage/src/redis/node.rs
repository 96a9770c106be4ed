//! One server and the connection to it that all callers of the core share.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use corelane_runtime::buf::Lease;
use corelane_runtime::net::{RecvHalf, SendHalf};
use corelane_runtime::{spawn, time};

use super::error::{Cause, RedisError};
use super::exclusive::{Exclusive, Target};
use super::mux::{Depth, Mux, Request, SlotId};
use super::proto::{Decoder, Reply, Value};
use super::stats::Stats;
use crate::backoff::Backoff;
use crate::circuit::Circuit;

/// Shortest time between two tries while somebody waits and the server's process is not there. A refused connection
/// costs neither side anything, so the full backoff would only make the return slower.
const PROBE: Duration = Duration::from_millis(100);

/// A connection that ends sooner counts as a failed try: a server that accepts and closes at once must not be
/// reconnected to in a loop.
const SETTLED: Duration = Duration::from_secs(1);

/// Failed tries in a row before callers fail at once. The first already: a connection was lost and another refused.
const FAILURES_MAX: u32 = 1;

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
        drop(spawn(supervise(Rc::clone(&shared), ready)));
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

/// Keeps a connection for as long as the client lives.
async fn supervise(shared: Rc<Shared>, mut ready: Option<Exclusive>) {
    let mut backoff = Backoff::default();
    let mut circuit = Circuit::new(FAILURES_MAX);
    while !shared.with(|mux| mux.is_closed()) {
        let opened = match ready.take() {
            Some(connection) => Ok(connection),
            None => shared.target.open().await,
        };
        let cause = match opened {
            Ok(connection) => {
                circuit.success();
                let began = Instant::now();
                let cause = run(&shared, connection).await;
                let cause = shared.with(|mux| mux.on_lost(cause));
                if shared.with(|mux| mux.is_closed()) {
                    return;
                }
                tracing::warn!(endpoint = %shared.target.endpoint, cause = %cause, "the connection to redis ended");
                if began.elapsed() >= SETTLED {
                    backoff.reset();
                    continue;
                }
                // Callers are not kept waiting for the pause.
                circuit.failure();
                cause
            }
            Err(cause) => {
                shared.with(|mux| mux.stats.connect_failures += 1);
                circuit.failure();
                if circuit.failures() == 1 {
                    tracing::warn!(endpoint = %shared.target.endpoint, cause = %cause, "redis cannot be reached");
                }
                cause
            }
        };
        if circuit.is_open() {
            shared.with(|mux| mux.on_away(&cause));
        }
        let now = Instant::now();
        let sooner = cause.is_absent().then(|| now + PROBE / 2 + backoff.jitter(PROBE / 2));
        pause(&shared, now + backoff.next_wait(), sooner).await;
    }
}

/// Waits until `until`, or until `sooner` if somebody asks for the server.
async fn pause(shared: &Shared, until: Instant, sooner: Option<Instant>) {
    let mut sleep = time::sleep_until(until);
    poll_fn(|cx| {
        let (closed, demand) = shared.with(|mux| (mux.is_closed(), mux.poll_demand(cx)));
        if closed {
            return Poll::Ready(());
        }
        if let Some(sooner) = sooner.filter(|_| demand)
            && sooner < sleep.deadline()
        {
            sleep.reset(sooner);
        }
        Pin::new(&mut sleep).poll(cx)
    })
    .await;
}

/// Runs one connection to its end; gives the cause.
async fn run(shared: &Rc<Shared>, connection: Exclusive) -> Cause {
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
        shared.with(|mux| {
            let now = time::now();
            mux.stats.bytes_in += lease.len() as u64;
            let mut input = &lease[..];
            while let Some(reply) = decoder.decode(&mut input).map_err(Cause::Protocol)? {
                match reply {
                    Reply::Value(value) => mux.on_reply(value, now)?,
                    // Nothing was subscribed to on this connection.
                    Reply::Push(_) => mux.stats.pushes += 1,
                }
            }
            mux.on_received(now);
            Ok(())
        })?;
    }
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
