//! The head of a part.

use std::fmt;
use std::ops::Range;

use super::error::{Kind, LimitKind, MultipartError};
use super::params;
use crate::class::{is_field_value, is_token};

/// The head of a part: the field's name, the file's name if it is one, and the field lines as they came.
#[derive(Clone, PartialEq, Eq)]
pub struct PartHead {
    bytes: Vec<u8>,
    /// Name and value of each line, as ranges of `bytes`.
    fields: Vec<(Range<usize>, Range<usize>)>,
    name: String,
    file_name: Option<String>,
}

impl PartHead {
    /// Parses a whole head, with the empty line that ends it.
    pub(super) fn parse(bytes: Vec<u8>, fields_max: usize) -> Result<PartHead, MultipartError> {
        let mut fields = Vec::new();
        let mut at = 0;
        while let Some(len) = memchr::memmem::find(&bytes[at..], b"\r\n").filter(|len| *len > 0) {
            if fields.len() == fields_max {
                return Err(MultipartError::limit_passed(LimitKind::HeadFields, fields_max as u64));
            }
            fields.push(field(&bytes, at..at + len)?);
            at += len + 2;
        }
        let mut head = PartHead { bytes, fields, name: String::new(), file_name: None };
        (head.name, head.file_name) = disposition(head.only("content-disposition")?)?;
        head.check_encoding()?;
        Ok(head)
    }

    /// Name of the form's field.
    ///
    /// Browsers send `"`, CR and LF in it as `%22`, `%0D` and `%0A`; it is left to the reader to undo that.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name that the client gives the file. It is the client's to choose, `../../etc/passwd` for one: never a path.
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// Value of `content-type` as the client claims it. RFC 7578 §4.4: without one, a field is `text/plain`.
    pub fn content_type(&self) -> Option<&str> {
        self.field("content-type").and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Value of the first field line of this name (any case).
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The field lines as they came: name, value.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| {
            (std::str::from_utf8(&self.bytes[name.clone()]).unwrap_or_default(), &self.bytes[value.clone()])
        })
    }

    /// The value of `content-disposition`, which a part has once (RFC 7578 §4.2).
    fn only(&self, name: &str) -> Result<&[u8], MultipartError> {
        let mut found = self.fields().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let (_, value) = found.next().ok_or(Kind::NoDisposition)?;
        if found.next().is_some() { Err(Kind::DispositionTwice.into()) } else { Ok(value) }
    }

    /// Data that is encoded would be taken for what it is not. Those encodings that change nothing pass.
    fn check_encoding(&self) -> Result<(), MultipartError> {
        let plain = |value: &[u8]| {
            [&b"7bit"[..], b"8bit", b"binary"].iter().any(|name| value.eq_ignore_ascii_case(name))
        };
        let mut lines =
            self.fields().filter(|(name, _)| name.eq_ignore_ascii_case("content-transfer-encoding"));
        if lines.all(|(_, value)| plain(value)) { Ok(()) } else { Err(Kind::TransferEncoding.into()) }
    }
}

/// Name and value of the field line at `line`.
fn field(bytes: &[u8], line: Range<usize>) -> Result<(Range<usize>, Range<usize>), MultipartError> {
    let text = &bytes[line.clone()];
    if text.starts_with(b" ") || text.starts_with(b"\t") {
        return Err(Kind::Folded.into());
    }
    let colon = memchr::memchr(b':', text).ok_or(Kind::FieldInvalid)?;
    let value = &text[colon + 1..];
    // Of the control bytes that a value may not have, CR is the one that would begin another line.
    if memchr::memchr(b'\r', text).is_some() {
        return Err(Kind::BareLineEnd.into());
    }
    if !is_token(&text[..colon]) || !is_field_value(value) {
        return Err(Kind::FieldInvalid.into());
    }
    let begin = line.start + colon + 1 + (value.len() - value.trim_ascii_start().len());
    Ok((line.start..line.start + colon, begin..begin + value.trim_ascii().len()))
}

/// The names in a `content-disposition` (RFC 7578 §4.2).
fn disposition(value: &[u8]) -> Result<(String, Option<String>), MultipartError> {
    let (kind, params) = params::split(value);
    if !kind.eq_ignore_ascii_case(b"form-data") {
        return Err(Kind::NotDisposedAsFormData.into());
    }
    let (mut name, mut file_name) = (None, None);
    for param in params {
        let (param, value) = param?;
        let text = || String::from_utf8(value.text()).map_err(|_| MultipartError::from(Kind::NotUtf8));
        if param.eq_ignore_ascii_case(b"name") {
            if name.replace(text()?).is_some() {
                return Err(Kind::NameTwice.into());
            }
        } else if param.eq_ignore_ascii_case(b"filename") {
            if file_name.replace(text()?).is_some() {
                return Err(Kind::FileNameTwice.into());
            }
        } else if param.ends_with(b"*") {
            // Readers differ in which of the two names counts.
            return Err(Kind::ExtendedParameter.into());
        }
    }
    Ok((name.ok_or(Kind::NoName)?, file_name))
}

impl fmt::Debug for PartHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartHead")
            .field("name", &self.name)
            .field("file_name", &self.file_name)
            .field("content_type", &self.content_type())
            .finish_non_exhaustive()
    }
}
