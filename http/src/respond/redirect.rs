//! Redirects, and other answers that are a status with a place: RFC 9110 §10.2.2, §15.4.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::parts::applied;
use super::{IntoResponse, ResponsePart};
use crate::response::{HeaderError, Response};

/// What a URI may not hold as it stands (RFC 3986 §2), `%` excepted: a target may be encoded already.
///
/// The backslash is among them, which browsers take for a slash.
const NOT_IN_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The answer that the client should go elsewhere.
///
/// What may not stand in a URI is percent-encoded: spaces, quotes, control bytes, everything that is not ASCII. So a target
/// cannot inject a field. **Where** it leads is the caller's responsibility: do not redirect to a place that the
/// client named, or take it through [`Redirect::local`], which keeps it on this site.
///
/// ```
/// use corelane_http::response::{IntoResponse, Redirect};
///
/// async fn save() -> Redirect {
///     Redirect::to("/notes/7")
/// }
/// # let _ = corelane_http::app::App::new().post("/notes", save);
///
/// let response = Redirect::permanent("/caf\u{e9} au lait").into_response();
/// assert_eq!(response.status(), 308);
/// assert_eq!(response.headers().get("location"), Some("/caf%C3%A9%20au%20lait"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    location: String,
}

impl Redirect {
    fn new(status: StatusCode, target: &str) -> Redirect {
        Redirect { status, location: encoded(target) }
    }

    /// 303: the client fetches `target` with `GET`, whatever the method was. What a handler of a form answers.
    pub fn to(target: impl AsRef<str>) -> Redirect {
        Redirect::see_other(target)
    }

    /// 303, the same as [`Redirect::to`] by its name in RFC 9110 §15.4.4.
    pub fn see_other(target: impl AsRef<str>) -> Redirect {
        Redirect::new(StatusCode::SEE_OTHER, target.as_ref())
    }

    /// 307: the client sends the same request, with its method and body, to `target`, this time.
    pub fn temporary(target: impl AsRef<str>) -> Redirect {
        Redirect::new(StatusCode::TEMPORARY_REDIRECT, target.as_ref())
    }

    /// 308: the client sends the same request to `target`, and may do so from now on. Browsers keep it for long, so
    /// be sure.
    pub fn permanent(target: impl AsRef<str>) -> Redirect {
        Redirect::new(StatusCode::PERMANENT_REDIRECT, target.as_ref())
    }

    /// 303 to a path of this site: for a target that came from the client, such as `?next=/cart`.
    ///
    /// ```
    /// use corelane_http::response::Redirect;
    ///
    /// assert!(Redirect::local("/cart?item=7").is_ok());
    /// assert!(Redirect::local("//evil.example/").is_err());
    /// assert!(Redirect::local("/\\evil.example/").is_err());
    /// assert!(Redirect::local("https://evil.example/").is_err());
    /// ```
    ///
    /// # Errors
    /// The target is no path that begins with one slash. A backslash counts as a slash, and tabs and line ends, which
    /// browsers leave out of a URI, are refused wherever they stand.
    pub fn local(path: impl AsRef<str>) -> Result<Redirect, NotLocal> {
        let path = path.as_ref();
        let begins_well = path.starts_with('/') && !matches!(path.as_bytes().get(1), Some(b'/' | b'\\'));
        if !begins_well || path.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(NotLocal(()));
        }
        Ok(Redirect::see_other(path))
    }

    /// The target as it is sent.
    pub fn location(&self) -> &str {
        &self.location
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        applied([("location", self.location)], self.status.into_response())
    }
}

/// A target that leads off this site, or might. See [`Redirect::local`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocal(());

impl fmt::Display for NotLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the target of the redirect is not a path of this site, which begins with one slash")
    }
}

impl std::error::Error for NotLocal {}

/// 400, as the target came from the client.
impl From<NotLocal> for crate::problem::Problem {
    fn from(error: NotLocal) -> Self {
        crate::problem::Problem::new(StatusCode::BAD_REQUEST).detail(error.to_string())
    }
}

impl IntoResponse for NotLocal {
    fn into_response(self) -> Response {
        crate::problem::Problem::from(self).into_response()
    }
}

/// 201, with the place of what was made (RFC 9110 §15.3.2). A [`ResponsePart`], and a response without a body.
///
/// ```
/// use corelane_http::extract::Json;
/// use corelane_http::response::{Created, IntoResponse};
///
/// let response = (Created::at("/notes/7"), Json(7)).into_response();
/// assert_eq!(response.status(), 201);
/// assert_eq!(response.headers().get("location"), Some("/notes/7"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    location: String,
}

impl Created {
    /// `target` is encoded as that of a [`Redirect`].
    pub fn at(target: impl AsRef<str>) -> Created {
        Created { location: encoded(target.as_ref()) }
    }
}

impl ResponsePart for Created {
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        response.set_status(StatusCode::CREATED);
        response.headers_mut().insert("location", self.location)
    }
}

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        applied(self, StatusCode::CREATED.into_response())
    }
}

/// 204: done, and there is nothing to send. The same as returning `()`, by its name.
///
/// ```
/// use corelane_http::response::{IntoResponse, NoContent};
///
/// assert_eq!(NoContent.into_response().status(), 204);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

fn encoded(target: &str) -> String {
    Cow::from(utf8_percent_encode(target, NOT_IN_URI)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_encoded_and_cannot_inject() {
        for (why, target, want) in [
            ("as it is", "/a?b=c#d", "/a?b=c#d"),
            ("encoded already", "/a%20b", "/a%20b"),
            ("absolute", "https://example.com/", "https://example.com/"),
            ("line end", "/a\r\nset-cookie: b=c", "/a%0D%0Aset-cookie:%20b=c"),
            ("NUL", "/\0", "/%00"),
            ("backslash", "/\\evil.example", "/%5Cevil.example"),
            ("not ASCII", "/\u{20ac}", "/%E2%82%AC"),
            ("empty: this page again", "", ""),
        ] {
            let response = Redirect::to(target).into_response();
            assert_eq!(response.status(), 303, "{why}");
            assert_eq!(response.headers().get("location"), Some(want), "{why}");
        }
    }

    #[test]
    fn only_paths_of_this_site_are_local() {
        for (why, target, local) in [
            ("the root", "/", true),
            ("a path with a query", "/a/b?c=//d", true),
            ("another host", "//evil.example", false),
            ("the same to a browser", "/\\evil.example", false),
            ("which leaves tabs out", "/\t/evil.example", false),
            ("and line ends", "/\n/evil.example", false),
            ("a scheme", "javascript:alert(1)", false),
            ("relative", "cart", false),
            ("empty", "", false),
        ] {
            assert_eq!(Redirect::local(target).is_ok(), local, "{why}");
        }
    }
}
