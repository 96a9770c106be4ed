//! What handlers may return, and how it becomes a response.
//!
//! | value | status | content type |
//! | --- | --- | --- |
//! | `()` | 204 | |
//! | `&'static str`, `String`, `Cow<'static, str>` | 200 | `text/plain; charset=utf-8` |
//! | [`Html<T>`](Html) | 200 | `text/html; charset=utf-8` |
//! | `Bytes`, `Vec<u8>`, `&'static [u8]`, leases and views | 200 | `application/octet-stream` |
//! | [`Json<T>`](crate::extract::Json) | 200, or 500 if it cannot be serialised | `application/json` |
//! | [`Problem`] | its own | `application/problem+json` |
//! | [`StatusCode`] | it | |
//! | [`Body`], streams through [`Body::stream`] | 200 | |
//! | [`NamedFile`](crate::files::NamedFile) | 200 | by its name |
//! | [`Sse`](crate::sse::Sse) | 200 | `text/event-stream` |
//! | [`Redirect`], [`Created`], [`NoContent`] | 303, 307, 308; 201; 204 | |
//! | `(part, T)`, `(part, part, T)` and so on, up to six parts | as of `T`, unless given | as of `T`, unless given |
//! | `Result<T, E>` | of the side it is | |
//! | `Option<T>` | of `T`, or 404 | |
//!
//! A part is a [`StatusCode`], an array of fields such as `[("x-a", "b")]`, [`CacheControl`], [`Disposition`],
//! [`Created`], or anything that implements [`ResponsePart`].
//!
//! ```
//! use corelane_http::response::{IntoResponse, StatusCode};
//!
//! let response = (StatusCode::CREATED, [("location", "/notes/7")], "made").into_response();
//! assert_eq!(response.status(), 201);
//! assert_eq!(response.headers().get("location"), Some("/notes/7"));
//! assert_eq!(response.headers().get("content-type"), Some("text/plain; charset=utf-8"));
//! ```

mod cache_control;
mod disposition;
mod escape;
mod json;
mod parts;
mod redirect;
mod rejections;

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::Bytes;
use corelane_runtime::buf::{Chunk, Lease, View};
use http::StatusCode;

use crate::body::Body;
use crate::problem::Problem;
use crate::response::Response;

pub use cache_control::CacheControl;
pub use disposition::Disposition;
pub use escape::escape_html;
pub use parts::ResponsePart;
pub use redirect::{Created, NoContent, NotLocal, Redirect};

pub(crate) use json::json_response;

const TEXT: &str = "content-type: text/plain; charset=utf-8\r\n";
const HTML: &str = "content-type: text/html; charset=utf-8\r\n";
const OCTETS: &str = "content-type: application/octet-stream\r\n";

/// Something that a handler can return. The [module](self) lists what implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a response",
    label = "does not implement `IntoResponse`",
    note = "return text, `Json(value)`, a `StatusCode`, a `Response`, or a tuple such as `(StatusCode, Json(value))`",
    note = "to return a type of your own, implement `IntoResponse` for it; for a struct as JSON, wrap it: `Json(value)`",
    note = "in `Result<T, E>` both sides have to implement it: `Problem` is an error that does"
)]
pub trait IntoResponse {
    /// The response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    #[inline]
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for () {
    #[inline]
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl IntoResponse for Infallible {
    #[inline]
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for StatusCode {
    #[inline]
    fn into_response(self) -> Response {
        Response::new(Body::empty()).with_status(self)
    }
}

impl IntoResponse for Body {
    #[inline]
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

macro_rules! whole {
    ($lines:ident: $($kind:ty),*) => {$(
        impl IntoResponse for $kind {
            #[inline]
            fn into_response(self) -> Response {
                Response::with_static_headers(self, $lines)
            }
        }
    )*};
}

whole!(TEXT: &'static str, String);
whole!(OCTETS: &'static [u8], Vec<u8>, Bytes, Lease, View, Chunk);

impl IntoResponse for Cow<'static, str> {
    #[inline]
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }
}

/// Text that is HTML. Nothing in it is escaped: that is the template's job.
///
/// ```
/// use corelane_http::response::{Html, IntoResponse};
///
/// let response = Html("<h1>Hello</h1>").into_response();
/// assert_eq!(response.headers().get("content-type"), Some("text/html; charset=utf-8"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Html<T>(pub T);

impl<T: Into<Body>> IntoResponse for Html<T> {
    #[inline]
    fn into_response(self) -> Response {
        Response::with_static_headers(self.0, HTML)
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    #[inline]
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

/// `None` is 404: what a look-up by a key that the client gave usually means.
impl<T: IntoResponse> IntoResponse for Option<T> {
    #[inline]
    fn into_response(self) -> Response {
        match self {
            Some(value) => value.into_response(),
            None => Problem::new(StatusCode::NOT_FOUND).into_response(),
        }
    }
}

impl<T: IntoResponse> IntoResponse for Box<T> {
    #[inline]
    fn into_response(self) -> Response {
        (*self).into_response()
    }
}
