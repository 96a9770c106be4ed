//! The wire protocols of the stores Corelane talks to: bytes in, values out.
//!
//! This crate opens no socket and reads no clock; `corelane-storage` does both. Each protocol is a
//! feature of its own.
//!
//! ```
//! # #[cfg(feature = "redis")] {
//! use corelane_storage_proto::resp::{Command, Decoder, Reply, Value};
//!
//! let command = Command::new("GET").arg("greeting");
//! let mut out = Vec::new();
//! command.write_to(&mut out);
//! assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$8\r\ngreeting\r\n");
//!
//! let mut decoder = Decoder::default();
//! let mut input: &[u8] = b"$5\r\nhel";
//! assert_eq!(decoder.decode(&mut input), Ok(None));
//! let mut input: &[u8] = b"lo\r\n";
//! assert_eq!(decoder.decode(&mut input), Ok(Some(Reply::Value(Value::from("hello")))));
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

#[cfg(feature = "postgres")]
pub mod pg;
#[cfg(feature = "redis")]
pub mod resp;
