//! The connection of a subscriber.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use corelane_runtime::buf::Lease;
use corelane_runtime::net::{RecvHalf, SendHalf};
use corelane_runtime::{spawn, time};

use super::state::State;
use crate::redis::error::Cause;
use crate::redis::exclusive::{Exclusive, Target};
use crate::redis::keep::{Kept, keep};
use crate::redis::proto::Decoder;

/// What subscriber, messages and the tasks hold.
pub(super) struct Shared {
    state: RefCell<State>,
    pub(super) target: Target,
}

/// Starts a subscriber. It connects when there is something to subscribe to, and ends with [`State::close`].
pub(super) fn start(target: Target) -> Rc<Shared> {
    let state = State::new(Rc::clone(&target.config), time::now());
    let shared = Rc::new(Shared { state: RefCell::new(state), target });
    drop(spawn(keep(Rc::clone(&shared), None)));
    shared
}

impl Shared {
    /// Runs `f` on the state, then wakes whom it says to wake: a waker may run anything.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.borrow_mut();
        let result = f(&mut state);
        let wakes = std::mem::take(&mut state.wakes);
        drop(state);
        for waker in wakes {
            waker.wake();
        }
        result
    }

    /// Reads the state.
    pub(super) fn look<R>(&self, f: impl FnOnce(&State) -> R) -> R {
        f(&self.state.borrow())
    }
}

impl Kept for Shared {
    fn target(&self) -> &Target {
        &self.target
    }

    fn is_closed(&self) -> bool {
        self.look(State::is_closed)
    }

    fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|state| state.poll_wanted(cx))
    }

    fn poll_demand(&self, cx: &mut Context<'_>) -> bool {
        self.with(|state| state.poll_demand(cx))
    }

    async fn run(self: Rc<Self>, connection: Exclusive) -> Cause {
        let cause = run(&self, connection).await;
        self.with(|state| state.on_lost(cause))
    }

    fn on_connect_failed(&self) {
        self.with(|state| state.stats.connect_failures += 1);
    }

    fn on_away(&self, cause: &Cause) {
        self.with(|state| state.on_away(cause));
    }
}

/// Runs one connection to its end; gives the cause.
async fn run(shared: &Rc<Shared>, connection: Exclusive) -> Cause {
    let (stream, decoder, unread) = connection.into_parts();
    let closer = stream.close_handle();
    let (receiver, sender) = match stream.split() {
        Ok(halves) => halves,
        Err(error) => return Cause::io(error),
    };
    let epoch = shared.with(|state| state.on_up(Some(closer), time::now()));
    drop(spawn(write(Rc::clone(shared), sender, epoch)));
    match read(shared, receiver, decoder, unread).await {
        Ok(never) => match never {},
        Err(cause) => cause,
    }
}

/// Receives until the connection ends, or nothing has come for too long.
async fn read(
    shared: &Shared,
    mut receiver: RecvHalf,
    mut decoder: Decoder,
    mut unread: Option<Lease>,
) -> Result<std::convert::Infallible, Cause> {
    let silence_max = shared.target.config.silence_max;
    loop {
        let lease = match unread.take() {
            Some(lease) => lease,
            None => {
                receiver.set_recv_deadline(Some(time::now() + silence_max));
                receiver.recv().await.map_err(|error| match error.kind() {
                    io::ErrorKind::TimedOut => Cause::Silent(silence_max),
                    _ => Cause::io(error),
                })?
            }
        };
        if lease.is_empty() {
            return Err(Cause::Eof);
        }
        shared.with(|state| {
            state.stats.bytes_in += lease.len() as u64;
            let mut input = &lease[..];
            let outcome = loop {
                match decoder.decode(&mut input).map_err(Cause::Protocol) {
                    Ok(Some(reply)) => match state.on_reply(reply) {
                        Ok(()) => {}
                        Err(cause) => break Err(cause),
                    },
                    Ok(None) => break Ok(()),
                    Err(cause) => break Err(cause),
                }
            };
            // Also what came before an error.
            state.on_received(time::now());
            outcome
        })?;
    }
}

/// Sends what is to be subscribed to and what no longer is, and asks for a sign of life when nothing was heard for half
/// of the longest silence.
async fn write(shared: Rc<Shared>, mut sender: SendHalf, epoch: u64) {
    let quiet = shared.target.config.silence_max / 2;
    let mut sleep = time::sleep(quiet);
    loop {
        let out = poll_fn(|cx| {
            loop {
                if let Poll::Ready(out) = shared.with(|state| state.poll_output(epoch, cx)) {
                    return Poll::Ready(out);
                }
                if Pin::new(&mut sleep).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let now = time::now();
                let due: Instant = shared.look(State::heard) + quiet;
                if due <= now {
                    sleep.reset(now + quiet);
                    return Poll::Ready(shared.with(|state| state.write_ping(epoch)));
                }
                sleep.reset(due);
            }
        })
        .await;
        let Some(out) = out else { return };
        if let Err(error) = sender.send(out).await {
            shared.with(|state| state.end(epoch, Cause::io(error)));
            return;
        }
    }
}
