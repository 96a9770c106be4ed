//! The server's side of a connection as a machine: slices in, steps out (RFC 9112 §9).
//!
//! [`ServerConn`] decides what the bytes of a connection mean and what may be answered; the caller
//! owns the input buffer, the sockets and the deadlines. One request is at hand at a time: the next
//! one in a pipeline is looked at when the answer is complete.
//!
//! The loop of a caller:
//!
//! 1. [`handle_input`](ServerConn::handle_input) with the unread bytes; act on the [`Step`]. At the end of the
//!    input [`handle_eof`](ServerConn::handle_eof), at a deadline [`handle_timeout`](ServerConn::handle_timeout).
//! 2. After [`Step::Head`] run the handler. When it asks for the body, call
//!    [`want_body`](ServerConn::want_body), then `handle_input` for its data; when it drops the body,
//!    [`abandon_body`](ServerConn::abandon_body).
//! 3. [`respond`](ServerConn::respond), encode the head, send the body
//!    ([`body_sent`](ServerConn::body_sent)), then [`finish_response`](ServerConn::finish_response) and
//!    do what [`Next`] says.
//! 4. An error of step 1 has a status: answer with it through `respond` if
//!    [`can_respond`](ServerConn::can_respond), then finish as in step 3, which closes.
//!
//! ```
//! use corelane_http_proto::conn::{ConnLimits, Next, ResponseBody, ServerConn, Step};
//! use corelane_http_proto::date::DateCache;
//! use corelane_http_proto::head::RequestHead;
//!
//! let date = DateCache::new(0);
//! let mut conn = ServerConn::new(ConnLimits::default());
//! let mut head = RequestHead::new();
//! let mut input: &[u8] = b"GET /a HTTP/1.1\r\nhost: h\r\n\r\nGET /b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
//! let mut output = Vec::new();
//! let mut targets = Vec::new();
//!
//! loop {
//!     let Step::Head { consumed, .. } = conn.handle_input(input, &mut head)? else { unreachable!() };
//!     targets.push(head.target().of(input).to_vec());
//!     input = &input[consumed..];
//!
//!     let response = conn.respond(200, ResponseBody::Exact(2))?;
//!     response.start.encode(&mut output, Some(&date))?.finish();
//!     output.extend_from_slice(b"ok");
//!     conn.body_sent(2)?;
//!     match conn.finish_response() {
//!         Next::Request => continue,
//!         next => break assert_eq!(next, Next::Close),
//!     }
//! }
//! assert_eq!(targets, [b"/a", b"/b"]);
//! assert!(output.ends_with(b"content-length: 2\r\nconnection: close\r\n\r\nok"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod error;
mod input;
mod limits;
mod output;
mod step;

pub use error::{ConnError, RespondError};
pub use limits::ConnLimits;
pub use step::{BodyPlan, Next, Response, ResponseBody, Step, Waiting};

use std::sync::Arc;

use crate::head::Version;
use body::Body;

/// One server connection.
///
/// What it decides, and where the standard leaves a choice:
///
/// - **Persistence** (RFC 9112 §9.3): HTTP/1.1 stays open unless either side says `close`; HTTP/1.0
///   closes unless the client says `keep-alive`, and then the answer says it too.
/// - **`Expect: 100-continue`** (RFC 9110 §10.1.1): [`CONTINUE`](crate::encode::CONTINUE) is due when the body is first
///   wanted, unless some of it is there already. A final answer before that closes the connection, as the
///   client may or may not send the body then.
/// - **A body that is not read to its end**: read on if it ends within
///   [`ConnLimits::drain_bytes_max`], else close. Never are the bytes of a body taken for a request.
/// - **After an error** no byte is read any more; the answer with its status closes the connection.
/// - **Half-close** (RFC 9112 §9.6): a client that ended its side still gets the answers to what it sent.
#[derive(Debug)]
pub struct ServerConn {
    reading: Reading,
    answer: Answer,
    request: Request,
    lifetime: Lifetime,
    /// Answers finished since [`ServerConn::flushed`]. Invariant: at most `limits.pipeline_max`.
    unflushed: u16,
    /// Shared by the connections of a server: a copy would be a third of this machine.
    limits: Arc<ConnLimits>,
}

/// The input side.
#[derive(Debug)]
enum Reading {
    /// Between messages: no byte of the next one was seen.
    Idle,
    /// Part of a head was seen.
    Head,
    /// The body of the request at hand, allowed to have `allowed` more bytes of data.
    Body { body: Body, allowed: u64 },
    /// The same when nobody wants it; `budget` bytes more are read, framing included.
    Drain { body: Body, budget: u32 },
    /// The request at hand is read to its end.
    Complete,
    /// The input holds something wrong; no byte of it is looked at any more.
    Failed(ConnError),
    /// Nothing more is read, and the connection closes with the answer that is due or under way.
    Refused,
    /// No more HTTP here. Invariant: never [`Next::Request`].
    Over(Next),
}

/// The output side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing to answer.
    None,
    /// An answer is due and has not begun.
    Due,
    /// Begun with a `content-length`, of which `left` bytes are not sent.
    Length { left: u64 },
    /// Begun without a length, or without a body.
    Streaming,
    /// Begun with 101, or 2xx to CONNECT: the connection changes hands when it ends.
    Switching,
}

/// What has to be remembered of the request at hand.
#[derive(Clone, Copy, Debug)]
struct Request {
    method: MethodKind,
    version: Version,
    persistence: Persistence,
    expectation: Expectation,
    upgrade: Upgrade,
}

impl Request {
    /// For an answer to something that never became a request.
    const UNKNOWN: Self = Self {
        method: MethodKind::Other,
        version: Version::Http11,
        persistence: Persistence::ServerCloses,
        expectation: Expectation::None,
        upgrade: Upgrade::NotAsked,
    };
}

/// Methods that change how an answer is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MethodKind {
    Head,
    Connect,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Persistence {
    KeepAlive,
    /// The client has announced the end or sent it, and sends no further request.
    ClientCloses,
    /// The client may be sending on.
    ServerCloses,
}

/// `Expect: 100-continue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expectation {
    None,
    /// The client holds its body back.
    Pending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    NotAsked,
    Asked,
}

/// How many more requests are welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    Unlimited,
    /// The request that brings this to zero, or finds it there, is the last.
    Requests(u32),
}

impl ServerConn {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new(limits: impl Into<Arc<ConnLimits>>) -> Self {
        let limits = limits.into();
        Self {
            reading: Reading::Idle,
            answer: Answer::None,
            request: Request::UNKNOWN,
            lifetime: limits.requests_max.map_or(Lifetime::Unlimited, |max| Lifetime::Requests(max.get())),
            unflushed: 0,
            limits,
        }
    }

    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> &ConnLimits {
        &self.limits
    }

    /// For what the connection waits, so that the caller sets the matching deadline.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        match self.reading {
            Reading::Idle => Waiting::Request,
            Reading::Head => Waiting::Head,
            Reading::Body { .. } => Waiting::Body,
            Reading::Drain { .. } => Waiting::Drain,
            Reading::Complete | Reading::Failed(_) | Reading::Refused | Reading::Over(_) => Waiting::Nothing,
        }
    }

    /// Lets the connection end with the request at hand, or with the next one if part of its head
    /// has come: what a draining server does. An idle connection ends now, and
    /// [`handle_input`](Self::handle_input) says [`Step::Over`].
    pub fn close_after_response(&mut self) {
        self.lifetime = Lifetime::Requests(0);
        match self.reading {
            Reading::Idle => self.reading = Reading::Over(Next::Close),
            _ if self.request.persistence == Persistence::KeepAlive => {
                self.request.persistence = Persistence::ServerCloses;
            }
            _ => {}
        }
    }

    /// Reads nothing more; the answer that is due, or one that the caller gives unasked
    /// (503 at once after accepting), ends the connection.
    pub fn refuse(&mut self) {
        match self.reading {
            Reading::Idle | Reading::Head => {
                self.request = Request::UNKNOWN;
                self.answer = Answer::Due;
            }
            Reading::Drain { .. } if self.answer == Answer::None => {
                self.reading = Reading::Over(Next::Linger);
                return;
            }
            Reading::Body { .. } | Reading::Drain { .. } | Reading::Complete => {
                self.request.persistence = Persistence::ServerCloses;
            }
            Reading::Failed(_) | Reading::Refused | Reading::Over(_) => return,
        }
        self.reading = Reading::Refused;
    }
}
