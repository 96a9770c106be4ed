//! Responses: a status, fields in the form they are sent in, a body.
//!
//! Handlers return anything that implements [`IntoResponse`]; a [`Response`] is what all of it becomes.
//!
//! ```
//! use corelane_http::response::{IntoResponse, Response, StatusCode};
//!
//! let mut response = Response::new("no tea here\n").with_status(StatusCode::IM_A_TEAPOT);
//! response.headers_mut().insert("retry-after", "120")?;
//! assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
//! assert_eq!(response.body().len(), Some(12));
//!
//! // The same by conversion, here with the content type of a string:
//! let response = (StatusCode::IM_A_TEAPOT, "no tea here\n").into_response();
//! assert_eq!(response.headers().get("content-type"), Some("text/plain; charset=utf-8"));
//! # Ok::<(), corelane_http::response::HeaderError>(())
//! ```

mod headers;
mod upgrade;

use std::fmt;

use corelane_runtime::buf::LocalBox;

pub use headers::{HEADERS_BYTES_MAX, HeaderError, Headers};
pub use http::StatusCode;
pub use upgrade::Upgraded;

pub use crate::body::Body;
pub use crate::respond::{
    CacheControl, Created, Disposition, Html, IntoResponse, NoContent, NotLocal, Redirect, ResponsePart,
    escape_html,
};

pub(crate) use upgrade::OnUpgrade;

/// An answer. See the [module](self).
///
/// A handle of one word, cheap to move through middleware: what it consists of lives in a block that the core uses
/// again.
pub struct Response {
    parts: LocalBox<Parts>,
}

struct Parts {
    status: StatusCode,
    /// True if the connection is to be closed after this answer.
    close: bool,
    made_by: Maker,
    headers: Headers,
    body: Body,
    /// Boxed: one answer in a million has it.
    upgrade: Option<OnUpgrade>,
}

impl Response {
    /// 200 with this body and no fields.
    #[inline]
    pub fn new(body: impl Into<Body>) -> Response {
        Response::of(body.into(), Headers::new())
    }

    /// 101: once the head is sent, `serve` gets the connection, and what has arrived behind the request.
    ///
    /// `protocol` goes into the `upgrade` field (RFC 9110 §7.8); add what else the protocol wants to the response.
    /// The future runs in the connection's task until it ends; drain waits for it as for a request.
    ///
    /// # Errors
    /// The name of the protocol holds a control byte.
    pub fn upgrade<F, Fut>(protocol: &str, serve: F) -> Result<Response, HeaderError>
    where
        F: FnOnce(Upgraded) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let mut response = Response::new(Body::empty()).with_status(StatusCode::SWITCHING_PROTOCOLS);
        response.parts.headers.insert("upgrade", protocol)?;
        response.parts.upgrade = Some(OnUpgrade::new(serve));
        Ok(response)
    }

    #[inline]
    fn of(body: Body, headers: Headers) -> Response {
        let parts = Parts {
            status: StatusCode::OK,
            close: false,
            made_by: Maker::Anyone,
            headers,
            body,
            upgrade: None,
        };
        Response { parts: LocalBox::new(parts) }
    }

    /// With lines that are in wire form already.
    #[inline]
    pub(crate) fn with_static_headers(body: impl Into<Body>, lines: &'static str) -> Response {
        Response::of(body.into(), Headers::from_static(lines))
    }

    /// The status.
    #[inline]
    pub fn status(&self) -> StatusCode {
        self.parts.status
    }

    /// Changes the status.
    pub fn set_status(&mut self, status: StatusCode) {
        self.parts.status = status;
    }

    /// The same with another status.
    #[must_use]
    #[inline]
    pub fn with_status(mut self, status: StatusCode) -> Response {
        self.parts.status = status;
        self
    }

    /// The fields.
    #[inline]
    pub fn headers(&self) -> &Headers {
        &self.parts.headers
    }

    /// The fields, to be changed.
    #[inline]
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.parts.headers
    }

    /// The same with one more field, replacing earlier ones of its name.
    ///
    /// # Errors
    /// As [`Headers::insert`].
    pub fn with_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Response, HeaderError> {
        self.parts.headers.insert(name, value)?;
        Ok(self)
    }

    /// The body.
    #[inline]
    pub fn body(&self) -> &Body {
        &self.parts.body
    }

    /// The body, to be read or changed in place.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.parts.body
    }

    /// Changes the body; returns the one before. The fields stay as they are.
    pub fn set_body(&mut self, body: impl Into<Body>) -> Body {
        std::mem::replace(&mut self.parts.body, body.into())
    }

    /// The body alone.
    pub fn into_body(self) -> Body {
        LocalBox::into_inner(self.parts).body
    }

    /// Closes the connection after this answer: the server adds `connection: close`.
    pub fn close_connection(&mut self) {
        self.parts.close = true;
    }

    /// True if the connection is to be closed after this answer.
    pub fn closes_connection(&self) -> bool {
        self.parts.close
    }

    /// Says that the body is a problem of the framework's own form, which may be shown in another one.
    pub(crate) fn with_problem(mut self) -> Response {
        self.parts.made_by = Maker::Problem;
        self
    }

    pub(crate) fn is_problem(&self) -> bool {
        matches!(self.parts.made_by, Maker::Problem | Maker::SettledProblem)
    }

    /// Says that an error handler has had it.
    pub(crate) fn settle(&mut self) {
        self.parts.made_by = if self.is_problem() { Maker::SettledProblem } else { Maker::ErrorHandler };
    }

    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.parts.made_by, Maker::ErrorHandler | Maker::SettledProblem)
    }

    /// Who gets the connection once a 101 is sent.
    pub(crate) fn take_upgrade(&mut self) -> Option<OnUpgrade> {
        self.parts.upgrade.take()
    }
}

/// Where an answer comes from, as far as it matters to what may still change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Anyone,
    /// The body is a [`Problem`](crate::problem::Problem).
    Problem,
    /// An error handler.
    ErrorHandler,
    /// An error handler that left a problem as it was, or made one.
    SettledProblem,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.parts.status)
            .field("headers", &self.parts.headers)
            .field("body", &self.parts.body)
            .finish_non_exhaustive()
    }
}
