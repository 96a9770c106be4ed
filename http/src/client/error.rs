//! What can go wrong with a request.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use corelane_http_proto::chunked::ChunkError;
use corelane_http_proto::head::HeadError;
use http::StatusCode;

use super::url::UrlError;
use crate::body::BodyError;
use crate::problem::Problem;
use crate::respond::IntoResponse;
use crate::response::{HeaderError, Response};

/// Why a request has no answer, or its answer no complete body.
///
/// [`Display`](fmt::Display) says what happened and names the URL without its query; the
/// [source](Error::source) says what the system or the peer said. As a handler's error it is answered with 502, 503
/// or 504, and with 500 for a mistake of the program; what happened goes to the log and not to the client.
pub struct ClientError {
    inner: Box<Inner>,
}

struct Inner {
    kind: Kind,
    /// Without its query, which may hold secrets.
    url: Option<String>,
    maybe_processed: bool,
}

/// Where a request was when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for a free connection.
    Pool,
    /// Resolving, connecting, shaking hands.
    Connect,
    /// Sending, without progress.
    Send,
    /// Waiting for the answer's head.
    Head,
    /// Waiting for more of the answer's body.
    Body,
    /// Anywhere: the whole took too long.
    Total,
}

#[derive(Debug)]
pub(super) enum Kind {
    Url(UrlError),
    Header(HeaderError),
    /// What was to be sent could not be made.
    Encode(Box<dyn Error>),
    /// The request's own body failed.
    RequestBody(BodyError),
    /// A request head larger than a buffer.
    RequestTooLarge,
    /// A name without an address, or a resolver without an answer.
    Resolve(Box<dyn Error>),
    Connect(io::Error),
    #[cfg(feature = "tls")]
    #[expect(dead_code, reason = "https is not built yet: it is refused as an unknown scheme")]
    Tls(corelane_runtime::tls::TlsError),
    #[cfg(not(feature = "tls"))]
    NoTls,
    Timeout(Phase, Option<Duration>),
    /// As many requests wait for a connection as may.
    Overloaded {
        waiting_max: usize,
    },
    /// The connection ended before the answer's head did.
    Closed,
    Io(io::Error),
    Head(HeadError),
    /// More interim answers than are taken.
    Interims,
    /// 101 that was not asked for.
    Switched,
    Chunk(ChunkError),
    Truncated,
    TooLarge {
        limit: u64,
    },
    Json(serde_json::Error),
    Text,
    TooManyRedirects {
        max: u32,
    },
    /// A redirect that leads nowhere.
    Location(UrlError),
    /// A redirect from https to http.
    Downgrade,
    /// No buffer was to be had.
    Exhausted,
}

impl ClientError {
    #[cold]
    pub(super) fn new(kind: Kind) -> ClientError {
        ClientError { inner: Box::new(Inner { kind, url: None, maybe_processed: false }) }
    }

    /// The same, telling which URL it was.
    pub(super) fn at(mut self, url: &super::Url) -> ClientError {
        self.inner.url.get_or_insert_with(|| format!("{}{}", url.origin(), url.path()));
        self
    }

    /// The same for a request that the server may have acted upon.
    pub(super) fn after_sending(mut self) -> ClientError {
        self.inner.maybe_processed = true;
        self
    }

    /// No connection could be had: the name has no address, nobody listens, the TLS handshake failed, the proxy
    /// refused, or it took too long. Nothing of the request was sent.
    pub fn is_connect(&self) -> bool {
        match &self.inner.kind {
            Kind::Resolve(_) | Kind::Connect(_) => true,
            Kind::Timeout(phase, _) => *phase == Phase::Connect,
            #[cfg(feature = "tls")]
            Kind::Tls(_) => true,
            #[cfg(not(feature = "tls"))]
            Kind::NoTls => true,
            _ => false,
        }
    }

    /// The name could not be resolved.
    pub fn is_resolve(&self) -> bool {
        matches!(self.inner.kind, Kind::Resolve(_))
    }

    /// A deadline has passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.kind, Kind::Timeout(..))
    }

    /// The answer's head was there, and its body could not be had to its end, or not be understood.
    pub fn is_body(&self) -> bool {
        matches!(
            self.inner.kind,
            Kind::Chunk(_)
                | Kind::Truncated
                | Kind::TooLarge { .. }
                | Kind::Json(_)
                | Kind::Text
                | Kind::Timeout(Phase::Body, _)
        )
    }

    /// The answer's body is longer than the limit on what is read as a whole.
    pub fn is_too_large(&self) -> bool {
        matches!(self.inner.kind, Kind::TooLarge { .. })
    }

    /// The body is not what it was to be decoded as.
    pub fn is_decode(&self) -> bool {
        matches!(self.inner.kind, Kind::Json(_) | Kind::Text)
    }

    /// The answer breaks the rules of HTTP (RFC 9112): its length is ambiguous, its head malformed or too large, it is
    /// cut short. The connection is closed.
    pub fn is_protocol(&self) -> bool {
        matches!(
            self.inner.kind,
            Kind::Head(_) | Kind::Interims | Kind::Switched | Kind::Chunk(_) | Kind::Truncated
        )
    }

    /// Too many redirects, or one that is not followed.
    pub fn is_redirect(&self) -> bool {
        matches!(self.inner.kind, Kind::TooManyRedirects { .. } | Kind::Location(_) | Kind::Downgrade)
    }

    /// As many requests wait for a connection as may. Nothing was sent.
    pub fn is_overloaded(&self) -> bool {
        matches!(self.inner.kind, Kind::Overloaded { .. } | Kind::Exhausted | Kind::Timeout(Phase::Pool, _))
    }

    /// The request itself is at fault: its URL, a field, its body. Nothing was sent, or not all of it.
    pub fn is_request(&self) -> bool {
        matches!(
            self.inner.kind,
            Kind::Url(_) | Kind::Header(_) | Kind::Encode(_) | Kind::RequestBody(_) | Kind::RequestTooLarge
        )
    }

    /// True if the server may have acted upon the request: some of it was sent, and it is not certain that nobody
    /// read it. Where it is false, the request may be made again, whatever its method.
    pub fn is_maybe_processed(&self) -> bool {
        self.inner.maybe_processed
    }

    /// What a gateway answers for it (RFC 9110 §15.6): 504, 503 or 502; 500 if the request was the program's mistake.
    pub fn status(&self) -> StatusCode {
        match self {
            _ if self.is_overloaded() => StatusCode::SERVICE_UNAVAILABLE,
            _ if self.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            _ if self.is_request() => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.kind {
            Kind::Url(_) => f.write_str("the URL cannot be asked for"),
            Kind::Header(_) => f.write_str("a field of the request cannot be sent"),
            Kind::Encode(_) => f.write_str("the body of the request could not be made"),
            Kind::RequestBody(_) => f.write_str("the body of the request failed while it was sent"),
            Kind::RequestTooLarge => f.write_str("the fields of the request are larger than 64 KiB together"),
            Kind::Resolve(_) => f.write_str("the name could not be resolved"),
            Kind::Connect(_) => f.write_str("no connection"),
            #[cfg(feature = "tls")]
            Kind::Tls(_) => f.write_str("no TLS connection"),
            #[cfg(not(feature = "tls"))]
            Kind::NoTls => f.write_str("https needs the feature `tls` of corelane-http (of corelane)"),
            Kind::Timeout(phase, limit) => {
                f.write_str(match phase {
                    Phase::Pool => "no connection became free",
                    Phase::Connect => "connecting took too long",
                    Phase::Send => "sending made no progress",
                    Phase::Head => "the answer's head did not come in time",
                    Phase::Body => "the answer's body stopped coming",
                    Phase::Total => "the request took too long",
                })?;
                match limit {
                    Some(limit) => write!(f, " (limit {limit:?})"),
                    None => Ok(()),
                }
            }
            Kind::Overloaded { waiting_max } => {
                write!(f, "{waiting_max} requests wait for a connection already")
            }
            Kind::Closed => f.write_str("the server closed the connection before it answered"),
            Kind::Io(_) => f.write_str("the connection failed"),
            Kind::Head(_) => f.write_str("the answer's head is not valid"),
            Kind::Interims => f.write_str("too many interim (1xx) answers"),
            Kind::Switched => f.write_str("the server switched protocols without being asked"),
            Kind::Chunk(_) => f.write_str("the chunked coding of the answer is not valid"),
            Kind::Truncated => f.write_str("the connection ended inside the answer's body"),
            Kind::TooLarge { limit } => write!(
                f,
                "the answer's body is longer than {limit} bytes: raise `body_limit`, or read it in chunks"
            ),
            Kind::Json(_) => f.write_str("the answer's body is not the JSON that was expected"),
            Kind::Text => f.write_str("the answer's body is not UTF-8"),
            Kind::TooManyRedirects { max } => write!(f, "more than {max} redirects"),
            Kind::Location(_) => f.write_str("the redirect leads to no URL that can be asked for"),
            Kind::Downgrade => f.write_str("the redirect leads from https to http, and is not followed"),
            Kind::Exhausted => f.write_str("the core's buffers are all in use"),
        }?;
        match &self.inner.url {
            Some(url) => write!(f, ": {url}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.inner.kind)
            .field("url", &self.inner.url)
            .field("maybe_processed", &self.inner.maybe_processed)
            .finish()
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.inner.kind {
            Kind::Url(error) | Kind::Location(error) => Some(error),
            Kind::Header(error) => Some(error),
            Kind::RequestBody(error) => Some(error),
            Kind::Encode(error) | Kind::Resolve(error) => Some(&**error),
            Kind::Connect(error) | Kind::Io(error) => Some(error),
            #[cfg(feature = "tls")]
            Kind::Tls(error) => Some(error),
            Kind::Head(error) => Some(error),
            Kind::Chunk(error) => Some(error),
            Kind::Json(error) => Some(error),
            _ => None,
        }
    }
}

impl From<UrlError> for ClientError {
    fn from(error: UrlError) -> ClientError {
        ClientError::new(Kind::Url(error))
    }
}

impl From<corelane_runtime::buf::PoolExhausted> for ClientError {
    fn from(_: corelane_runtime::buf::PoolExhausted) -> ClientError {
        ClientError::new(Kind::Exhausted)
    }
}

impl From<ClientError> for Problem {
    /// The status alone: what happened is logged and not told.
    fn from(error: ClientError) -> Problem {
        tracing::error!(error = &error as &dyn Error, "a request to another server failed");
        Problem::new(error.status())
    }
}

impl IntoResponse for ClientError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl From<ClientError> for BodyError {
    fn from(error: ClientError) -> BodyError {
        BodyError::source(error)
    }
}
