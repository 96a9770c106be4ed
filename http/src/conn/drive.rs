//! The slow path: a handler that waits, a body that arrives piece by piece, an answer that is a stream.
//!
//! All three are one loop, [`Conn::drive`]: poll what is to be driven; if it waits for the request's body, receive;
//! otherwise wait for it, with an eye on whether the client is still there. What was answered so far is sent before
//! anything is waited for.

use std::future::poll_fn;
use std::io;
use std::num::NonZeroU64;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corelane_http_proto::chunked;
use corelane_http_proto::conn::{BodyPlan, ConnError, Step, Waiting};
use corelane_runtime::buf::{Chunk, Lease};
use corelane_runtime::{net::Shutdown, time};

use super::answer::Answered;
use super::output::GATHERED_BYTES_MAX;
use super::turn::{Pending, Stage, poll_body, poll_handler};
use super::{Conn, End, Gone};
use crate::body::{Body, BodyError, Demand, Feed};
use crate::request::Incoming;
use crate::server::State;

/// How long a handler waits before the connection begins to look whether its client is gone: most are done before,
/// and save the operation.
const WATCH_AFTER: Duration = Duration::from_millis(50);
/// Longest silence inside a body, whatever its rate was before.
const STALL_MAX: Duration = Duration::from_secs(30);
/// What ended a wait.
enum Woken<T> {
    /// What is driven is ready.
    Ready(T),
    /// Whether the request's body is wanted has changed.
    Demand,
    Received(io::Result<Lease>),
    /// The client is gone.
    Closed,
}

/// How far the request's body has come.
struct Inflow {
    feed: Feed,
    /// Time spent receiving it; the time that its reader takes between chunks is not the peer's.
    waited: Duration,
    /// Bytes of it so far.
    received: u64,
    /// True once its deadline has passed, which has shut the receiving side.
    expired: bool,
}

impl Conn {
    /// Finishes a request that could not be finished in one poll. `Some` if the connection ends with it.
    pub(super) async fn wait(&mut self, pending: Pending) -> Result<Option<End>, Gone> {
        self.disarm();
        let mut inflow =
            pending.feed.map(|feed| Inflow { feed, waited: Duration::ZERO, received: 0, expired: false });
        let mut upgrade = None;
        let body = match pending.stage {
            Stage::Body(body, plan) => Some((body, plan)),
            Stage::Handler(mut handler) => {
                let response = self.drive(&mut inflow, |cx| poll_handler(&mut handler, cx)).await?;
                drop(handler);
                self.shared.refresh_date();
                match self.answer(response, inflow.as_ref().map(|inflow| &inflow.feed))? {
                    Answered::Head(body, plan) => Some((body, plan)),
                    Answered::Whole(then) => {
                        upgrade = then;
                        None
                    }
                }
            }
        };
        if let Some((body, plan)) = body {
            self.stream_body(body, plan, &mut inflow).await?;
        }
        Ok(self.finish(inflow.map(|inflow| inflow.feed), upgrade))
    }

    /// Sends a body piece by piece, several at a time where they are at hand.
    async fn stream_body(
        &mut self,
        mut body: Body,
        plan: BodyPlan,
        inflow: &mut Option<Inflow>,
    ) -> Result<(), Gone> {
        self.ticket.set(State::Stream);
        if plan == BodyPlan::Plain
            && let Some(files) = body.take_file()
        {
            return self.send_files(files).await;
        }
        loop {
            let chunk = match self.drive(inflow, |cx| poll_body(&mut body, cx)).await? {
                Some(Ok(chunk)) => chunk,
                None => break,
                Some(Err(error)) => {
                    // The head is out: all that can be said is that the body is not complete.
                    tracing::warn!(%error, "a response body failed; its connection is closed");
                    let _ = self.flush().await;
                    let _ = self.stream.shutdown(Shutdown::Both);
                    return Err(Gone::Peer);
                }
            };
            if self.machine.body_sent(chunk.len() as u64).is_err() {
                tracing::error!(
                    "a response body is longer than its content-length; its connection is closed"
                );
                return Err(Gone::Peer);
            }
            match NonZeroU64::new(chunk.len() as u64) {
                Some(len) if plan == BodyPlan::Chunked => {
                    self.output.copy(chunked::SizeLine::new(len).as_bytes())?;
                    self.output.push(chunk)?;
                    self.output.copy(chunked::CHUNK_END)?;
                }
                _ => self.output.push(chunk)?,
            }
            if self.output.len() >= GATHERED_BYTES_MAX {
                self.flush().await?;
            }
        }
        if plan == BodyPlan::Chunked {
            self.output.copy(chunked::LAST_CHUNK)?;
        }
        Ok(())
    }

    /// Polls `poll` until it is ready, and meanwhile receives the request's body when that is wanted.
    async fn drive<T>(
        &mut self,
        inflow: &mut Option<Inflow>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Gone> {
        loop {
            let polled = poll_fn(|cx| Poll::Ready(poll(cx))).await;
            if let Poll::Ready(ready) = polled {
                return Ok(ready);
            }
            let mut wanted = match inflow {
                Some(inflow) if inflow.feed.is_wanted() => Some(inflow),
                _ => None,
            };
            if let Some(inflow) = &mut wanted
                && self.feed_from_input(inflow)?
            {
                continue;
            }
            self.flush().await?;
            let woken = match wanted {
                Some(inflow) => self.receive_body(inflow, &mut poll).await,
                None => self.watch(inflow.as_ref(), &mut poll).await,
            };
            match woken {
                Woken::Ready(ready) => return Ok(ready),
                Woken::Demand => {}
                Woken::Closed => return Err(Gone::Peer),
                Woken::Received(received) => self.received(received)?,
            }
        }
    }

    /// Receives bytes of the body while `poll` goes on: a handler may wait for more than the body, and may stop
    /// waiting for it. The receive is dropped then, which takes no bytes along.
    async fn receive_body<T>(
        &mut self,
        inflow: &mut Inflow,
        poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Woken<T> {
        self.arm_body(inflow);
        let began = time::now();
        let woken = {
            let mut receive = pin!(self.stream.recv());
            poll_fn(|cx| {
                if let Poll::Ready(ready) = poll(cx) {
                    return Poll::Ready(Woken::Ready(ready));
                }
                if inflow.feed.poll_unwanted(cx).is_ready() {
                    return Poll::Ready(Woken::Demand);
                }
                receive.as_mut().poll(cx).map(Woken::Received)
            })
            .await
        };
        inflow.waited += time::now().saturating_duration_since(began);
        inflow.expired =
            matches!(&woken, Woken::Received(Err(error)) if error.kind() == io::ErrorKind::TimedOut);
        self.disarm();
        woken
    }

    /// Waits for `poll`, and looks after a moment whether the client is still there.
    async fn watch<T>(
        &mut self,
        inflow: Option<&Inflow>,
        poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Woken<T> {
        let stream = &self.stream;
        let expired = inflow.is_some_and(|inflow| inflow.expired);
        let says_nothing = self.shared.limits.half_close || expired;
        let mut gone = pin!(async move {
            if says_nothing {
                // A closed receiving side is no news then; a client that is gone is found when the answer is sent.
                std::future::pending::<()>().await;
            }
            time::sleep(WATCH_AFTER).await;
            stream.closed().await;
        });
        poll_fn(|cx| {
            if let Poll::Ready(ready) = poll(cx) {
                return Poll::Ready(Woken::Ready(ready));
            }
            // The reader may be of this task, just polled, or of another one, which then wakes this one.
            let demand = inflow.map(|inflow| inflow.feed.poll_demand(cx));
            if let Some(Poll::Ready(Demand::Chunk)) = demand {
                return Poll::Ready(Woken::Demand);
            }
            gone.as_mut().poll(cx).map(|()| Woken::Closed)
        })
        .await
    }

    /// Gives the reader of the body what the input has of it. False if more has to be received.
    fn feed_from_input(&mut self, inflow: &mut Inflow) -> Result<bool, Gone> {
        match self.machine.want_body(self.input.bytes()) {
            Ok(Some(interim)) => self.output.copy(interim)?,
            Ok(None) => {}
            Err(error) => {
                inflow.feed.fail(body_error(error));
                return Ok(true);
            }
        }
        loop {
            let head = self.head.get_or_insert_with(Incoming::new);
            match self.machine.handle_input(self.input.bytes(), head.head_mut()) {
                Ok(Step::Data { skip, len }) => {
                    self.input.skip(skip);
                    inflow.received += len as u64;
                    inflow.feed.give(Chunk::from(self.input.take(len)));
                    return Ok(true);
                }
                // Trailers are checked by the machine; nobody has asked for them yet.
                Ok(Step::Trailer { consumed, .. } | Step::Discard { consumed }) => self.input.skip(consumed),
                Ok(Step::NeedMore { consumed }) => {
                    if !self.input.advance(consumed)? {
                        return Ok(false);
                    }
                }
                Ok(Step::End { consumed }) => {
                    self.input.skip(consumed);
                    inflow.feed.end();
                    return Ok(true);
                }
                Ok(step) => unreachable!("inside a body there is no {step:?}"),
                Err(error) => {
                    inflow.feed.fail(body_error(error));
                    return Ok(true);
                }
            }
        }
    }

    /// Sets the deadline of a receive inside a body: what the peer may still wait by the lowest rate.
    fn arm_body(&mut self, inflow: &Inflow) {
        let limits = &self.shared.limits;
        let earned = Duration::from_millis(
            inflow.received.saturating_mul(1000) / u64::from(limits.body_rate_min.max(1)),
        );
        let patience = limits.body_grace.saturating_add(earned).saturating_sub(inflow.waited).min(STALL_MAX);
        self.stream.set_recv_deadline(Some(time::now() + patience));
        self.armed = Some(Waiting::Body);
    }
}

fn body_error(error: ConnError) -> BodyError {
    if error.is_truncated() {
        BodyError::truncated()
    } else if error.is_timeout() {
        BodyError::too_slow()
    } else {
        BodyError::malformed()
    }
}
