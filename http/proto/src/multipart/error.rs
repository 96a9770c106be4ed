//! What is refused, and why.

use std::error::Error;
use std::fmt;

/// Why a body is no `multipart/form-data`, or more of it than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartError {
    kind: Kind,
}

/// A bound that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitKind {
    /// Number of parts.
    Parts,
    /// Bytes of the head of a part.
    HeadBytes,
    /// Field lines in the head of a part.
    HeadFields,
    /// Bytes of a part without file name.
    FieldBytes,
    /// Bytes of all parts without file name.
    FieldsBytes,
    /// Bytes of a part with a file name.
    FileBytes,
    /// Bytes before the first delimiter.
    PreambleBytes,
    /// Bytes after the last delimiter.
    EpilogueBytes,
    /// Spaces after a delimiter.
    PaddingBytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Limit(LimitKind, u64),
    /// `content-type` is another one.
    NotFormData,
    BoundaryMissing,
    BoundaryTwice,
    BoundaryInvalid,
    /// A parameter of `content-type` or `content-disposition` breaks the grammar.
    ParameterInvalid,
    /// Something else than the end of the line, or `--`, after a delimiter.
    AfterDelimiter,
    NoDelimiter,
    Truncated,
    BareLineEnd,
    Folded,
    FieldInvalid,
    NoDisposition,
    DispositionTwice,
    NotDisposedAsFormData,
    NoName,
    NameTwice,
    FileNameTwice,
    ExtendedParameter,
    NotUtf8,
    TransferEncoding,
}

impl MultipartError {
    #[cold]
    pub(super) const fn limit_passed(limit: LimitKind, max: u64) -> MultipartError {
        MultipartError { kind: Kind::Limit(limit, max) }
    }

    /// The bound that was passed, with its value, if that is what is wrong.
    pub fn limit(&self) -> Option<(LimitKind, u64)> {
        match self.kind {
            Kind::Limit(limit, max) => Some((limit, max)),
            _ => None,
        }
    }

    /// True if the body ended before its last delimiter.
    pub fn is_truncated(&self) -> bool {
        matches!(self.kind, Kind::Truncated | Kind::NoDelimiter)
    }

    /// True if the body is said to be of another type than `multipart/form-data`.
    pub fn is_other_type(&self) -> bool {
        self.kind == Kind::NotFormData
    }
}

impl From<Kind> for MultipartError {
    #[cold]
    fn from(kind: Kind) -> Self {
        MultipartError { kind }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LimitKind::Parts => "parts",
            LimitKind::HeadBytes => "bytes in the head of a part",
            LimitKind::HeadFields => "field lines in the head of a part",
            LimitKind::FieldBytes => "bytes in a field",
            LimitKind::FieldsBytes => "bytes in all fields together",
            LimitKind::FileBytes => "bytes in a file",
            LimitKind::PreambleBytes => "bytes before the first delimiter",
            LimitKind::EpilogueBytes => "bytes after the last delimiter",
            LimitKind::PaddingBytes => "spaces after a delimiter",
        })
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Limit(limit, max) => return write!(f, "more than {max} {limit}"),
            Kind::NotFormData => "the content type is not multipart/form-data",
            Kind::BoundaryMissing => "the content type has no boundary",
            Kind::BoundaryTwice => "the content type has two boundaries",
            Kind::BoundaryInvalid => {
                "the boundary is not 1 to 70 characters of RFC 2046 §5.1.1, the last no space"
            }
            Kind::ParameterInvalid => "a parameter is neither a token nor a quoted string",
            Kind::AfterDelimiter => "a line that begins with the delimiter goes on with something else",
            Kind::NoDelimiter => "the body has no delimiter",
            Kind::Truncated => "the body ends before its last delimiter",
            Kind::BareLineEnd => "a line in the head of a part does not end in CR LF",
            Kind::Folded => "a line in the head of a part is folded",
            Kind::FieldInvalid => "a line in the head of a part is no field",
            Kind::NoDisposition => "a part has no content-disposition",
            Kind::DispositionTwice => "a part has two content-dispositions",
            Kind::NotDisposedAsFormData => "the content-disposition of a part is not form-data",
            Kind::NoName => "a part has no name",
            Kind::NameTwice => "a part has two names",
            Kind::FileNameTwice => "a part has two file names",
            Kind::ExtendedParameter => {
                "a name is sent as name* or filename*, which RFC 7578 §4.2 forbids: send UTF-8 in quotes"
            }
            Kind::NotUtf8 => "a name or file name is not UTF-8",
            Kind::TransferEncoding => {
                "a part has a content-transfer-encoding, which RFC 7578 §4.7 deprecates: send it as it is"
            }
        })
    }
}

impl Error for MultipartError {}
