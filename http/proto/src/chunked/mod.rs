//! The chunked transfer coding, both ways (RFC 9112 §7.1).
//!
//! The [`Decoder`] copies nothing: it says which ranges of the input are data. Every line it reads
//! has a bound ([`ChunkLimits`]), and it takes exactly one spelling of each: sizes are plain
//! hexadecimal digits, lines end with CRLF, extensions follow the grammar and are skipped. What two
//! parsers could read differently is refused, as that is how requests are smuggled.
//!
//! The way out is [`SizeLine`], the data, [`CHUNK_END`] for each chunk, which suits a vectored write,
//! or [`chunk_into`] for the whole of it; [`LAST_CHUNK`] or a [`TrailerWriter`] ends the body.
//!
//! ```
//! use corelane_http_proto::chunked::{ChunkLimits, Decoder, LAST_CHUNK, Step, chunk_into};
//!
//! let mut wire = Vec::new();
//! chunk_into(&mut wire, b"hello, ")?;
//! chunk_into(&mut wire, b"chunks")?;
//! wire.extend_from_slice(LAST_CHUNK);
//!
//! let mut input = &wire[..];
//! let mut decoder = Decoder::new(ChunkLimits::default());
//! let mut body = Vec::new();
//! loop {
//!     match decoder.decode(input)? {
//!         Step::Data { skip, len } => {
//!             body.extend_from_slice(&input[skip..skip + len]);
//!             input = &input[skip + len..];
//!         }
//!         Step::End { consumed } => {
//!             assert_eq!(consumed, input.len());
//!             break;
//!         }
//!         step => unreachable!("the message is complete and has no trailers: {step:?}"),
//!     }
//! }
//! assert_eq!(body, b"hello, chunks");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod encode;
mod error;
mod extension;
mod trailer;

pub use decode::{ChunkLimits, Decoder, Step};
pub use encode::{
    CHUNK_END, CHUNK_OVERHEAD_MAX, LAST_CHUNK, SIZE_LINE_BYTES_MAX, SizeLine, TrailerWriter, chunk_into,
};
pub use error::ChunkError;
pub use trailer::is_forbidden_trailer;
