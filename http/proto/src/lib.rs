//! Deterministic HTTP/1.1 for servers and clients.
//!
//! Bytes go in; events, spans and bytes come out. This crate opens no socket, reads no clock and waits for
//! nothing; `corelane-http` does all three. What a peer sends does not make it panic, recurse, or allocate more than
//! a limit allows.
//!
//! - [`head`]: heads of requests and responses, as spans of the input. [`name`] and [`method`] are what a head's
//!   parts are called, [`framing`] says how long the body is, [`scan`] is what makes it fast.
//! - [`chunked`]: the chunked coding, with trailers.
//! - [`multipart`]: `multipart/form-data`, parsed and encoded.
//! - [`conn`]: the server's side of a connection, from one request to the next.
//! - [`encode`] and [`mod@date`]: heads as bytes out.
//! - [`proxy`]: what a proxy says about a connection before its first byte.
//!
//! Strictness is not an option: what two readers of the same bytes could take for different messages is refused.
//! Not here: HTTP/2, HTTP/3, TLS, content codings, and the meaning of fields beyond framing and the connection.
//!
//! Unsafe code stands in [`scan`] only.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]
#![deny(unsafe_code)]

pub mod chunked;
mod class;
pub mod conn;
pub mod date;
pub mod encode;
pub mod framing;
pub mod head;
pub mod method;
pub mod multipart;
pub mod name;
pub mod proxy;
#[allow(unsafe_code, reason = "vector instructions; each block says what makes it sound")]
pub mod scan;
