//! What a reply is.

use std::error::Error;
use std::fmt;

use bytes::Bytes;

/// A reply, or an element of one.
///
/// RESP2 has fewer types: there, maps and sets come as arrays, and booleans and doubles as integers
/// and strings. [`FromReply`](super::FromReply) evens that out.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: the key does not exist, the transaction was not executed.
    Null,
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// An integer of any size, as text.
    BigNumber(Bytes),
    /// A short text such as `OK`.
    Status(Bytes),
    /// A string of any bytes.
    Bulk(Bytes),
    /// A text that says how it is to be shown.
    Verbatim {
        /// `txt` or `mkd`.
        format: [u8; 3],
        /// The text without it.
        text: Bytes,
    },
    /// An error as an element, as in the reply to `EXEC`.
    Error(ErrorReply),
    /// Values in order.
    Array(Vec<Value>),
    /// Values without order, each once.
    Set(Vec<Value>),
    /// Pairs in the order they came.
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Double(_) => "a double",
            Value::BigNumber(_) => "a big number",
            Value::Status(_) => "a status",
            Value::Bulk(_) => "a string",
            Value::Verbatim { .. } => "a verbatim string",
            Value::Error(_) => "an error",
            Value::Array(_) => "an array",
            Value::Set(_) => "a set",
            Value::Map(_) => "a map",
        }
    }

    /// The bytes of anything that is text on the wire.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bulk(bytes) | Value::Status(bytes) | Value::BigNumber(bytes) => Some(bytes),
            Value::Verbatim { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The bytes of anything that is text on the wire, without a copy.
    ///
    /// # Errors
    /// Gives the value back if it is something else.
    pub fn into_bytes(self) -> Result<Bytes, Value> {
        match self {
            Value::Bulk(bytes) | Value::Status(bytes) | Value::BigNumber(bytes) => Ok(bytes),
            Value::Verbatim { text, .. } => Ok(text),
            other => Err(other),
        }
    }

    /// True for the status `OK`.
    pub fn is_ok(&self) -> bool {
        matches!(self, Value::Status(status) if status == "OK")
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Value {
        Value::Bulk(Bytes::from_static(text.as_bytes()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

/// An error that the server answered with: the command was received and refused, or failed.
///
/// ```
/// use corelane_storage_proto::resp::ErrorReply;
///
/// let error = ErrorReply::new("WRONGTYPE Operation against a key holding the wrong kind of value");
/// assert_eq!(error.code(), "WRONGTYPE");
/// assert_eq!(error.detail(), "Operation against a key holding the wrong kind of value");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    message: Bytes,
}

impl ErrorReply {
    /// An error with this message.
    pub fn new(message: impl Into<Bytes>) -> ErrorReply {
        ErrorReply { message: message.into() }
    }

    /// The whole message, as the server sent it.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Its first word, by which programs tell errors apart: `ERR`, `WRONGTYPE`, `MOVED`. Empty if it is no
    /// text.
    pub fn code(&self) -> &str {
        let end = memchr::memchr(b' ', &self.message).unwrap_or(self.message.len());
        std::str::from_utf8(&self.message[..end]).unwrap_or_default()
    }

    /// What follows the code, for people. Empty if it is no text.
    pub fn detail(&self) -> &str {
        let start = memchr::memchr(b' ', &self.message).map_or(self.message.len(), |at| at + 1);
        std::str::from_utf8(&self.message[start..]).unwrap_or_default()
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.message).fmt(f)
    }
}

impl Error for ErrorReply {}
