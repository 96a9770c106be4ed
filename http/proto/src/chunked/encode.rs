//! Chunks as bytes out.

use core::num::NonZeroU64;

use super::is_forbidden_trailer;
use crate::encode::error::Kind;
use crate::encode::{EncodeError, FieldWriter, is_reserved};

/// Longest size line that we write, in bytes: 16 digits and CRLF.
pub const SIZE_LINE_BYTES_MAX: usize = 18;

/// What stands behind the data of each chunk.
pub const CHUNK_END: &[u8; 2] = b"\r\n";

/// The end of a body without trailers.
pub const LAST_CHUNK: &[u8; 5] = b"0\r\n\r\n";

/// Most bytes that [`chunk_into`] adds to the data.
pub const CHUNK_OVERHEAD_MAX: usize = SIZE_LINE_BYTES_MAX + CHUNK_END.len();

/// The line in front of the data of a chunk, for a caller that sends the data from where they lie.
///
/// ```
/// use core::num::NonZeroU64;
/// use corelane_http_proto::chunked::SizeLine;
///
/// let line = SizeLine::new(NonZeroU64::new(0x1a2b).unwrap());
/// assert_eq!(line.as_bytes(), b"1a2b\r\n");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SizeLine {
    /// The line, flush right, so that digits are written from the last to the first.
    text: [u8; SIZE_LINE_BYTES_MAX],
    /// Where the line begins. Invariant: `start < SIZE_LINE_BYTES_MAX`.
    start: usize,
}

impl SizeLine {
    /// The line for `data_bytes` bytes of data. They are never zero: that line would end the body.
    #[must_use]
    pub fn new(data_bytes: NonZeroU64) -> Self {
        let mut text = [0; SIZE_LINE_BYTES_MAX];
        let mut start = SIZE_LINE_BYTES_MAX - CHUNK_END.len();
        text[start..].copy_from_slice(CHUNK_END);
        let mut left = data_bytes.get();
        while left != 0 {
            start -= 1;
            text[start] = b"0123456789abcdef"[(left % 16) as usize];
            left /= 16;
        }
        Self { text, start }
    }

    /// The line with its CRLF.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

/// Writes `data` as one chunk and returns how many bytes of `out` it took: none for empty data,
/// whose chunk would end the body.
///
/// # Errors
/// [`EncodeError::is_full`] if `out` has less room than the chunk takes, at most
/// [`CHUNK_OVERHEAD_MAX`] bytes more than the data. Nothing is written then.
pub fn chunk_into(out: &mut [u8], data: &[u8]) -> Result<usize, EncodeError> {
    let Some(data_bytes) = NonZeroU64::new(data.len() as u64) else {
        return Ok(0);
    };
    let size = SizeLine::new(data_bytes);
    let size = size.as_bytes();
    let total = size.len() + data.len() + CHUNK_END.len();
    let out = out.get_mut(..total).ok_or(Kind::Full)?;
    out[..size.len()].copy_from_slice(size);
    out[size.len()..total - CHUNK_END.len()].copy_from_slice(data);
    out[total - CHUNK_END.len()..].copy_from_slice(CHUNK_END);
    Ok(total)
}

/// Writes the last chunk and the trailer fields behind it (RFC 9112 §7.1.2).
///
/// Send trailers only where the peer is known to read them (`te: trailers`), or where they may be lost.
///
/// ```
/// use corelane_http_proto::chunked::TrailerWriter;
///
/// let mut out = [0; 64];
/// let mut trailers = TrailerWriter::new(&mut out)?;
/// trailers.field(b"server-timing", b"db;dur=3")?;
/// assert!(trailers.field(b"content-length", b"3").is_err());
/// let len = trailers.finish();
/// assert_eq!(&out[..len], b"0\r\nserver-timing: db;dur=3\r\n\r\n");
/// # Ok::<(), corelane_http_proto::encode::EncodeError>(())
/// ```
#[derive(Debug)]
#[must_use = "a body is complete only after `finish`"]
pub struct TrailerWriter<'o> {
    fields: FieldWriter<'o>,
}

impl<'o> TrailerWriter<'o> {
    /// Begins with the last chunk at the front of `out`.
    ///
    /// # Errors
    /// [`EncodeError::is_full`] if `out` has not even room for a body's end without trailers.
    pub fn new(out: &'o mut [u8]) -> Result<Self, EncodeError> {
        let start = out.first_chunk_mut::<{ LAST_CHUNK.len() }>().ok_or(Kind::Full)?;
        start.copy_from_slice(LAST_CHUNK);
        Ok(Self { fields: FieldWriter::new(out, LAST_CHUNK.len() - CHUNK_END.len()) })
    }

    /// Appends `name: value`.
    ///
    /// # Errors
    /// As [`FieldWriter::field`]; also if the field may not be a trailer ([`is_forbidden_trailer`]).
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
        if is_forbidden_trailer(name) && !is_reserved(name) {
            return Err(Kind::ForbiddenTrailer.into());
        }
        self.fields.field(name, value)
    }

    /// Ends the body and returns how many bytes of the output its end took.
    #[must_use = "this is how much of the output counts"]
    pub fn finish(self) -> usize {
        self.fields.finish()
    }
}
