//! What a connection tells its caller.

use core::ops::Range;

use crate::encode::ResponseStart;
use crate::head::BodyFraming;

/// What is at the front of the input. All positions count from there; what is said to be consumed is not passed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Receive more, and pass it behind what was not consumed.
    NeedMore {
        /// Bytes to drop from the front.
        consumed: usize,
    },
    /// A request head: its spans count from the front of the input. Keep these bytes until the request is answered.
    Head {
        /// Length of the head in bytes, the blank line included.
        consumed: usize,
        /// The body that follows. For [`BodyFraming::None`] and a length of zero no further step
        /// of this request comes: answer it.
        body: BodyFraming,
    },
    /// `input[skip..skip + len]` is data of the body, `len` at least 1. All `skip + len` bytes are consumed.
    Data {
        /// Framing in front of the data, in bytes.
        skip: usize,
        /// Length of the data in bytes.
        len: usize,
    },
    /// A trailer field behind a chunked body (RFC 9110 §6.5).
    Trailer {
        /// Bytes to drop from the front.
        consumed: usize,
        /// Where the name is in the input.
        name: Range<usize>,
        /// Where the value is in the input.
        value: Range<usize>,
    },
    /// The body is complete.
    End {
        /// Bytes to drop from the front.
        consumed: usize,
    },
    /// Bytes of a body that nobody reads. Pass the rest.
    Discard {
        /// Bytes to drop from the front, at least 1.
        consumed: usize,
    },
    /// The request at hand is read to its end; the next one is not looked at before
    /// [`ServerConn::finish_response`](super::ServerConn::finish_response).
    AwaitResponse,
    /// As many answers as the pipeline limit allows wait to be sent: send them, call
    /// [`ServerConn::flushed`](super::ServerConn::flushed), go on.
    AwaitFlush,
    /// No more HTTP on this connection: do as told, unless it is done already. Never [`Next::Request`].
    Over(Next),
}

/// What to do once an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the connection may have to be closed"]
pub enum Next {
    /// The connection goes on: pass the rest of the input.
    Request,
    /// The rest of the input, and all that comes, belongs to the protocol that was switched to
    /// (RFC 9110 §7.8) or to the tunnel (§9.3.6).
    Upgrade,
    /// Send what is to be sent, then close.
    Close,
    /// Send what is to be sent, shut the sending side down, and discard what still comes for a
    /// moment before closing: the peer may be in the middle of a body, and closing under its hands makes
    /// the kernel send a reset, which can destroy the answer before it is read (RFC 9112 §9.6).
    Linger,
}

/// For what the connection waits, so that the caller knows which deadline applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The first byte of a request: the idle timeout.
    Request,
    /// The rest of a head.
    Head,
    /// More of a body.
    Body,
    /// The end of a body that nobody reads.
    Drain,
    /// The application's answer, or nothing any more.
    Nothing,
}

/// How long the body of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// This many bytes, known beforehand.
    Exact(u64),
    /// Not known: chunked, or for an HTTP/1.0 client up to the end of the connection.
    Unknown,
}

/// How to send an answer, as [`ServerConn::respond`](super::ServerConn::respond) decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the answer counts as begun"]
pub struct Response {
    /// The head without the fields of the application. Encoding it may be repeated.
    pub start: ResponseStart,
    /// The body.
    pub body: BodyPlan,
}

/// How to send a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPlan {
    /// Send none, whatever the application has: it is empty, or the request or the status forbids it
    /// (HEAD, 1xx, 204, 205, 304, a tunnel).
    Skip,
    /// Send the bytes as they are.
    Plain,
    /// Send chunks, then the last chunk.
    Chunked,
}
