//! RESP, the protocol of Redis, versions 2 and 3.
//!
//! [`Decoder`] turns bytes into [`Reply`]s, as they come in and without looking at any byte twice.
//! [`Command`] is a request, encoded while its arguments are added. [`FromReply`] turns a reply
//! into a Rust type or says why it cannot. [`key_slot`] is the cluster's map from key to slot.
//!
//! The source is the [RESP specification](https://redis.io/docs/latest/develop/reference/protocol-spec/).
//! Where it leaves a choice:
//!
//! * A line ends with CR LF; a CR or LF anywhere else in it is an error.
//! * Lengths are decimal digits without a sign; only RESP2's two nulls, `$-1` and `*-1`, have one.
//! * Streamed strings and aggregates (`$?`, `*?`) are refused: no version of Redis sends them.
//! * Attributes are read and thrown away: they tell about a reply and are not part of it.
//!
//! ```
//! use corelane_storage_proto::resp::{Decoder, FromReply, Reply};
//!
//! let mut decoder = Decoder::default();
//! let mut input: &[u8] = b"*2\r\n:1\r\n:2\r\n>1\r\n+news\r\n";
//! let Ok(Some(Reply::Value(value))) = decoder.decode(&mut input) else { panic!("a value") };
//! assert_eq!(Vec::<u64>::from_reply(value).unwrap(), [1, 2]);
//! assert!(matches!(decoder.decode(&mut input), Ok(Some(Reply::Push(_)))));
//! ```

mod command;
mod convert;
mod decode;
mod error;
mod limits;
mod number;
mod slot;
mod value;

pub use self::command::{Command, ToArg};
pub use self::convert::{ConvertError, FromReply};
pub use self::decode::{Decoder, Reply};
pub use self::error::DecodeError;
pub use self::limits::Limits;
pub use self::slot::{SLOTS, key_slot};
pub use self::value::{ErrorReply, Value};
