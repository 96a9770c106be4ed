//! Changing what a request asks for, before it is routed.

use std::fmt;

use corelane_http_proto::head::{HEAD_BYTES_CAP, METHOD_BYTES_MAX, Method, Span};
use corelane_runtime::buf::Lease;

use super::{Request, span_at};
use crate::problem::Problem;
use crate::respond::IntoResponse;
use crate::response::{Response, StatusCode};

impl Request {
    /// Replaces the method: for [`App::before`](crate::app::App::before), as what is routed keeps its route.
    ///
    /// How the answer is sent is not changed: one to a `HEAD` has no body, whatever it is turned into.
    ///
    /// # Errors
    /// `CONNECT`, which asks for no path; a name longer than 32 bytes; or the core has no buffer left. The request
    /// is as before then.
    pub fn set_method(&mut self, method: &http::Method) -> Result<(), RewriteError> {
        let method = match method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "PATCH" => Method::Patch,
            "CONNECT" => return Err(RewriteError(Kind::Connect)),
            other if other.len() > METHOD_BYTES_MAX => return Err(RewriteError(Kind::TooLong)),
            other => Method::Other(self.append(other.as_bytes())?),
        };
        self.parts_mut().head.set_method(method);
        Ok(())
    }

    /// Replaces the path; the query stays. For [`App::before`](crate::app::App::before), as what is routed keeps its
    /// route and its parameters.
    ///
    /// The path is percent-encoded, as [`Request::path`] is.
    ///
    /// ```
    /// use corelane_http::request::Request;
    ///
    /// let mut request = Request::builder("GET", "/old/7?page=2").build();
    /// request.set_path("/new/7")?;
    /// assert_eq!((request.path(), request.query()), ("/new/7", Some("page=2")));
    /// assert!(request.set_path("/a b").unwrap_err().is_invalid());
    /// # Ok::<(), corelane_http::request::RewriteError>(())
    /// ```
    ///
    /// # Errors
    /// It does not begin with a slash, or holds a byte that a path cannot have (space, control, `?`, `#`, beyond ASCII); it
    /// does not fit behind the head, whose offsets end at 64 KiB; or the core has no buffer left. The request is as
    /// before then.
    pub fn set_path(&mut self, path: &str) -> Result<(), RewriteError> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
        if !path.starts_with('/') || !path.bytes().all(allowed) {
            return Err(RewriteError(Kind::Path));
        }
        let span = self.append(path.as_bytes())?;
        self.parts_mut().head.set_path(span);
        Ok(())
    }

    /// Puts bytes behind the head, so that spans of both point into one buffer.
    fn append(&mut self, added: &[u8]) -> Result<Span, RewriteError> {
        let (start, len) = (self.bytes().len(), added.len());
        if start + len > HEAD_BYTES_CAP {
            return Err(RewriteError(Kind::TooLong));
        }
        let mut lease = Lease::take(start + len).map_err(|_| RewriteError(Kind::NoBuffer))?;
        let copied = lease.extend_from_slice(self.bytes()).and_then(|()| lease.extend_from_slice(added));
        copied.map_err(|_| RewriteError(Kind::NoBuffer))?;
        self.parts_mut().bytes = Some(lease.freeze());
        Ok(span_at(start, len))
    }
}

/// Why a request could not be given another method or path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewriteError(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Path,
    Connect,
    TooLong,
    NoBuffer,
}

impl RewriteError {
    /// True if it is no valid path, or a method that cannot be set.
    pub fn is_invalid(&self) -> bool {
        matches!(self.0, Kind::Path | Kind::Connect)
    }

    /// True if it is longer than what can be kept with the head.
    pub fn is_too_long(&self) -> bool {
        self.0 == Kind::TooLong
    }
}

impl fmt::Display for RewriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Path => {
                "a path begins with a slash and is percent-encoded: no space, control byte, `?` or `#`"
            }
            Kind::Connect => "a request cannot become CONNECT",
            Kind::TooLong => "the new method or path is too long to be kept with the head",
            Kind::NoBuffer => "the core has no buffer left for the new method or path",
        })
    }
}

impl std::error::Error for RewriteError {}

impl IntoResponse for RewriteError {
    /// 414 for what is too long, 503 without a buffer, else 400: what is rewritten is mostly made of what the client sent.
    fn into_response(self) -> Response {
        let status = match self.0 {
            Kind::Path | Kind::Connect => StatusCode::BAD_REQUEST,
            Kind::TooLong => StatusCode::URI_TOO_LONG,
            Kind::NoBuffer => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::new(status).into_response()
    }
}
