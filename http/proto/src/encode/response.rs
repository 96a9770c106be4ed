//! The beginning of a response head: status line, date, framing, connection.

use bytes::BufMut;

use super::error::{EncodeError, Kind};
use super::field::FieldWriter;
use super::status;
use crate::date::{DATE_LINE_BYTES, DateCache, OK_DATE_LENGTH_BYTES};

/// Room that [`ResponseStart::encode`] asks for, in bytes: the longest status line, the date, the
/// longest framing and connection fields, and the blank line.
///
/// It is asked for as a whole, even where the actual start is shorter, so that one comparison covers all copies.
pub const START_BYTES_MAX: usize = status::LINE_BYTES_MAX
    + DATE_LINE_BYTES
    + CONTENT_LENGTH.len()
    + U64_DIGITS_MAX
    + 2
    + KEEP_ALIVE.len()
    + BLANK_LINE_BYTES;

/// The interim response that tells a client to send its body (RFC 9110 §15.2.1). It has no fields.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

pub(crate) const CONTENT_LENGTH: &[u8; 16] = b"content-length: ";
pub(super) const CHUNKED: &[u8; 28] = b"transfer-encoding: chunked\r\n";
pub(super) const KEEP_ALIVE: &[u8; 24] = b"connection: keep-alive\r\n";
pub(super) const CLOSE: &[u8; 19] = b"connection: close\r\n";
pub(super) const UPGRADE: &[u8; 21] = b"connection: upgrade\r\n";
pub(super) const BLANK_LINE_BYTES: usize = 2;
pub(super) const U64_DIGITS_MAX: usize = 20;

const _: () =
    assert!(CHUNKED.len() <= CONTENT_LENGTH.len() + U64_DIGITS_MAX + 2, "the room covers either framing");
const _: () =
    assert!(CLOSE.len() <= KEEP_ALIVE.len() && UPGRADE.len() <= KEEP_ALIVE.len(), "and either option");
const _: () = assert!(
    OK_DATE_LENGTH_BYTES <= status::LINE_BYTES_MAX + DATE_LINE_BYTES + CONTENT_LENGTH.len(),
    "and the shortcut for 200"
);

/// The field that says where the body of a message ends (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No field: the message cannot have a body, or the body ends where the connection does.
    Omit,
    /// `content-length` with this many bytes.
    Length(u64),
    /// `transfer-encoding: chunked`; the body goes through [`crate::chunked`].
    Chunked,
}

/// The `connection` field (RFC 9110 §7.6.1, RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionField {
    /// No field: an HTTP/1.1 peer takes the connection to stay open.
    Omit,
    /// `keep-alive`, which an HTTP/1.0 client needs to hear.
    KeepAlive,
    /// `close`: this message is the last one.
    Close,
    /// `upgrade`: the application adds the `upgrade` field itself (RFC 9110 §7.8).
    Upgrade,
}

/// All of a response head that the protocol decides. Usually made by
/// [`ServerConn::respond`](crate::conn::ServerConn::respond), which knows the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseStart {
    /// Status code, 100 to 599.
    pub status: u16,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the connection goes on.
    pub connection: ConnectionField,
}

impl ResponseStart {
    /// Writes the start into `out` and lets the fields of the application follow.
    ///
    /// The version is always HTTP/1.1, also towards an HTTP/1.0 client: RFC 9110 §6.2 wants the
    /// highest version the server conforms to. `date` is omitted only if the caller forwards
    /// a response that has its own (RFC 9110 §6.6.1).
    ///
    /// # Errors
    /// If `out` has less room than [`START_BYTES_MAX`], or the status is outside 100 to 599. Nothing is written then.
    #[inline]
    pub fn encode<'o, B: BufMut>(
        &self,
        out: &'o mut B,
        date: Option<&DateCache>,
    ) -> Result<FieldWriter<'o, B>, EncodeError> {
        if out.remaining_mut() < START_BYTES_MAX {
            return Err(Kind::Full.into());
        }
        match (date, self.framing) {
            // One copy for the beginning of nearly every response.
            (Some(date), Framing::Length(bytes)) if self.status == 200 => {
                out.put_slice(date.ok_date_and_length());
                out.put_slice(Digits::of(bytes).line());
            }
            _ => self.encode_rare(out, date)?,
        }
        match self.connection {
            ConnectionField::Omit => {}
            ConnectionField::KeepAlive => out.put_slice(KEEP_ALIVE),
            ConnectionField::Close => out.put_slice(CLOSE),
            ConnectionField::Upgrade => out.put_slice(UPGRADE),
        }
        Ok(FieldWriter::new(out))
    }

    /// Status line, date and framing one by one.
    #[inline(never)]
    fn encode_rare<B: BufMut>(&self, out: &mut B, date: Option<&DateCache>) -> Result<(), EncodeError> {
        out.put_slice(status::line(self.status).ok_or(Kind::Status)?);
        if let Some(date) = date {
            out.put_slice(date.line());
        }
        match self.framing {
            Framing::Length(bytes) => {
                out.put_slice(CONTENT_LENGTH);
                out.put_slice(Digits::of(bytes).line());
            }
            Framing::Chunked => out.put_slice(CHUNKED),
            Framing::Omit => {}
        }
        Ok(())
    }
}

/// A number in decimal digits with a CRLF behind it.
pub(super) struct Digits {
    /// The text stands at the end.
    text: [u8; U64_DIGITS_MAX + 2],
    start: usize,
}

impl Digits {
    #[inline]
    pub(super) fn of(number: u64) -> Self {
        let mut digits = Self { text: [b'\n'; U64_DIGITS_MAX + 2], start: U64_DIGITS_MAX };
        digits.text[U64_DIGITS_MAX] = b'\r';
        let mut rest = number;
        // The last digit first; no number has more than there is room for.
        loop {
            digits.start -= 1;
            digits.text[digits.start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 || digits.start == 0 {
                return digits;
            }
        }
    }

    #[inline]
    pub(super) fn line(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_written_out() {
        for number in [0, 9, 10, 99, 100, 999, 65_536, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            assert_eq!(Digits::of(number).line(), format!("{number}\r\n").as_bytes());
        }
    }
}
