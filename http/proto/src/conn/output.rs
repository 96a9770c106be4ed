//! The output side: what may be answered, how it is framed, and what happens after.

use super::{
    Answer, BodyPlan, Expectation, MethodKind, Next, Persistence, Reading, RespondError, Response,
    ResponseBody, ServerConn, Upgrade,
};
use crate::encode::{ConnectionField, Framing, ResponseStart};
use crate::head::Version;

impl ServerConn {
    /// True if a request, or an error of the input, waits for an answer that has not begun.
    #[must_use]
    pub fn can_respond(&self) -> bool {
        self.answer == Answer::Due
    }

    /// Begins the final answer and decides how it is framed (RFC 9112 §6, §9.3).
    ///
    /// - HEAD, 204 and 304 have no body, whatever `body` says; 205 has an empty one. HEAD is
    ///   framed as GET would be; 204 has no framing field (RFC 9110 §8.6); 304 omits it, as the
    ///   length that counts is that of the 200 it stands for.
    /// - 101 if the client asked for it and its body is read: the connection changes hands after the
    ///   head, to which the caller adds the `upgrade` field. 2xx to CONNECT likewise, without any field.
    /// - A client that still waits for 100 (Continue) gets its final answer instead, with
    ///   `connection: close`. So if the body of the answer reads the body of the request, call
    ///   [`want_body`](Self::want_body) first.
    ///
    /// # Errors
    /// A mistake of the application, as [`RespondError`] tells; nothing has changed then.
    #[inline]
    pub fn respond(&mut self, status: u16, body: ResponseBody) -> Result<Response, RespondError> {
        if self.answer != Answer::Due {
            return Err(RespondError::NothingToAnswer);
        }
        match status {
            101 => return self.hand_over(status),
            0..=199 | 600.. => return Err(RespondError::Status),
            200..=299 if self.request.method == MethodKind::Connect => return self.hand_over(status),
            _ => {}
        }
        if self.request.expectation == Expectation::Pending {
            self.refuse();
        }
        let has_none = matches!(status, 204 | 304);
        let body = if status == 205 { ResponseBody::Exact(0) } else { body };
        let (framing, plan) = match body {
            _ if has_none => (Framing::Omit, BodyPlan::Skip),
            ResponseBody::Exact(0) => (Framing::Length(0), BodyPlan::Skip),
            ResponseBody::Exact(bytes) => (Framing::Length(bytes), BodyPlan::Plain),
            ResponseBody::Unknown if self.request.version == Version::Http11 => {
                (Framing::Chunked, BodyPlan::Chunked)
            }
            ResponseBody::Unknown => (Framing::Omit, BodyPlan::Plain),
        };
        let plan = if self.request.method == MethodKind::Head { BodyPlan::Skip } else { plan };
        self.answer = match (framing, plan) {
            (Framing::Length(left), BodyPlan::Plain) => Answer::Length { left },
            (Framing::Omit, BodyPlan::Plain) => {
                self.end_with_connection();
                Answer::Streaming
            }
            _ => Answer::Streaming,
        };
        let connection = match (self.request.persistence, self.request.version) {
            (Persistence::KeepAlive, Version::Http11) => ConnectionField::Omit,
            (Persistence::KeepAlive, Version::Http10) => ConnectionField::KeepAlive,
            (Persistence::ClientCloses | Persistence::ServerCloses, _) => ConnectionField::Close,
        };
        Ok(Response { start: ResponseStart { status, framing, connection }, body: plan })
    }

    /// Begins and ends an answer of the usual kind in one step: what [`respond`](Self::respond),
    /// [`body_sent`](Self::body_sent) with all of the body's `bytes`, and [`finish_response`](Self::finish_response) do
    /// together where that comes to [`Next::Request`] and a body that is sent as it is.
    ///
    /// `None`, and nothing has changed, if the answer needs a closer look: the request's body is not read to its end,
    /// the connection closes or speaks HTTP/1.0, or the method or the status bars a body.
    #[inline]
    pub fn respond_whole(&mut self, status: u16, bytes: u64) -> Option<ResponseStart> {
        let is_usual = self.answer == Answer::Due
            && matches!(self.reading, Reading::Complete)
            && self.request.method == MethodKind::Other
            && self.request.version == Version::Http11
            && self.request.persistence == Persistence::KeepAlive
            && matches!(status, 200..=203 | 206..=303 | 305..=599);
        if !is_usual {
            return None;
        }
        self.answer = Answer::None;
        self.reading = Reading::Idle;
        self.unflushed = self.unflushed.saturating_add(1);
        let connection = ConnectionField::Omit;
        Some(ResponseStart { status, framing: Framing::Length(bytes), connection })
    }

    /// The end of the connection is the end of the body: the only way to send a body of unknown length to HTTP/1.0.
    fn end_with_connection(&mut self) {
        if self.request.persistence == Persistence::KeepAlive {
            self.request.persistence = Persistence::ServerCloses;
        }
    }

    /// 101, or 2xx to CONNECT: the connection changes hands after the head.
    ///
    /// A request whose reading failed, was refused or is not at its end bars the way: its rest must not reach
    /// the other protocol. A CONNECT request with a body is among these (RFC 9110 §9.3.6: it has none).
    #[cold]
    fn hand_over(&mut self, status: u16) -> Result<Response, RespondError> {
        let (is_asked, connection) = match status {
            101 => (self.request.upgrade == Upgrade::Asked, ConnectionField::Upgrade),
            _ => (self.request.method == MethodKind::Connect, ConnectionField::Omit),
        };
        if !is_asked || !matches!(self.reading, Reading::Complete) {
            return Err(RespondError::CannotHandOver);
        }
        self.answer = Answer::Switching;
        Ok(Response {
            start: ResponseStart { status, framing: Framing::Omit, connection },
            body: BodyPlan::Skip,
        })
    }

    /// An interim answer, such as 103 (Early Hints), before the final one (RFC 9110 §15.2). It has
    /// no body and changes nothing; 100 comes from [`want_body`](Self::want_body) instead.
    ///
    /// # Errors
    /// If the status is outside 102 to 199, the final answer has begun, or the client speaks HTTP/1.0.
    pub fn interim(&self, status: u16) -> Result<ResponseStart, RespondError> {
        if self.answer != Answer::Due {
            return Err(RespondError::NothingToAnswer);
        }
        if !(102..=199).contains(&status) {
            return Err(RespondError::Status);
        }
        if self.request.version == Version::Http10 {
            return Err(RespondError::InterimUnknown);
        }
        Ok(ResponseStart { status, framing: Framing::Omit, connection: ConnectionField::Omit })
    }

    /// Counts body bytes of the answer that are about to be sent, framing not included.
    ///
    /// # Errors
    /// [`RespondError::LengthExceeded`] if the announced length does not cover them: do not send
    /// them, since the client would read them as the next answer.
    #[inline]
    pub fn body_sent(&mut self, bytes: u64) -> Result<(), RespondError> {
        match &mut self.answer {
            Answer::Length { left } => {
                *left = left.checked_sub(bytes).ok_or(RespondError::LengthExceeded)?;
                Ok(())
            }
            Answer::Streaming => Ok(()),
            Answer::None | Answer::Due | Answer::Switching => Err(RespondError::NothingToAnswer),
        }
    }

    /// Ends the answer, the last chunk included if the body is chunked, and says how the connection goes on.
    ///
    /// An answer that has not begun, or whose body is shorter than announced, closes the
    /// connection: the client then knows that something is missing. Of the request, what is not read is
    /// [abandoned](Self::abandon_body).
    #[inline]
    pub fn finish_response(&mut self) -> Next {
        let answer = core::mem::replace(&mut self.answer, Answer::None);
        match answer {
            Answer::Length { left: 0 } | Answer::Streaming => {}
            Answer::Switching if matches!(self.reading, Reading::Complete) => {
                self.reading = Reading::Over(Next::Upgrade);
                return Next::Upgrade;
            }
            Answer::None | Answer::Due | Answer::Length { .. } | Answer::Switching => return self.close(),
        }
        self.unflushed = self.unflushed.saturating_add(1);
        if self.request.persistence == Persistence::KeepAlive {
            if let Reading::Body { .. } = self.reading {
                self.abandon_body();
            }
            match self.reading {
                Reading::Complete => {
                    self.reading = Reading::Idle;
                    return Next::Request;
                }
                Reading::Drain { .. } => return Next::Request,
                _ => {}
            }
        }
        self.close()
    }

    /// Gives the answer up where it stands, for instance because its source failed. The connection closes without
    /// the end that the framing wants, so that the client does not take the answer for a whole one.
    pub fn abort_response(&mut self) -> Next {
        self.answer = Answer::None;
        self.close()
    }

    fn close(&mut self) -> Next {
        let next = match self.reading {
            Reading::Over(next) => next,
            // The client has announced that no further request comes, but this one is still on its way.
            Reading::Body { .. } | Reading::Drain { .. } => Next::Linger,
            _ if self.request.persistence == Persistence::ClientCloses => Next::Close,
            _ => Next::Linger,
        };
        self.reading = Reading::Over(next);
        next
    }

    /// Tells that all finished answers have been handed to the socket, so that the pipeline may go on.
    #[inline]
    pub fn flushed(&mut self) {
        self.unflushed = 0;
    }
}
