//! What can go wrong with an upload.

use std::error::Error;
use std::fmt;
use std::io;

use corelane_http_proto::multipart::{LimitKind, MultipartError as ParseError};
use http::StatusCode;

use crate::body::BodyError;
use crate::extract::FormRejection;
use crate::problem::Problem;
use crate::respond::IntoResponse;
use crate::response::Response;

/// Why an upload could not be taken: also a response, which says what, and in which part.
#[derive(Debug)]
pub struct MultipartError {
    /// Boxed: errors are rare, and results large enough.
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Name of the field whose part it is about.
    part: Option<Box<str>>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// No `content-type`; true if there is no body either.
    NoType {
        absent: bool,
    },
    Body(BodyError),
    Parse(ParseError),
    TooLong {
        max: u64,
    },
    TooManyFiles {
        max: u32,
    },
    NotUtf8,
    Fields(FormRejection),
    Io(io::Error),
}

impl From<Kind> for MultipartError {
    #[cold]
    fn from(kind: Kind) -> Self {
        MultipartError { inner: Box::new(Inner { part: None, kind }) }
    }
}

impl From<BodyError> for MultipartError {
    fn from(error: BodyError) -> Self {
        Kind::Body(error).into()
    }
}

impl From<ParseError> for MultipartError {
    fn from(error: ParseError) -> Self {
        Kind::Parse(error).into()
    }
}

impl MultipartError {
    pub(super) fn no_type(absent: bool) -> MultipartError {
        Kind::NoType { absent }.into()
    }

    pub(super) fn too_long(max: u64) -> MultipartError {
        Kind::TooLong { max }.into()
    }

    pub(super) fn too_many_files(max: u32) -> MultipartError {
        Kind::TooManyFiles { max }.into()
    }

    pub(super) fn not_utf8() -> MultipartError {
        Kind::NotUtf8.into()
    }

    pub(super) fn io(error: io::Error) -> MultipartError {
        Kind::Io(error).into()
    }

    pub(super) fn fields(rejection: FormRejection) -> MultipartError {
        Kind::Fields(rejection).into()
    }

    /// The same about this part, unless it is about one already.
    pub(super) fn in_part(mut self, name: &str) -> MultipartError {
        self.inner.part.get_or_insert_with(|| name.into());
        self
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self.inner.kind, Kind::NoType { absent: true })
    }

    /// Name of the field in whose part it is, if it is in one.
    pub fn part(&self) -> Option<&str> {
        self.inner.part.as_deref()
    }

    /// True if something is longer, or there is more of it, than is taken.
    pub fn is_limit(&self) -> bool {
        match &self.inner.kind {
            Kind::Parse(error) => error.limit().is_some(),
            Kind::Body(error) => error.is_too_large(),
            Kind::TooLong { .. } | Kind::TooManyFiles { .. } => true,
            _ => false,
        }
    }

    /// True if the disk, or the user's share of it, is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(&self.inner.kind, Kind::Io(error)
            if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    /// True if the path that was to be made is there already.
    pub fn is_exists(&self) -> bool {
        matches!(&self.inner.kind, Kind::Io(error) if error.kind() == io::ErrorKind::AlreadyExists)
    }

    /// The answer: 415 for another type; 413 for bytes over a limit, 400 for other limits and what is malformed; 422 for
    /// fields that do not fit; 507 for a full disk and 500 for one that fails; or that of a body that could not be read.
    pub fn status(&self) -> StatusCode {
        match &self.inner.kind {
            Kind::NoType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Body(error) => error.status(),
            Kind::Parse(error) if error.is_other_type() => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Parse(error) => match error.limit() {
                Some((LimitKind::FieldBytes | LimitKind::FieldsBytes | LimitKind::FileBytes, _)) => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                _ => StatusCode::BAD_REQUEST,
            },
            Kind::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::NotUtf8 | Kind::TooManyFiles { .. } => StatusCode::BAD_REQUEST,
            Kind::Fields(rejection) => rejection.status(),
            Kind::Io(_) if self.is_disk_full() => StatusCode::INSUFFICIENT_STORAGE,
            Kind::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.kind {
            Kind::NoType { .. } => f.write_str("the request has no content type"),
            Kind::Body(_) => f.write_str("the body could not be read"),
            Kind::Parse(_) => f.write_str("the multipart body is not taken"),
            Kind::TooLong { max } => write!(f, "the part is longer than {max} bytes"),
            Kind::TooManyFiles { max } => write!(f, "more than {max} files are too large for memory"),
            Kind::NotUtf8 => f.write_str("the text is not UTF-8"),
            Kind::Fields(_) => f.write_str("the fields do not fit"),
            Kind::Io(_) => f.write_str("the upload could not be stored"),
        }?;
        match self.part() {
            Some(part) => write!(f, " (part `{part}`)"),
            None => Ok(()),
        }
    }
}

impl Error for MultipartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.inner.kind {
            Kind::Body(error) => Some(error),
            Kind::Parse(error) => Some(error),
            Kind::Fields(error) => Some(error),
            Kind::Io(error) => Some(error),
            Kind::NoType { .. } | Kind::TooLong { .. } | Kind::TooManyFiles { .. } | Kind::NotUtf8 => None,
        }
    }
}

impl From<MultipartError> for Problem {
    /// What the client did is told; what the disk did is logged and not told.
    fn from(error: MultipartError) -> Problem {
        let status = error.status();
        if let Kind::Io(cause) = &error.inner.kind {
            tracing::error!(error = %cause, "an upload could not be stored");
        }
        let problem = Problem::new(status);
        let Inner { part, kind } = *error.inner;
        let problem = match kind {
            Kind::Body(error) => Problem::from(error),
            Kind::NoType { .. } => problem
                .detail("This route takes a body with `content-type: multipart/form-data; boundary=...`."),
            Kind::Parse(error) => {
                let problem = problem.detail(format!("The multipart body is not taken: {error}."));
                match error.limit() {
                    Some((_, max)) => problem.with("limit", max),
                    None => problem,
                }
            }
            Kind::TooLong { max } => {
                problem.detail(format!("The part is longer than {max} bytes.")).with("limit", max)
            }
            Kind::TooManyFiles { max } => problem
                .detail(format!("More than {max} files of the form are too large to be kept in memory."))
                .with("limit", max),
            Kind::NotUtf8 => problem.detail("The text is not UTF-8."),
            Kind::Fields(rejection) => Problem::from(rejection),
            Kind::Io(_) if status == StatusCode::INSUFFICIENT_STORAGE => {
                problem.detail("The server has no room left for the upload. Nothing of it was kept.")
            }
            Kind::Io(_) => problem,
        };
        match part {
            Some(part) => problem.with("part", String::from(part)),
            None => problem,
        }
    }
}

impl IntoResponse for MultipartError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
