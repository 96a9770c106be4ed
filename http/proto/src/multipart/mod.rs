//! `multipart/form-data` (RFC 7578 over RFC 2046 §5.1): a parser that is pushed bytes, and an encoder.
//!
//! Bytes go in as they arrive; the [`Parser`] gives parts, ranges of the input that are their data, and their ends. It
//! keeps the head of a part while that is not complete, and of a part's data at most the beginning of a delimiter,
//! which it need not store: it knows what a delimiter looks like. A file of any length passes through in constant memory.
//!
//! Strict where two readers could see different parts, or lose something: line ends are CRLF, what follows a delimiter on
//! its line is refused unless it is padding, each part names a field, and nothing is decoded behind the sender's back.
//! [`MultipartError`] lists what is refused. A part that is itself multipart is data like any other; RFC 7578 §4.3 has
//! no nesting.
//!
//! ```
//! use corelane_http_proto::multipart::{Boundary, Event, Limits, Parser};
//!
//! let boundary = Boundary::from_content_type(b"multipart/form-data; boundary=XX")?;
//! let mut parser = Parser::new(&boundary, Limits::default());
//! let input = b"--XX\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nhello\r\n--XX--\r\n";
//! let (mut at, mut name, mut data) = (0, String::new(), Vec::new());
//! while at < input.len() {
//!     let step = parser.handle_input(&input[at..])?;
//!     match step.event {
//!         Event::Part(head) => name.push_str(head.name()),
//!         Event::Data(range) => data.extend_from_slice(&input[at..][range]),
//!         Event::Held(bytes) => data.extend_from_slice(bytes),
//!         Event::PartEnd | Event::NeedMore => {}
//!     }
//!     at += step.consumed;
//! }
//! parser.handle_end()?;
//! assert_eq!((&*name, &*data), ("a", &b"hello"[..]));
//! # Ok::<(), corelane_http_proto::multipart::MultipartError>(())
//! ```

mod boundary;
mod delimiter;
mod encode;
mod error;
mod params;
mod parser;
mod part;

pub use boundary::{BOUNDARY_LEN_MAX, Boundary};
pub use encode::Encoder;
pub use error::{LimitKind, MultipartError};
pub use parser::{Event, Parser, Step};
pub use part::PartHead;

/// Bytes before the first delimiter that are skipped. RFC 2046 §5.1.1 has them ignored; mail puts a sentence there,
/// browsers nothing.
pub const PREAMBLE_BYTES_MAX: u64 = 1024;
/// Bytes after the last delimiter that are skipped.
pub const EPILOGUE_BYTES_MAX: u64 = 1024;
/// Spaces and tabs that may follow a delimiter on its line (`transport-padding` of RFC 2046 §5.1.1). Nobody sends any;
/// relays of mail might.
pub const PADDING_BYTES_MAX: usize = 64;

/// What one body may consist of. The length of the whole is the body's own limit.
///
/// A part with a file name is a *file*, one without is a *field*: files go to a disk, fields are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most parts (256).
    ///
    /// Each costs a head that is parsed and kept, for as little as 50 bytes sent.
    pub parts_max: u32,
    /// Longest head of a part, in bytes (8 KiB): the field lines and the empty line that ends them.
    pub head_bytes_max: usize,
    /// Most field lines in the head of a part (16). RFC 7578 §4.8 has use for two.
    pub head_fields_max: usize,
    /// Longest field, in bytes (256 KiB).
    pub field_bytes_max: u64,
    /// All fields together, in bytes (1 MiB): what a collector holds in memory for one body.
    pub fields_bytes_max: u64,
    /// Longest file, in bytes (none of its own: as long as the body may be).
    pub file_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            parts_max: 256,
            head_bytes_max: 8 * 1024,
            head_fields_max: 16,
            field_bytes_max: 256 * 1024,
            fields_bytes_max: 1024 * 1024,
            file_bytes_max: u64::MAX,
        }
    }
}
