//! What can be wrong with the use of a session.

use std::fmt;

use corelane_http::problem::Problem;
use corelane_http::response::{IntoResponse, Response};

/// Why a value could not be put in or read. As a response it is a 500 with the reason in the log.
#[derive(Debug)]
pub struct SessionError {
    kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Encode(serde_json::Error),
    Decode { name: String, source: serde_json::Error },
    TooLarge { bytes: usize, bytes_max: usize },
    Reserved,
    Closed,
    Random,
}

impl SessionError {
    /// True if the session would grow over its bound. Nothing has changed.
    pub fn is_too_large(&self) -> bool {
        matches!(self.kind, Kind::TooLarge { .. })
    }

    /// True if what is there under the name is no value of the type asked for: an older version of the program wrote it,
    /// or a name is used twice.
    pub fn is_wrong_type(&self) -> bool {
        matches!(self.kind, Kind::Decode { .. })
    }

    /// True if the response has left: what is changed now would be lost.
    pub fn is_too_late(&self) -> bool {
        matches!(self.kind, Kind::Closed)
    }
}

impl From<Kind> for SessionError {
    fn from(kind: Kind) -> Self {
        SessionError { kind }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Encode(_) => f.write_str("the value cannot be kept as JSON"),
            Kind::Decode { name, .. } => write!(f, "what the session keeps as `{name}` has another type"),
            Kind::TooLarge { bytes, bytes_max } => write!(
                f,
                "the session would take {bytes} bytes and has room for {bytes_max}: keep an id in it, and the rest elsewhere"
            ),
            Kind::Reserved => f.write_str("names that begin with an underscore are those of the framework"),
            Kind::Closed => f.write_str("the response has left already: a session can be changed until then"),
            Kind::Random => f.write_str("the system gives no random numbers"),
        }
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Encode(source) | Kind::Decode { source, .. } => Some(source),
            Kind::TooLarge { .. } | Kind::Reserved | Kind::Closed | Kind::Random => None,
        }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Problem {
        tracing::error!(error = &error as &dyn std::error::Error, "a session was used in a way that fails");
        Problem::internal()
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
