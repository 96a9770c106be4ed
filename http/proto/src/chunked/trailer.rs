//! Trailer fields: how one is read and which may not be one (RFC 9110 §6.5, RFC 9112 §7.1.2).

use core::ops::Range;

use super::ChunkError;
use crate::class::{is_field_value, is_token};

/// Splits a line without its CRLF into the ranges of name and value.
pub(super) fn split(line: &[u8]) -> Result<(Range<usize>, Range<usize>), ChunkError> {
    let colon = memchr::memchr(b':', line).ok_or(ChunkError::TrailerMalformed)?;
    let (name, rest) = line.split_at(colon);
    // A folded line begins with white space, which is no token: refused here like a space before the colon.
    if !is_token(name) {
        return Err(ChunkError::TrailerMalformed);
    }
    let value = &rest[1..];
    if !is_field_value(value) {
        return Err(ChunkError::TrailerMalformed);
    }
    if is_forbidden_trailer(name) {
        return Err(ChunkError::TrailerForbidden);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = colon + 1 + value.iter().take_while(|byte| is_blank(byte)).count();
    let end = line.len() - line[start..].iter().rev().take_while(|byte| is_blank(byte)).count();
    Ok((0..colon, start..end))
}

/// True for fields that take effect before the body is read, so that they cannot come after it:
/// framing, routing, request modifiers, authentication, response control and the format of the
/// content (RFC 9110 §6.5.1). Names are compared without regard to case.
///
/// A recipient may also drop such trailers. We refuse the message, since an intermediary that
/// merges trailers into the head would see another message than we do.
///
/// ```
/// use corelane_http_proto::chunked::is_forbidden_trailer;
///
/// assert!(is_forbidden_trailer(b"Content-Length"));
/// assert!(!is_forbidden_trailer(b"server-timing"));
/// ```
#[must_use]
pub fn is_forbidden_trailer(name: &[u8]) -> bool {
    FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}

const FORBIDDEN: &[&[u8]] = &[
    // Framing and the connection.
    b"transfer-encoding",
    b"content-length",
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"upgrade",
    // Routing.
    b"host",
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    // Request modifiers and conditions.
    b"cache-control",
    b"expect",
    b"max-forwards",
    b"pragma",
    b"range",
    b"if-match",
    b"if-none-match",
    b"if-modified-since",
    b"if-unmodified-since",
    b"if-range",
    // Authentication and state.
    b"authorization",
    b"proxy-authorization",
    b"www-authenticate",
    b"proxy-authenticate",
    b"cookie",
    b"set-cookie",
    // Response control.
    b"age",
    b"date",
    b"expires",
    b"location",
    b"retry-after",
    b"vary",
    b"warning",
    // Format of the content.
    b"content-encoding",
    b"content-type",
    b"content-range",
];
