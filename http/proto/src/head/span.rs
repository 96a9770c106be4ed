//! A range of the input by offset and length.

use std::fmt;

/// A part of a head: offset and length in bytes, counted from the first byte given to the parser.
///
/// Offsets are 16 bits wide, so that a field fits in twelve bytes; [`HEAD_BYTES_CAP`](super::HEAD_BYTES_CAP)
/// keeps heads within that. A span holds no reference: the connection may move the bytes, as long as
/// the slice it later hands to [`of`](Span::of) starts at the same byte.
///
/// ```
/// use corelane_http_proto::head::Span;
///
/// let span = Span::new(4, 6);
/// assert_eq!(span.of(b"GET /index HTTP/1.1"), b"/index");
/// assert_eq!(span.str_of(b"GET /index HTTP/1.1"), Some("/index"));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span(u32);

impl Span {
    /// A span of `len` bytes from `start` on.
    #[inline]
    #[must_use]
    pub const fn new(start: u16, len: u16) -> Self {
        Self(start as u32 | (len as u32) << 16)
    }

    /// A span over `start..end`, for offsets the parser has already bounded.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parser looks at no more than HEAD_BYTES_CAP bytes"
    )]
    pub(crate) const fn between(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= super::HEAD_BYTES_CAP, "offsets of a head fit in 16 bits");
        Self(start as u32 | ((end - start) as u32) << 16)
    }

    /// Offset of the first byte.
    #[inline]
    #[must_use]
    pub const fn start(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// Offset after the last byte.
    #[inline]
    #[must_use]
    pub const fn end(self) -> usize {
        self.start() + self.len()
    }

    /// Length in bytes.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        (self.0 >> 16) as usize
    }

    /// True if the span covers no byte.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes of `head` that this span covers.
    ///
    /// # Panics
    ///
    /// If `head` is shorter than the head this span was parsed from. No input of a peer causes that,
    /// only a wrong buffer does.
    #[inline]
    #[must_use]
    pub fn of(self, head: &[u8]) -> &[u8] {
        &head[self.start()..self.end()]
    }

    /// The same as text; `None` if the bytes are not UTF-8.
    ///
    /// Methods, targets, hosts and field names are ASCII once the parser has accepted them, so for
    /// those the answer is always `Some`. Field values may hold any byte from 0x80 on (RFC 9110 §5.5).
    ///
    /// # Panics
    ///
    /// As [`of`](Self::of).
    #[inline]
    #[must_use]
    pub fn str_of(self, head: &[u8]) -> Option<&str> {
        std::str::from_utf8(self.of(head)).ok()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Span({}..{})", self.start(), self.end())
    }
}
