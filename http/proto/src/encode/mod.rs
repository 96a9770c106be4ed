//! Heads as bytes out: response heads for the server, request heads for the client.
//!
//! A head goes straight into the output buffer of the caller, any [`bytes::BufMut`]. Room for
//! everything the protocol itself adds is checked once, [`START_BYTES_MAX`] bytes; after that,
//! status line, `date` and framing are plain copies. Fields of the application follow
//! through a [`FieldWriter`], which refuses whatever could end a line early: CR, LF, NUL or any
//! other control byte in a name or a value is an [`EncodeError`], and so is a field that would
//! contradict the framing.
//!
//! A buffer that is full ([`EncodeError::is_full`]) or a field that is refused may leave part of a head behind: the
//! caller truncates its buffer to where the head began.
//!
//! ```
//! use corelane_http_proto::date::DateCache;
//! use corelane_http_proto::encode::{ConnectionField, Framing, ResponseStart};
//!
//! let date = DateCache::new(784_111_777);
//! let start = ResponseStart {
//!     status: 200,
//!     framing: Framing::Length(13),
//!     connection: ConnectionField::Omit,
//! };
//! let mut out = Vec::new();
//! let mut fields = start.encode(&mut out, Some(&date))?;
//! fields.field(b"content-type", b"text/plain")?;
//! fields.finish();
//! assert_eq!(
//!     out,
//!     b"HTTP/1.1 200 OK\r\n\
//!       date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
//!       content-length: 13\r\n\
//!       content-type: text/plain\r\n\r\n"
//! );
//! # Ok::<(), corelane_http_proto::encode::EncodeError>(())
//! ```

pub(crate) mod error;
mod field;
mod request;
mod response;
mod status;

pub use error::EncodeError;
pub use field::{FieldLine, FieldWriter};
pub use request::RequestStart;
pub use response::{CONTINUE, ConnectionField, Framing, ResponseStart, START_BYTES_MAX};
pub use status::reason;

pub(crate) use field::is_reserved;
pub(crate) use response::CONTENT_LENGTH;
