//! The beginning of a request head, for the client side (RFC 9112 §3).

use bytes::BufMut;

use super::error::{EncodeError, Kind};
use super::field::FieldWriter;
use super::response::{BLANK_LINE_BYTES, CHUNKED, CLOSE, CONTENT_LENGTH, Digits, KEEP_ALIVE, UPGRADE};
use super::{ConnectionField, Framing};
use crate::class::{is_token, is_visible};

/// All of a request head that the protocol decides.
///
/// ```
/// use corelane_http_proto::encode::{ConnectionField, Framing, RequestStart};
///
/// let start = RequestStart {
///     method: b"POST",
///     target: b"/items?dry-run=1",
///     host: b"example.org",
///     framing: Framing::Length(2),
///     connection: ConnectionField::Omit,
/// };
/// let mut out = Vec::new();
/// let mut fields = start.encode(&mut out)?;
/// fields.field(b"content-type", b"application/json")?;
/// fields.finish();
/// assert_eq!(
///     out,
///     b"POST /items?dry-run=1 HTTP/1.1\r\n\
///       host: example.org\r\n\
///       content-length: 2\r\n\
///       content-type: application/json\r\n\r\n"
/// );
/// # Ok::<(), corelane_http_proto::encode::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestStart<'a> {
    /// Method, a token in upper case by custom.
    pub method: &'a [u8],
    /// Request target in the form the method wants (RFC 9112 §3.2): `/path?query`, an absolute URI, an authority, or `*`.
    pub target: &'a [u8],
    /// Value of `host`, sent as the first field. Empty where the target has no authority (RFC 9110 §7.2).
    pub host: &'a [u8],
    /// How the body is delimited. [`Framing::Omit`] means that there is none: a request cannot end with its connection.
    pub framing: Framing,
    /// Whether the connection goes on.
    pub connection: ConnectionField,
}

impl RequestStart<'_> {
    /// Writes the start into `out` and lets the fields of the application follow.
    ///
    /// # Errors
    /// If the method is not a token; if target or host hold a space, a control byte or a byte
    /// from 0x80 on, or the target is empty; or if `out` is too small. Nothing is written then.
    pub fn encode<'o, B: BufMut>(&self, out: &'o mut B) -> Result<FieldWriter<'o, B>, EncodeError> {
        if !is_token(self.method) {
            return Err(Kind::Method.into());
        }
        if self.target.is_empty() || !is_visible(self.target) {
            return Err(Kind::Target.into());
        }
        if !is_visible(self.host) {
            return Err(Kind::FieldValue.into());
        }
        let digits;
        let framing: [&[u8]; 2] = match self.framing {
            Framing::Omit => [b"", b""],
            Framing::Length(bytes) => {
                digits = Digits::of(bytes);
                [CONTENT_LENGTH, digits.line()]
            }
            Framing::Chunked => [CHUNKED, b""],
        };
        let connection: &[u8] = match self.connection {
            ConnectionField::Omit => b"",
            ConnectionField::KeepAlive => KEEP_ALIVE,
            ConnectionField::Close => CLOSE,
            ConnectionField::Upgrade => UPGRADE,
        };
        let parts: [&[u8]; 9] = [
            self.method,
            b" ",
            self.target,
            b" HTTP/1.1\r\nhost: ",
            self.host,
            b"\r\n",
            framing[0],
            framing[1],
            connection,
        ];
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if out.remaining_mut() < bytes + BLANK_LINE_BYTES {
            return Err(Kind::Full.into());
        }
        for part in parts {
            out.put_slice(part);
        }
        Ok(FieldWriter::new(out))
    }
}
