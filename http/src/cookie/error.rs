//! Why a cookie cannot be sent.

use std::fmt;

use crate::problem::Problem;
use crate::respond::IntoResponse;
use crate::response::Response;

use super::{CHANGES_BYTES_MAX, CHANGES_MAX, COOKIE_BYTES_MAX};

/// Why a change was refused. As a response it is a 500 with the reason in the log: the program tried to send what
/// cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieError {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Attribute(&'static str),
    Prefix(&'static str),
    Insecure(&'static str),
    TooLarge { bytes: usize },
    TooMany,
    Sent,
    Random,
}

impl CookieError {
    /// True if the name or an attribute holds what could change the structure of the field.
    pub fn is_injection(&self) -> bool {
        matches!(self.kind, Kind::Name | Kind::Attribute(_))
    }

    /// True if browsers would refuse the cookie: the promise of its prefix is not kept, or it lacks `Secure` where that
    /// is a must.
    pub fn is_refused_by_browsers(&self) -> bool {
        matches!(self.kind, Kind::Prefix(_) | Kind::Insecure(_))
    }

    /// True if the cookie is over [`COOKIE_BYTES_MAX`], which browsers need not take.
    pub fn is_too_large(&self) -> bool {
        matches!(self.kind, Kind::TooLarge { .. })
    }

    /// True if the response has no room for one more change.
    pub fn is_too_many(&self) -> bool {
        self.kind == Kind::TooMany
    }

    /// True if the response has left already.
    pub fn is_too_late(&self) -> bool {
        self.kind == Kind::Sent
    }
}

impl From<Kind> for CookieError {
    fn from(kind: Kind) -> Self {
        CookieError { kind }
    }
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Name => f.write_str("the name of a cookie has to be a token (RFC 6265 §4.1.1)"),
            Kind::Attribute(name) => {
                write!(
                    f,
                    "the attribute `{name}` of a cookie holds a semicolon, a control byte or what is not ASCII"
                )
            }
            Kind::Prefix(rule) => f.write_str(rule),
            Kind::Insecure(what) => write!(f, "a cookie with `{what}` has to be `Secure`"),
            Kind::TooLarge { bytes } => {
                write!(
                    f,
                    "the cookie takes {bytes} bytes, and {COOKIE_BYTES_MAX} are the most that browsers keep"
                )
            }
            Kind::TooMany => write!(
                f,
                "a response has room for {CHANGES_MAX} cookies and {CHANGES_BYTES_MAX} bytes of them"
            ),
            Kind::Sent => f.write_str("the response has left already: a cookie can be changed until then"),
            Kind::Random => f.write_str("the system gives no random numbers"),
        }
    }
}

impl std::error::Error for CookieError {}

impl From<CookieError> for Problem {
    fn from(error: CookieError) -> Problem {
        tracing::error!(%error, "a cookie cannot be sent");
        Problem::internal()
    }
}

impl IntoResponse for CookieError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
