//! The beginning of a response head: status line, date, framing, connection.

use super::error::{EncodeError, Kind};
use super::field::FieldWriter;
use super::status;
use crate::date::{DATE_LINE_BYTES, DateCache, OK_AND_DATE_BYTES};

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

pub(super) const CONTENT_LENGTH: &[u8; 16] = b"content-length: ";
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
const _: () =
    assert!(OK_AND_DATE_BYTES <= status::LINE_BYTES_MAX + DATE_LINE_BYTES, "and the shortcut for 200");

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
    /// If `out` has less than [`START_BYTES_MAX`] bytes, or the status is outside 100 to 599.
    #[inline]
    pub fn encode<'o>(
        &self,
        out: &'o mut [u8],
        date: Option<&DateCache>,
    ) -> Result<FieldWriter<'o>, EncodeError> {
        let Some(start) = out.first_chunk_mut::<START_BYTES_MAX>() else {
            return Err(Kind::Full.into());
        };
        let mut at = match date {
            Some(date) if self.status == 200 => {
                start[..OK_AND_DATE_BYTES].copy_from_slice(date.ok_and_date());
                OK_AND_DATE_BYTES
            }
            _ => status_and_date(start, self.status, date)?,
        };
        at = match self.framing {
            Framing::Length(bytes) => content_length(start, at, bytes),
            Framing::Chunked => put(start, at, CHUNKED),
            Framing::Omit => at,
        };
        at = match self.connection {
            ConnectionField::Omit => at,
            ConnectionField::KeepAlive => put(start, at, KEEP_ALIVE),
            ConnectionField::Close => put(start, at, CLOSE),
            ConnectionField::Upgrade => put(start, at, UPGRADE),
        };
        Ok(FieldWriter::new(out, at))
    }
}

/// Every start but the commonest.
fn status_and_date(
    start: &mut [u8; START_BYTES_MAX],
    status: u16,
    date: Option<&DateCache>,
) -> Result<usize, EncodeError> {
    let line = status::line(status).ok_or(Kind::Status)?;
    // The padding of the line goes along, because a copy of fixed size is cheaper; what follows overwrites it.
    start[..status::LINE_BYTES_MAX].copy_from_slice(&line.text);
    Ok(date.map_or(line.len, |date| put(start, line.len, date.line())))
}

#[inline]
pub(super) fn content_length(start: &mut [u8; START_BYTES_MAX], at: usize, bytes: u64) -> usize {
    let at = put(start, at, CONTENT_LENGTH);
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(bytes).as_bytes();
    start[at..][..digits.len()].copy_from_slice(digits);
    put(start, at + digits.len(), b"\r\n")
}

/// Copies `from` to `start[at..]` and returns where it ends. Inlined, the copy has a constant size.
#[inline(always)]
fn put<const N: usize>(start: &mut [u8; START_BYTES_MAX], at: usize, from: &[u8; N]) -> usize {
    start[at..][..N].copy_from_slice(from);
    at + N
}
