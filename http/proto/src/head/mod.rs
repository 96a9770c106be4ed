//! Heads of requests and responses as spans of the input (RFC 9112 §2 to §6).
//!
//! [`RequestHead::parse`] walks the bytes once. On the way it checks each byte against the grammar, turns
//! known field names into [`Name`]s, and gathers what decides the connection's fate: host, framing of the
//! body, keep-alive, expectation, upgrade. Nothing is copied; the field table is kept between heads, so
//! that a connection in steady state does not allocate.
//!
//! A head may arrive in any number of pieces. The parser remembers the last complete line, and of the line after
//! it how far it was good, and goes on there: no byte is read much more than once, however a peer cuts
//! its head. The answer, value or error, does not depend on where the input was cut.
//!
//! ```
//! use corelane_http_proto::head::{BodyFraming, HeadLimits, Method, Name, RequestHead};
//!
//! let input = b"POST /items?page=2 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello";
//! let limits = HeadLimits::default();
//! let mut head = RequestHead::new();
//! assert_eq!(head.parse(&input[..30], &limits)?, None);
//! let len = head.parse(input, &limits)?.expect("the head is complete");
//!
//! assert_eq!(&input[len..], b"hello");
//! assert_eq!(head.method(), Method::Post);
//! assert_eq!(head.path().of(input), b"/items");
//! assert_eq!(head.query().map(|query| query.of(input)), Some(&b"page=2"[..]));
//! assert_eq!(head.find(Name::Host).map(|host| host.value.of(input)), Some(&b"example.com"[..]));
//! assert_eq!(head.framing(), BodyFraming::Length(5));
//! assert!(head.keep_alive());
//! # Ok::<(), corelane_http_proto::head::HeadError>(())
//! ```

mod authority;
mod connection;
mod error;
mod field;
mod limits;
mod lines;
mod request;
mod request_line;
mod response;
mod span;
mod table;
mod target;

pub use authority::is_authority;
pub use error::HeadError;
pub use field::Field;
pub use limits::{FIELDS_CAP, HEAD_BYTES_CAP, HeadLimits, METHOD_BYTES_MAX};
pub use request::RequestHead;
pub use response::ResponseHead;
pub use span::Span;

pub use crate::framing::{BodyFraming, ResponseFraming};
pub use crate::method::Method;
pub use crate::name::Name;

/// Version of the message (RFC 9112 §2.3). Others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0: closes unless asked to stay, knows no `Transfer-Encoding`.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// What to say of a head that has not ended in `input`, of which the first `max` bytes were read.
fn too_large_or_partial(input: &[u8], max: usize) -> Result<Option<usize>, HeadError> {
    if input.len() >= max { Err(HeadError::HeadTooLarge) } else { Ok(None) }
}
