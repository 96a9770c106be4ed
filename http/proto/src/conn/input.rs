//! The input side: heads, bodies, the end of the input, deadlines.

use super::body::{Body, Skipped};
use super::error::Kind;
use super::{
    Answer, ConnError, Expectation, Lifetime, MethodKind, Next, Persistence, Reading, Request, ServerConn,
    Step, Upgrade,
};
use crate::chunked;
use crate::encode::CONTINUE;
use crate::head::{Method, RequestHead};

impl ServerConn {
    /// Says what is at the front of `input`, the bytes received and not consumed.
    ///
    /// While a head is incomplete the same bytes have to be passed again with more behind them, and
    /// the same `head`, which remembers how far it got; between requests any `head` will do.
    ///
    /// # Errors
    /// If the peer broke a rule or a limit. The error is final and returned again for any input; see
    /// [`ConnError::status`] for the answer.
    #[inline]
    pub fn handle_input(&mut self, input: &[u8], head: &mut RequestHead) -> Result<Step, ConnError> {
        match &mut self.reading {
            Reading::Idle | Reading::Head => self.read_head(input, head),
            Reading::Body { .. } => self.read_body(input),
            Reading::Drain { .. } => Ok(self.drain(input)),
            Reading::Complete | Reading::Refused => Ok(Step::AwaitResponse),
            Reading::Failed(error) => Err(*error),
            Reading::Over(next) => Ok(Step::Over(*next)),
        }
    }

    #[inline]
    fn read_head(&mut self, input: &[u8], head: &mut RequestHead) -> Result<Step, ConnError> {
        if matches!(self.reading, Reading::Idle) {
            if self.unflushed >= self.limits.pipeline_max {
                return Ok(Step::AwaitFlush);
            }
            head.clear();
        }
        match head.parse(input, &self.limits.head) {
            Ok(Some(consumed)) => Ok(self.begin(consumed, head)),
            Ok(None) => {
                if !input.is_empty() {
                    self.reading = Reading::Head;
                }
                Ok(Step::NeedMore { consumed: 0 })
            }
            Err(error) => Err(self.fail(Kind::Head(error))),
        }
    }

    /// A head is complete.
    #[inline]
    fn begin(&mut self, consumed: usize, head: &RequestHead) -> Step {
        let framing = head.framing();
        let body = Body::announced(framing, &self.limits);
        let expects = body.is_some() && head.expect_continue();
        self.request = Request {
            method: match head.method() {
                Method::Head => MethodKind::Head,
                Method::Connect => MethodKind::Connect,
                _ => MethodKind::Other,
            },
            version: head.version(),
            persistence: self.persistence(head.keep_alive()),
            expectation: if expects { Expectation::Pending } else { Expectation::None },
            upgrade: if head.upgrade() { Upgrade::Asked } else { Upgrade::NotAsked },
        };
        self.answer = Answer::Due;
        match body {
            None => self.reading = Reading::Complete,
            Some(body) => self.reading = Reading::Body { body, allowed: self.limits.body_bytes_max },
        }
        Step::Head { consumed, body: framing }
    }

    #[inline]
    fn persistence(&mut self, client_stays: bool) -> Persistence {
        if let Lifetime::Requests(left) = &mut self.lifetime {
            *left = left.saturating_sub(1);
        }
        match (client_stays, self.lifetime) {
            (false, _) => Persistence::ClientCloses,
            (true, Lifetime::Requests(0)) => Persistence::ServerCloses,
            (true, _) => Persistence::KeepAlive,
        }
    }

    /// Sets the longest body accepted for the request at hand, in bytes of data, in place of
    /// [`ConnLimits::body_bytes_max`](super::ConnLimits::body_bytes_max). Call it before any of the body is read.
    ///
    /// # Errors
    /// If the head announces a longer body: answer 413. The connection closes with the answer;
    /// a client that waits for 100 (Continue) has then sent none of it.
    pub fn limit_body(&mut self, bytes_max: u64) -> Result<(), ConnError> {
        if let Reading::Body { body, allowed } = &mut self.reading {
            *allowed = bytes_max;
            if body.left_min() > bytes_max {
                return Err(self.fail(Kind::BodyTooLarge));
            }
        }
        Ok(())
    }

    /// Tells that the application begins to read the body. Returns the interim answer to send
    /// first, if the client holds the body back until it has one (RFC 9110 §10.1.1).
    ///
    /// `unread` is the input not consumed: if some of the body is there, no interim answer is due.
    ///
    /// # Errors
    /// As [`limit_body`](Self::limit_body), for the limit in force.
    pub fn want_body(&mut self, unread: &[u8]) -> Result<Option<&'static [u8]>, ConnError> {
        let Reading::Body { body, allowed } = &self.reading else {
            return Ok(None);
        };
        if body.left_min() > *allowed {
            return Err(self.fail(Kind::BodyTooLarge));
        }
        let held_back = core::mem::replace(&mut self.request.expectation, Expectation::None);
        let due = held_back == Expectation::Pending && unread.is_empty() && self.answer == Answer::Due;
        Ok(due.then_some(CONTINUE))
    }

    #[inline(never)]
    fn read_body(&mut self, input: &[u8]) -> Result<Step, ConnError> {
        let Reading::Body { body, allowed } = &mut self.reading else {
            unreachable!("called in the body only");
        };
        if body.left_min() > *allowed {
            return Err(self.fail(Kind::BodyTooLarge));
        }
        let step = match body.read(input) {
            Ok(step) => step,
            Err(error) => return Err(self.fail(Kind::Chunk(error))),
        };
        Ok(match step {
            chunked::Step::NeedMore { consumed } => Step::NeedMore { consumed },
            chunked::Step::Data { skip, len } => {
                let Some(left) = allowed.checked_sub(len as u64) else {
                    return Err(self.fail(Kind::BodyTooLarge));
                };
                *allowed = left;
                self.request.expectation = Expectation::None;
                Step::Data { skip, len }
            }
            chunked::Step::Trailer { consumed, name, value } => Step::Trailer { consumed, name, value },
            chunked::Step::End { consumed } => {
                self.reading = Reading::Complete;
                Step::End { consumed }
            }
        })
    }

    /// Tells that the application will not read (on) in the body of the request at hand.
    ///
    /// [`handle_input`](Self::handle_input) then discards the rest, if it is known or likely to be small;
    /// otherwise the connection ends with the answer, which says so if it has not begun yet. Without
    /// a body, or once it is read to its end, nothing happens.
    #[inline]
    pub fn abandon_body(&mut self) {
        if let Reading::Body { .. } = self.reading {
            self.abandon_rest();
        }
    }

    #[cold]
    fn abandon_rest(&mut self) {
        let Reading::Body { body, .. } = &mut self.reading else {
            unreachable!("called in the body only");
        };
        if body.is_at_end() {
            self.reading = Reading::Complete;
            return;
        }
        let budget = self.limits.drain_bytes_max;
        let is_held_back = self.request.expectation == Expectation::Pending;
        if is_held_back || body.left_min() > u64::from(budget) {
            self.refuse();
            return;
        }
        let body = core::mem::replace(body, Body::Length { left: 0 });
        self.reading = Reading::Drain { body, budget };
    }

    #[inline(never)]
    fn drain(&mut self, input: &[u8]) -> Step {
        let Reading::Drain { body, budget } = &mut self.reading else {
            unreachable!("called while draining only");
        };
        // A broken or overlong body ends the connection, but it is no longer what the answer is about:
        // a second answer would be taken for that of the next request.
        let skipped = body.skip(input).ok();
        let left = skipped.and_then(|skipped| {
            let spent = u32::try_from(skipped.consumed).ok()?;
            budget.checked_sub(spent)
        });
        let (Some(Skipped { consumed, is_end }), Some(left)) = (skipped, left) else {
            self.end_drain(Next::Linger);
            return match self.reading {
                Reading::Over(next) => Step::Over(next),
                _ => Step::AwaitResponse,
            };
        };
        *budget = left;
        if is_end {
            self.end_drain(Next::Request);
        }
        match consumed {
            0 => Step::NeedMore { consumed: 0 },
            consumed => Step::Discard { consumed },
        }
    }

    /// Leaves the draining state: for the next request if the body is read to its end, else to close.
    fn end_drain(&mut self, next: Next) {
        let is_answered = self.answer == Answer::None;
        self.reading = match next {
            Next::Request if !is_answered => Reading::Complete,
            Next::Request if self.lifetime == Lifetime::Requests(0) => Reading::Over(Next::Close),
            Next::Request => Reading::Idle,
            closing if is_answered => Reading::Over(closing),
            _ => {
                self.request.persistence = Persistence::ServerCloses;
                Reading::Refused
            }
        };
    }

    /// Tells that the peer has ended its side (RFC 9112 §9.6), once
    /// [`handle_input`](Self::handle_input) has nothing more to say about what came before.
    ///
    /// A request that is complete still gets its answer. What is to be done says the next
    /// [`handle_input`](Self::handle_input): [`Step::AwaitResponse`], or [`Step::Over`].
    ///
    /// # Errors
    /// If the end comes in the middle of a request: [`ConnError::is_truncated`].
    pub fn handle_eof(&mut self) -> Result<(), ConnError> {
        match &mut self.reading {
            Reading::Head => return Err(self.fail(Kind::Truncated)),
            Reading::Body { body, .. } if !body.is_at_end() => return Err(self.fail(Kind::Truncated)),
            Reading::Idle | Reading::Over(Next::Linger) => self.reading = Reading::Over(Next::Close),
            Reading::Drain { .. } => self.end_drain(Next::Close),
            Reading::Body { .. }
            | Reading::Complete
            | Reading::Failed(_)
            | Reading::Refused
            | Reading::Over(_) => {}
        }
        self.request.persistence = Persistence::ClientCloses;
        Ok(())
    }

    /// Tells that the deadline for what [`waiting`](Self::waiting) names has passed.
    ///
    /// An idle connection, and one that only drains, is over: close it.
    ///
    /// # Errors
    /// If part of a request has come: [`ConnError::is_timeout`], with status 408 (RFC 9110 §15.5.9).
    pub fn handle_timeout(&mut self) -> Result<(), ConnError> {
        match self.reading {
            Reading::Head | Reading::Body { .. } => return Err(self.fail(Kind::TimedOut)),
            Reading::Idle => self.reading = Reading::Over(Next::Close),
            Reading::Drain { .. } => self.end_drain(Next::Close),
            Reading::Complete | Reading::Failed(_) | Reading::Refused | Reading::Over(_) => {}
        }
        Ok(())
    }

    /// Stops reading for good, and closes after the answer.
    #[cold]
    fn fail(&mut self, kind: Kind) -> ConnError {
        let error = ConnError::from(kind);
        if matches!(self.reading, Reading::Idle | Reading::Head) {
            self.request = Request::UNKNOWN;
            self.answer = Answer::Due;
        }
        self.request.persistence =
            if error.is_truncated() { Persistence::ClientCloses } else { Persistence::ServerCloses };
        self.reading = Reading::Failed(error);
        error
    }
}
