//! The PostgreSQL protocol, version 3: <https://www.postgresql.org/docs/current/protocol.html>.
//!
//! [`Decoder`] turns what a server sends into [`Message`]s that borrow from what was received. What a client sends
//! is written by `postgres_protocol::message::frontend`, which needs no help.
//!
//! ```
//! use corelane_storage_proto::pg::{Decoder, Message, Status};
//!
//! let mut decoder = Decoder::default();
//! let mut input: &[u8] = b"Z\0\0\0\x05IC\0\0\0\x0dSEL";
//! assert!(matches!(decoder.decode(&mut input), Ok(Some(Message::Ready(Status::Idle)))));
//! // The rest is kept until it is whole.
//! assert!(matches!(decoder.decode(&mut input), Ok(None)));
//! let mut input: &[u8] = b"ECT 1\0";
//! match decoder.decode(&mut input) {
//!     Ok(Some(Message::Complete(tag))) => assert_eq!((tag.as_str(), tag.rows()), ("SELECT 1", 1)),
//!     other => panic!("{other:?}"),
//! }
//! ```

mod decode;
mod error;
mod limits;
mod message;
mod parts;
mod read;

pub use self::decode::Decoder;
pub use self::error::DecodeError;
pub use self::limits::Limits;
pub use self::message::{Authentication, CopyFormat, Message, Status, Tag};
pub use self::parts::{Column, Columns, Field, Fields, Mechanisms, Oids, RowBody, Values};
