//! Why bytes are no reply.

use std::error::Error;
use std::fmt;

/// The rule that what was received broke. Each ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeError {
    /// A reply starts with a byte that names no type.
    TypeUnknown(u8),
    /// A CR that no LF follows, or an LF without a CR before it.
    LineEnding,
    /// A line is longer than [`Limits::line_bytes_max`](super::Limits::line_bytes_max).
    LineTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// What should be a number is none, or does not fit into 64 bits.
    NumberInvalid,
    /// What should be a length is no row of digits.
    LengthInvalid,
    /// A streamed string or aggregate.
    Streamed,
    /// A boolean other than `#t` and `#f`, or a null with something behind it.
    ScalarInvalid,
    /// A verbatim string without its three letters and colon.
    VerbatimInvalid,
    /// No CR LF behind a string.
    StringEnding,
    /// A push inside of a reply.
    PushInside,
    /// The reply is larger than [`Limits::reply_bytes_max`](super::Limits::reply_bytes_max).
    TooManyBytes {
        /// The limit, in bytes.
        max: usize,
    },
    /// The reply has more elements than [`Limits::elements_max`](super::Limits::elements_max).
    TooManyElements {
        /// The limit.
        max: usize,
    },
    /// Aggregates are nested deeper than [`Limits::depth_max`](super::Limits::depth_max).
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// The decoder has failed before.
    Poisoned,
}

impl DecodeError {
    /// True if the reply may be well-formed, but is larger than the caller's limits allow.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            DecodeError::LineTooLong { .. }
                | DecodeError::TooManyBytes { .. }
                | DecodeError::TooManyElements { .. }
                | DecodeError::TooDeep { .. }
        )
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::TypeUnknown(byte) => {
                write!(f, "0x{byte:02x} starts no RESP reply: is this port a Redis server's?")
            }
            DecodeError::LineEnding => f.write_str("a line has a CR or LF that is not part of its end"),
            DecodeError::LineTooLong { max } => {
                write!(f, "a line is longer than line_bytes_max, {max} bytes")
            }
            DecodeError::NumberInvalid => f.write_str("a number is malformed or out of range"),
            DecodeError::LengthInvalid => f.write_str("a length is not a row of digits"),
            DecodeError::Streamed => f.write_str("streamed replies are not supported"),
            DecodeError::ScalarInvalid => f.write_str("a boolean or null is malformed"),
            DecodeError::VerbatimInvalid => f.write_str("a verbatim string does not name its format"),
            DecodeError::StringEnding => f.write_str("a string does not end where its length says"),
            DecodeError::PushInside => f.write_str("a push stands inside of a reply"),
            DecodeError::TooManyBytes { max } => {
                write!(f, "the reply is larger than reply_bytes_max, {max} bytes: raise it or ask for less")
            }
            DecodeError::TooManyElements { max } => {
                write!(f, "the reply has more than elements_max, {max}: raise it or ask for less")
            }
            DecodeError::TooDeep { max } => write!(f, "the reply is nested deeper than depth_max, {max}"),
            DecodeError::Poisoned => f.write_str("an earlier reply was malformed"),
        }
    }
}

impl Error for DecodeError {}
