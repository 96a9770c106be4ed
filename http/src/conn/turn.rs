//! The fast path: as many requests as are at hand, each from head to encoded answer, in one poll.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use corelane_http_proto::conn::{BodyPlan, ConnError, Next, Step};
use corelane_http_proto::head::BodyFraming;
use corelane_runtime::buf::{Chunk, LocalBox, LocalBoxFuture};
use corelane_runtime::{observe, stats};

use super::answer::Answered;
use super::output::GATHERED_BYTES_MAX;
use super::{Conn, End, Gone};
use crate::body::{Body, BodyError, Feed};
use crate::problem::Problem;
use crate::request::Incoming;
use crate::response::{IntoResponse, OnUpgrade, Response, StatusCode};

/// What the connection has to do next.
pub(super) enum Turn {
    /// Send what there is, then receive.
    Receive,
    /// Send what there is, then go on.
    Flush,
    /// A request that cannot be finished in this poll. Boxed, so that the path of those that can moves little.
    Wait(LocalBox<Pending>),
    /// Send what there is, then end.
    End(End),
}

/// A request under way.
pub(super) struct Pending {
    pub(super) stage: Stage,
    /// The connection's end of the request's body, unless all of it was there from the beginning.
    pub(super) feed: Option<Feed>,
}

/// How far a request under way has come.
pub(super) enum Stage {
    /// The handler waits for something.
    Handler(LocalBoxFuture<'static, Response>),
    /// The head of the answer is in the output; the body is a stream.
    Body(Body, BodyPlan),
}

impl Conn {
    /// Works through the input until something has to be waited for.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Result<Turn, Gone> {
        self.shared.refresh_date();
        // Until the next request is routed the connection works for none.
        observe::set_route(observe::Route::NONE);
        let mut requests = 0;
        let turn = self.requests(cx, &mut requests);
        stats::count_requests(requests);
        turn
    }

    /// What [`Conn::turn`] does, counting the requests.
    fn requests(&mut self, cx: &mut Context<'_>, count: &mut u64) -> Result<Turn, Gone> {
        loop {
            let head = self.head.get_or_insert_with(Incoming::new);
            match self.machine.handle_input(self.input.bytes(), head.head_mut()) {
                Ok(Step::Head { consumed, body }) => {
                    *count += 1;
                    if let Some(turn) = self.request(consumed, body, cx)? {
                        return Ok(turn);
                    }
                    if self.output.len() >= GATHERED_BYTES_MAX {
                        return Ok(Turn::Flush);
                    }
                }
                Ok(Step::NeedMore { consumed } | Step::Discard { consumed } | Step::End { consumed }) => {
                    if !self.input.advance(consumed)? {
                        return Ok(Turn::Receive);
                    }
                }
                Ok(Step::AwaitFlush) => return Ok(Turn::Flush),
                Ok(Step::Over(Next::Linger)) => return Ok(Turn::End(End::Linger)),
                Ok(Step::Over(_)) => return Ok(Turn::End(End::Close)),
                Ok(Step::Data { .. } | Step::Trailer { .. } | Step::AwaitResponse) => {
                    unreachable!("a request is finished before the next step is taken")
                }
                Err(error) => return self.refuse(error).map(Turn::End),
            }
        }
    }

    /// Handles the request whose head is in front of the input. `None` if it is done with and the connection goes on.
    fn request(
        &mut self,
        consumed: usize,
        framing: BodyFraming,
        cx: &mut Context<'_>,
    ) -> Result<Option<Turn>, Gone> {
        let bytes = self.input.take(consumed);
        let mut head = self.head.take().expect("the head was just parsed");
        let feed = match framing {
            BodyFraming::None | BodyFraming::Length(0) => None,
            BodyFraming::Length(len) => self.body(&mut head, Some(len)),
            BodyFraming::Chunked => self.body(&mut head, None),
        };
        let mut request = head.complete(bytes, self.stream.peer_addr());
        if let Some(way) = &self.shared.way {
            request.set_way(Rc::clone(way));
        }
        let mut handler = None;
        // What a handler captured may panic when it is cloned for the call, as the handler may when it runs.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            Pin::new(handler.insert(self.shared.service.call(request))).poll(cx)
        }));
        let response = match polled {
            Ok(Poll::Ready(response)) => response,
            Ok(Poll::Pending) => {
                let handler = handler.expect("it was polled");
                return Ok(Some(Turn::Wait(LocalBox::new(Pending { stage: Stage::Handler(handler), feed }))));
            }
            Err(_) => panicked(),
        };
        if feed.is_none() && self.answer_at_once(&response)? {
            return Ok(None);
        }
        self.answered(response, feed)
    }

    /// Encodes an answer whose handler was done at its first poll.
    #[inline(never)]
    fn answered(&mut self, response: Response, feed: Option<Feed>) -> Result<Option<Turn>, Gone> {
        match self.answer(response, feed.as_ref())? {
            Answered::Whole(upgrade) => Ok(self.finish(feed, upgrade).map(Turn::End)),
            Answered::Head(body, plan) => {
                Ok(Some(Turn::Wait(LocalBox::new(Pending { stage: Stage::Body(body, plan), feed }))))
            }
        }
    }

    /// Gives a request its body, `len` bytes or chunks: a view of the input if all of it is there, else the reader's end
    /// of a pipe, of which the other end is returned.
    #[inline(never)]
    fn body(&mut self, head: &mut Incoming, len: Option<u64>) -> Option<Feed> {
        // A body over its limit is refused by the body itself, at the first read: the route knows the limit.
        // The machine is told to let all pass.
        let unlimited = self.machine.limit_body(u64::MAX);
        debug_assert!(unlimited.is_ok(), "no body is longer than u64::MAX");
        let whole =
            len.and_then(|len| usize::try_from(len).ok()).filter(|len| *len <= self.input.bytes().len());
        let (mut body, feed) = match whole {
            Some(len) => {
                let data = self.machine.handle_input(self.input.bytes(), head.head_mut());
                debug_assert_eq!(data, Ok(Step::Data { skip: 0, len }), "all of the body is there");
                let view = self.input.take(len);
                let end = self.machine.handle_input(&[], head.head_mut());
                debug_assert_eq!(end, Ok(Step::End { consumed: 0 }), "and it ends there");
                (Body::from(Chunk::from(view)), None)
            }
            None => {
                let (feed, body) = Body::pulled(len);
                (body, Some(feed))
            }
        };
        body.limit_to(self.shared.limits.body_bytes_max);
        head.set_body(body);
        feed
    }

    /// Ends the request at hand. `Some` if the connection ends with it.
    pub(super) fn finish(&mut self, feed: Option<Feed>, upgrade: Option<OnUpgrade>) -> Option<End> {
        drop(feed);
        self.machine.abandon_body();
        if self.ticket.is_draining() {
            self.machine.close_after_response();
        }
        self.disarm();
        match self.machine.finish_response() {
            Next::Request => None,
            Next::Upgrade => Some(upgrade.map_or(End::Close, End::Upgrade)),
            Next::Close => Some(End::Close),
            Next::Linger => Some(End::Linger),
        }
    }

    /// Answers what was refused before a handler saw it, and ends the connection.
    #[cold]
    fn refuse(&mut self, error: ConnError) -> Result<End, Gone> {
        if error.is_truncated() || !self.machine.can_respond() {
            return Ok(End::Close);
        }
        match self.answer(refusal(&error), None)? {
            Answered::Whole(_) => Ok(self.finish(None, None).unwrap_or(End::Close)),
            Answered::Head(..) => unreachable!("a problem has a whole body"),
        }
    }
}

/// Polls a handler; a panic in it is the answer 500.
pub(super) fn poll_handler(
    handler: &mut LocalBoxFuture<'static, Response>,
    cx: &mut Context<'_>,
) -> Poll<Response> {
    match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *handler).poll(cx))) {
        Ok(polled) => polled,
        Err(_) => Poll::Ready(panicked()),
    }
}

/// Polls a response's body; a panic in it is an error of the body, which ends the connection.
pub(super) fn poll_body(body: &mut Body, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
    catch_unwind(AssertUnwindSafe(|| body.poll_chunk(cx))).unwrap_or_else(|_| {
        stats::count_panic();
        Poll::Ready(Some(Err(BodyError::source("the program that makes the body panicked"))))
    })
}

#[cold]
fn panicked() -> Response {
    stats::count_panic();
    Problem::internal().into_response()
}

/// The answer to what was refused: its status, and the rule that was broken.
fn refusal(error: &ConnError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let detail = match error.source() {
        Some(rule) => rule.to_string(),
        None => error.to_string(),
    };
    Problem::new(status).detail(detail).into_response()
}
