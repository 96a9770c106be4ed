//! Why bytes are no message.

use std::error::Error;
use std::fmt;

/// The rule that what was received broke. Each ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeError {
    /// A message starts with a byte that names none.
    TypeUnknown(u8),
    /// A length that its message cannot have.
    LengthInvalid {
        /// The message's first byte.
        tag: u8,
        /// The length it announced, in bytes, the length field included.
        length: i32,
    },
    /// A message is larger than the [`Limits`](super::Limits) allow.
    TooManyBytes {
        /// The message's first byte.
        tag: u8,
        /// The limit, in bytes.
        max: usize,
    },
    /// What is inside a message is not what such a message holds.
    Malformed {
        /// The message's first byte.
        tag: u8,
        /// What is wrong.
        what: &'static str,
    },
    /// The decoder has failed before.
    Poisoned,
}

impl DecodeError {
    /// True if the message may be well-formed, but is larger than the caller's limits allow.
    pub fn is_limit(&self) -> bool {
        matches!(self, DecodeError::TooManyBytes { .. })
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            DecodeError::TypeUnknown(byte) => {
                write!(f, "0x{byte:02x} starts no message of PostgreSQL: is this port a PostgreSQL server's?")
            }
            DecodeError::LengthInvalid { tag, length } => {
                write!(f, "a message '{}' cannot be {length} bytes long", tag.escape_ascii())
            }
            DecodeError::TooManyBytes { tag, max } => {
                let tag = tag.escape_ascii();
                write!(
                    f,
                    "a message '{tag}' is larger than the limit of {max} bytes: raise it or ask for less"
                )
            }
            DecodeError::Malformed { tag, what } => {
                write!(f, "a message '{}' is malformed: {what}", tag.escape_ascii())
            }
            DecodeError::Poisoned => f.write_str("an earlier message was malformed"),
        }
    }
}

impl Error for DecodeError {}
