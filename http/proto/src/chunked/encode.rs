//! Chunks as bytes out.

use core::num::NonZeroU64;

use bytes::BufMut;

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

/// Appends `data` as one chunk; nothing if they are empty, as that chunk would end the body.
///
/// # Errors
/// [`EncodeError::is_full`] if `out` has less room than the chunk takes, at most
/// [`CHUNK_OVERHEAD_MAX`] bytes more than the data. Nothing is written then.
pub fn chunk_into<B: BufMut>(out: &mut B, data: &[u8]) -> Result<(), EncodeError> {
    let Some(data_bytes) = NonZeroU64::new(data.len() as u64) else {
        return Ok(());
    };
    let size = SizeLine::new(data_bytes);
    if out.remaining_mut() < size.as_bytes().len() + data.len() + CHUNK_END.len() {
        return Err(Kind::Full.into());
    }
    out.put_slice(size.as_bytes());
    out.put_slice(data);
    out.put_slice(CHUNK_END);
    Ok(())
}

/// Writes the last chunk and the trailer fields behind it (RFC 9112 §7.1.2).
///
/// Send trailers only where the peer is known to read them (`te: trailers`), or where they may be lost.
///
/// ```
/// use corelane_http_proto::chunked::TrailerWriter;
///
/// let mut out = Vec::new();
/// let mut trailers = TrailerWriter::new(&mut out)?;
/// trailers.field(b"server-timing", b"db;dur=3")?;
/// assert!(trailers.field(b"content-length", b"3").is_err());
/// trailers.finish();
/// assert_eq!(out, b"0\r\nserver-timing: db;dur=3\r\n\r\n");
/// # Ok::<(), corelane_http_proto::encode::EncodeError>(())
/// ```
#[derive(Debug)]
#[must_use = "a body is complete only after `finish`"]
pub struct TrailerWriter<'o, B> {
    fields: FieldWriter<'o, B>,
}

impl<'o, B: BufMut> TrailerWriter<'o, B> {
    /// Begins with the last chunk.
    ///
    /// # Errors
    /// [`EncodeError::is_full`] if `out` has not even room for a body's end without trailers.
    pub fn new(out: &'o mut B) -> Result<Self, EncodeError> {
        if out.remaining_mut() < LAST_CHUNK.len() {
            return Err(Kind::Full.into());
        }
        let (size_line, _blank_line) = LAST_CHUNK.split_at(LAST_CHUNK.len() - CHUNK_END.len());
        out.put_slice(size_line);
        Ok(Self { fields: FieldWriter::new(out) })
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

    /// Ends the body.
    pub fn finish(self) {
        self.fields.finish();
    }
}
