//! Field lines: the part of a head that the application decides.

use bytes::BufMut;

use super::error::{EncodeError, Kind};
use crate::class::{is_field_value, is_token};

/// Writes the fields of one head, then the blank line.
///
/// A line that does not fit is not begun, and room for the blank line is always kept.
#[derive(Debug)]
#[must_use = "a head is complete only after `finish`"]
pub struct FieldWriter<'o, B> {
    /// Invariant: has room for the blank line.
    out: &'o mut B,
}

impl<'o, B: BufMut> FieldWriter<'o, B> {
    /// Goes on behind what is in `out`.
    #[inline]
    pub(crate) fn new(out: &'o mut B) -> Self {
        debug_assert!(out.remaining_mut() >= BLANK_LINE.len(), "the starts check room for the blank line");
        Self { out }
    }

    /// Appends `name: value`. The name is sent as it is given; lower case is customary.
    ///
    /// An empty value is allowed (RFC 9110 §5.5), so are tabs and bytes from 0x80 on.
    ///
    /// # Errors
    /// If the name is not a token (RFC 9110 §5.6.2) or the value holds a control byte other than a
    /// tab; if the field is `content-length`, `transfer-encoding` or `connection`, which follow
    /// from the framing and would contradict it; or if the output is full.
    #[inline]
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
        if !is_token(name) {
            return Err(Kind::FieldName.into());
        }
        if !is_field_value(value) {
            return Err(Kind::FieldValue.into());
        }
        self.danger_field(name, value)
    }

    /// Appends a field whose name and value somebody else has checked, such as the `HeaderName`
    /// and `HeaderValue` of the `http` crate, whose types only hold what [`FieldWriter::field`] accepts.
    ///
    /// Debug builds check it again.
    ///
    /// # Errors
    /// If the field belongs to the framing, which no type tells, or the output is full.
    #[inline]
    pub fn danger_field(&mut self, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
        debug_assert!(is_token(name) && is_field_value(value), "checked by the caller");
        if is_reserved(name) {
            return Err(Kind::ReservedField.into());
        }
        self.check_room(name.len() + SEPARATOR.len() + value.len() + CRLF.len())?;
        self.out.put_slice(name);
        self.out.put_slice(SEPARATOR);
        self.out.put_slice(value);
        self.out.put_slice(CRLF);
        Ok(())
    }

    /// Appends a line that was checked when it was made.
    ///
    /// # Errors
    /// Only [`EncodeError::is_full`].
    #[inline]
    pub fn line(&mut self, line: FieldLine) -> Result<(), EncodeError> {
        self.check_room(line.0.len() + CRLF.len())?;
        self.out.put_slice(line.0.as_bytes());
        self.out.put_slice(CRLF);
        Ok(())
    }

    /// Appends lines that somebody else has checked, each with its CRLF: a block of fields kept in the form
    /// they are sent in. Debug builds check that it ends with a line end.
    ///
    /// # Errors
    /// Only [`EncodeError::is_full`].
    #[inline]
    pub fn danger_lines(&mut self, lines: &[u8]) -> Result<(), EncodeError> {
        debug_assert!(lines.is_empty() || lines.ends_with(CRLF), "checked by the caller");
        self.check_room(lines.len())?;
        self.out.put_slice(lines);
        Ok(())
    }

    /// Ends the head with the blank line.
    #[inline]
    pub fn finish(self) {
        self.out.put_slice(BLANK_LINE);
    }

    /// Fails unless `bytes` bytes fit and the blank line behind them.
    #[inline]
    fn check_room(&self, bytes: usize) -> Result<(), EncodeError> {
        if self.out.remaining_mut() < bytes + BLANK_LINE.len() { Err(Kind::Full.into()) } else { Ok(()) }
    }
}

/// A field line that never changes, checked once.
///
/// ```
/// use corelane_http_proto::encode::FieldLine;
///
/// const TEXT: FieldLine = FieldLine::from_static("content-type: text/plain; charset=utf-8");
/// assert_eq!(TEXT.as_str(), "content-type: text/plain; charset=utf-8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldLine(&'static str);

impl FieldLine {
    /// Takes `name: value`, with one colon and one space between, without a line end.
    ///
    /// # Panics
    /// If the text is not of this form, by the rules of [`FieldWriter::field`]: at compile time in a `const`.
    #[must_use]
    #[track_caller]
    pub const fn from_static(line: &'static str) -> Self {
        let bytes = line.as_bytes();
        let mut colon = 0;
        while colon < bytes.len() && bytes[colon] != b':' {
            colon += 1;
        }
        let (name, rest) = bytes.split_at(colon);
        assert!(is_token(name), "the field name is not a token");
        assert!(!is_reserved(name), "the field belongs to the framing");
        let [b':', b' ', value @ ..] = rest else { panic!("a colon and a space stand before the value") };
        assert!(is_field_value(value), "the field value holds a control byte");
        Self(line)
    }

    /// The line without its line end.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

const SEPARATOR: &[u8; 2] = b": ";
const CRLF: &[u8; 2] = b"\r\n";
const BLANK_LINE: &[u8; 2] = CRLF;

/// True for the fields that say where a message ends or whether the connection goes on. A second
/// one from the application could disagree with what the machine does.
#[inline]
pub(crate) const fn is_reserved(name: &[u8]) -> bool {
    match name.len() {
        10 => name.eq_ignore_ascii_case(b"connection"),
        14 => name.eq_ignore_ascii_case(b"content-length"),
        17 => name.eq_ignore_ascii_case(b"transfer-encoding"),
        _ => false,
    }
}
