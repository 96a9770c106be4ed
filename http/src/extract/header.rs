//! Single fields, with a type.

use std::fmt;
use std::ops::Deref;

use http::StatusCode;

use super::FromRequest;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// A request field as a value. Absent or malformed: 400, with a problem that names the field.
/// `Option<Header<H>>` takes one that may be absent.
///
/// ```
/// use corelane_http::extract::{Header, UserAgent};
///
/// async fn greet(agent: Option<Header<UserAgent>>) -> String {
///     match agent {
///         Some(agent) => format!("Hello, {}", agent.as_str()),
///         None => "Hello".to_owned(),
///     }
/// }
/// # let _ = corelane_http::app::App::new().get("/", greet);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<H>(pub H);

impl<H> Deref for Header<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.0
    }
}

/// A field that [`Header`] can take.
///
/// ```
/// use corelane_http::extract::HeaderField;
///
/// struct Depth(u32);
///
/// impl HeaderField for Depth {
///     const NAME: &'static str = "depth";
///
///     fn decode<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
///         let value = std::str::from_utf8(values.next()?).ok()?;
///         value.parse().ok().map(Depth)
///     }
/// }
/// ```
pub trait HeaderField: Sized {
    /// The field's name, in lower case.
    const NAME: &'static str;

    /// The value, from one field line or more; `None` if they are malformed.
    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self>;
}

impl<H: HeaderField> FromRequest for Header<H> {
    type Rejection = HeaderRejection;

    async fn from_request(request: &mut Request) -> Result<Self, HeaderRejection> {
        let mut values = request.header_all(H::NAME).peekable();
        if values.peek().is_none() {
            return Err(HeaderRejection { name: H::NAME, absent: true });
        }
        H::decode(values).map(Header).ok_or(HeaderRejection { name: H::NAME, absent: false })
    }

    /// The request does not have the field: `Option<Header<H>>` is `None` for that, and rejects a malformed one.
    fn is_absent(rejection: &HeaderRejection) -> bool {
        rejection.absent
    }
}

/// Why a field could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRejection {
    name: &'static str,
    absent: bool,
}

impl HeaderRejection {
    /// True if the request does not have the field at all.
    pub fn is_absent(&self) -> bool {
        self.absent
    }
}

impl fmt::Display for HeaderRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.absent { "absent" } else { "malformed" };
        write!(f, "the field `{}` is {what}", self.name)
    }
}

impl std::error::Error for HeaderRejection {}

impl IntoResponse for HeaderRejection {
    fn into_response(self) -> Response {
        let what = if self.absent { "absent" } else { "malformed" };
        Problem::new(StatusCode::BAD_REQUEST)
            .detail(format!("The field `{}` is {what}.", self.name))
            .with("field", self.name)
            .into_response()
    }
}

/// The text of a field that a request has once: several lines of it are malformed.
pub(super) fn only<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<&'v str> {
    let value = values.next()?;
    if values.next().is_some() { None } else { std::str::from_utf8(value).ok() }
}

macro_rules! text_fields {
    ($($(#[$doc:meta])* $name:ident $field:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Box<str>);

        impl $name {
            /// The value as it was sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl HeaderField for $name {
            const NAME: &'static str = $field;

            fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
                only(values).map(|value| $name(value.into()))
            }
        }
    )*};
}

text_fields! {
    /// `User-Agent` (RFC 9110 §10.1.5).
    UserAgent "user-agent"
    /// `Content-Type` (RFC 9110 §8.3).
    ContentType "content-type"
}

impl ContentType {
    /// The media type without its parameters: `text/html` of `text/html; charset=utf-8`. Compare it without case.
    pub fn essence(&self) -> &str {
        self.0.split(';').next().unwrap_or_default().trim_end()
    }
}

macro_rules! list_fields {
    ($($(#[$doc:meta])* $name:ident $field:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Box<str>);

        impl $name {
            /// The members of the list as they were sent, empty ones left out.
            pub fn iter(&self) -> impl Iterator<Item = &str> {
                self.0.split(',').map(str::trim).filter(|member| !member.is_empty())
            }
        }

        impl HeaderField for $name {
            const NAME: &'static str = $field;

            /// Lines of a list are one list (RFC 9110 §5.3).
            fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
                let mut joined = String::new();
                for value in values {
                    joined.push_str(std::str::from_utf8(value).ok()?);
                    joined.push(',');
                }
                Some($name(joined.into()))
            }
        }
    )*};
}

list_fields! {
    /// `Accept` (RFC 9110 §12.5.1): media ranges with their parameters.
    Accept "accept"
    /// `Accept-Language` (RFC 9110 §12.5.4): language ranges with their weights.
    AcceptLanguage "accept-language"
}

/// `Authorization` (RFC 9110 §11.6.2). `Debug` does not show the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    scheme: Box<str>,
    credentials: Box<str>,
}

impl Authorization {
    /// The scheme as it was sent, such as `Bearer`. Compare it without case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What follows the scheme. A secret: compare it in constant time, keep it out of logs.
    pub fn credentials(&self) -> &str {
        &self.credentials
    }

    /// The token, if the scheme is `Bearer` (RFC 6750 §2.1).
    pub fn bearer(&self) -> Option<&str> {
        self.scheme.eq_ignore_ascii_case("bearer").then_some(&*self.credentials)
    }
}

impl HeaderField for Authorization {
    const NAME: &'static str = "authorization";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let (scheme, credentials) = only(values)?.split_once(' ')?;
        Some(Authorization { scheme: scheme.into(), credentials: credentials.trim().into() })
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}
