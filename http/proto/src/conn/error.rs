//! What ends a connection early, and what the application may not answer.

use core::fmt;

use crate::chunked::ChunkError;
use crate::head::HeadError;

/// Why no more is read from the peer. If no answer has begun, one with [`ConnError::status`] is due; then the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnError {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Head(HeadError),
    Chunk(ChunkError),
    BodyTooLarge,
    Truncated,
    TimedOut,
}

impl ConnError {
    /// Status code of the answer: what the rule at fault says, 413 for a body beyond its limit, 408
    /// for one that came too slowly, else 400.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.kind {
            Kind::Head(error) => error.status(),
            Kind::Chunk(_) | Kind::Truncated => 400,
            Kind::BodyTooLarge => 413,
            Kind::TimedOut => 408,
        }
    }

    /// True if the body is longer than its limit, be it announced or met while reading.
    #[must_use]
    pub fn is_body_too_large(&self) -> bool {
        self.kind == Kind::BodyTooLarge
    }

    /// True if the peer ended its side in the middle of a request: it has given up, not broken a rule.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.kind == Kind::Truncated
    }

    /// True if the caller said that time is up.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == Kind::TimedOut
    }
}

impl From<Kind> for ConnError {
    #[cold]
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for ConnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Head(_) => "the request head was refused",
            Kind::Chunk(_) => "the chunked request body was refused",
            Kind::BodyTooLarge => "the request body is larger than its limit",
            Kind::Truncated => "the peer ended its side in the middle of a request",
            Kind::TimedOut => "the request did not arrive in time",
        })
    }
}

impl core::error::Error for ConnError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.kind {
            Kind::Head(error) => Some(error),
            Kind::Chunk(error) => Some(error),
            Kind::BodyTooLarge | Kind::Truncated | Kind::TimedOut => None,
        }
    }
}

/// Why an answer was not accepted. Each is a mistake of the application; the connection is as it
/// was before, so that a 500 can take the answer's place unless another has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespondError {
    /// No request waits for an answer, or its answer has begun already.
    NothingToAnswer,
    /// The status is outside 100 to 599, or an interim one (1xx) was given as the final answer, or the other way round.
    Status,
    /// 101 to a request that did not ask for it (RFC 9110 §7.8); or 101, or 2xx to CONNECT, before
    /// the body of the request was read to the end.
    CannotHandOver,
    /// An HTTP/1.0 client knows no interim answers (RFC 9110 §15.2).
    InterimUnknown,
    /// More body was sent than `content-length` said.
    LengthExceeded,
}

impl fmt::Display for RespondError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingToAnswer => "no request waits for this answer",
            Self::Status => "the status does not fit here",
            Self::CannotHandOver => "the connection cannot change hands with this request",
            Self::InterimUnknown => "the client knows no interim answers",
            Self::LengthExceeded => "the body is longer than its content-length",
        })
    }
}

impl core::error::Error for RespondError {}
