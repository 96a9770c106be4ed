//! What can go wrong with a body.

use std::error::Error;
use std::fmt;

use http::StatusCode;

/// Why a body could not be had to its end.
///
/// [`BodyError::status`] tells what to answer, and `into_response` does so with a problem body.
#[derive(Debug)]
pub struct BodyError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    TooLarge { limit: u64 },
    Malformed,
    Truncated,
    TooSlow,
    Taken,
    Source(Box<dyn Error>),
}

impl BodyError {
    #[cold]
    pub(crate) fn too_large(limit: u64) -> BodyError {
        BodyError { kind: Kind::TooLarge { limit } }
    }

    /// The coding of the body breaks a rule of RFC 9112 §7.1.
    #[cold]
    pub(crate) fn malformed() -> BodyError {
        BodyError { kind: Kind::Malformed }
    }

    /// The peer, or the connection, ended before the body did.
    #[cold]
    pub(crate) fn truncated() -> BodyError {
        BodyError { kind: Kind::Truncated }
    }

    /// The body came slower than the server's lowest rate.
    #[cold]
    pub(crate) fn too_slow() -> BodyError {
        BodyError { kind: Kind::TooSlow }
    }

    #[cold]
    pub(crate) fn taken() -> BodyError {
        BodyError { kind: Kind::Taken }
    }

    /// An error of the program that makes the body: a file that cannot be read, a query that failed.
    #[cold]
    pub fn source(error: impl Into<Box<dyn Error>>) -> BodyError {
        BodyError { kind: Kind::Source(error.into()) }
    }

    /// True if the body is longer than its limit.
    pub fn is_too_large(&self) -> bool {
        matches!(self.kind, Kind::TooLarge { .. })
    }

    /// True if the peer sent the body too slowly.
    pub fn is_too_slow(&self) -> bool {
        matches!(self.kind, Kind::TooSlow)
    }

    /// True if the peer broke the rules of chunked coding, or ended the connection inside the body.
    pub fn is_peer_fault(&self) -> bool {
        matches!(self.kind, Kind::Malformed | Kind::Truncated)
    }

    /// True if somebody has taken the body before: two body extractors in one handler, or a middleware.
    pub fn is_taken(&self) -> bool {
        matches!(self.kind, Kind::Taken)
    }

    /// The answer to a request whose body failed so: 413, 400, 408, or 500 if the fault is the program's.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            Kind::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Malformed | Kind::Truncated => StatusCode::BAD_REQUEST,
            Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Kind::Taken | Kind::Source(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The limit that was passed, in bytes.
    pub(crate) fn limit(&self) -> Option<u64> {
        match self.kind {
            Kind::TooLarge { limit } => Some(limit),
            _ => None,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::TooLarge { limit } => write!(f, "the body is longer than {limit} bytes"),
            Kind::Malformed => f.write_str("the chunked coding of the body is malformed"),
            Kind::Truncated => f.write_str("the connection ended inside the body"),
            Kind::TooSlow => f.write_str("the body came too slowly"),
            Kind::Taken => f.write_str(
                "the body was taken before: a handler may have one body extractor, \
                 and a middleware that reads the body has to put it back",
            ),
            Kind::Source(_) => f.write_str("the body could not be made"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Source(error) => Some(&**error),
            _ => None,
        }
    }
}
