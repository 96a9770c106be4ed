//! What can be wrong with a head that the application wants to send.

use core::fmt;

/// Why a head could not be encoded.
///
/// Either the output is too small ([`EncodeError::is_full`]), which more room cures, or the
/// application asked for something that must not go on the wire, which nothing cures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Full,
    Status,
    Method,
    Target,
    FieldName,
    FieldValue,
    ReservedField,
    ForbiddenTrailer,
}

impl EncodeError {
    /// True if the only fault is the size of the output, so that the same head fits a larger one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kind == Kind::Full
    }

    /// True if a field name or value holds bytes that could change the structure of the message:
    /// what a response-splitting attempt looks like.
    #[must_use]
    pub fn is_injection(&self) -> bool {
        matches!(self.kind, Kind::FieldName | Kind::FieldValue | Kind::Target | Kind::Method)
    }
}

impl From<Kind> for EncodeError {
    #[cold]
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Full => "the head does not fit the output",
            Kind::Status => "the status code is outside 100 to 599",
            Kind::Method => "the method is not a token",
            Kind::Target => "the request target holds a space, a control byte or is empty",
            Kind::FieldName => "the field name is not a token",
            Kind::FieldValue => "the field value holds a control byte",
            Kind::ReservedField => "the field belongs to the framing, which the encoder writes itself",
            Kind::ForbiddenTrailer => "the field may not be sent as a trailer",
        })
    }
}

impl core::error::Error for EncodeError {}
