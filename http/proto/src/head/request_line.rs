//! The request line (RFC 9112 §3).

use super::lines::Partial;
use super::target::Target;
use super::{HeadError, HeadLimits, METHOD_BYTES_MAX, Method, Span, Version};
use crate::class::{is_target_byte, is_token_byte};

/// A request line and where the line after it starts.
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) version: Version,
    pub(super) next: usize,
}

/// Reads the request line at the start of `bytes`; `None` if it has not arrived to its end, and then `partial` is
/// what to give with the next call.
///
/// Checks go from left to right and each looks no further than the byte it is about, so that an input
/// cut anywhere gives the same error.
pub(super) fn read(
    bytes: &[u8],
    limits: &HeadLimits,
    partial: &mut Partial,
) -> Result<Option<RequestLine>, HeadError> {
    let Some(start) = skip_blank_line(bytes)? else { return Ok(None) };
    let Some((method, target_start)) = method(bytes, start)? else { return Ok(None) };

    // Only the target can be long.
    let target_end = end_of(bytes, target_start.max(partial.clean), is_target_byte);
    if target_end - target_start > limits.target_bytes_max {
        return Err(HeadError::TargetTooLong);
    }
    *partial = Partial::up_to(target_end);
    if target_end == bytes.len() {
        return Ok(None);
    }
    if bytes[target_end] != b' ' || target_end == target_start {
        return Err(not_a_target(bytes[target_end]));
    }
    let target = Target::take_apart(bytes, target_start, target_end, method)?;

    let Some(version) = version(&bytes[target_end + 1..])? else { return Ok(None) };
    Ok(Some(RequestLine { method, target, version, next: target_end + 11 }))
}

/// RFC 9112 §2.2: a server should ignore an empty line before the request line, which old clients send after
/// a body. One is skipped, more are not.
fn skip_blank_line(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
    match bytes {
        [b'\r', b'\n', ..] => Ok(Some(2)),
        [] | [b'\r'] => Ok(None),
        [b'\r', ..] => Err(HeadError::BareCr),
        [b'\n', ..] => Err(HeadError::BareLf),
        _ => Ok(Some(0)),
    }
}

/// The method at `start` and the position after the space behind it.
fn method(bytes: &[u8], start: usize) -> Result<Option<(Method, usize)>, HeadError> {
    let end = end_of(bytes, start, is_token_byte);
    if end - start > METHOD_BYTES_MAX {
        return Err(HeadError::MethodTooLong);
    }
    if end == bytes.len() {
        return Ok(None);
    }
    if bytes[end] != b' ' || end == start {
        return Err(HeadError::MethodInvalid);
    }
    let method = Method::known(&bytes[start..end]).unwrap_or(Method::Other(Span::between(start, end)));
    Ok(Some((method, end + 1)))
}

/// The first byte at or after `from` that does not belong, or the end of `bytes`.
fn end_of(bytes: &[u8], from: usize, belongs: fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|&byte| !belongs(byte)).map_or(bytes.len(), |len| from + len)
}

/// What ended the target instead of a space after at least one byte.
fn not_a_target(byte: u8) -> HeadError {
    match byte {
        // HTTP/0.9 had no version.
        b'\r' | b'\n' => HeadError::VersionInvalid,
        _ => HeadError::TargetInvalid,
    }
}

/// Version and line end.
fn version(bytes: &[u8]) -> Result<Option<Version>, HeadError> {
    let Some(version) = version_number(bytes)? else { return Ok(None) };
    match &bytes[8..] {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => Ok(Some(version)),
        [b'\r', ..] => Err(HeadError::BareCr),
        [b'\n', ..] => Err(HeadError::BareLf),
        _ => Err(HeadError::VersionInvalid),
    }
}

/// RFC 9112 §2.3: `HTTP/` digit `.` digit. `None` if fewer than 8 bytes are there.
///
/// RFC 9110 §2.5 would have 1.2 treated as 1.1. There is no 1.2, and what claims to be may come from someone
/// who probes for disagreement: refused.
pub(super) fn version_number(bytes: &[u8]) -> Result<Option<Version>, HeadError> {
    for (index, &byte) in bytes.iter().take(8).enumerate() {
        let fits = match index {
            5 | 7 => byte.is_ascii_digit(),
            _ => byte == b"HTTP/?.?"[index],
        };
        if !fits {
            return Err(HeadError::VersionInvalid);
        }
    }
    match bytes.get(..8) {
        None => Ok(None),
        Some(b"HTTP/1.1") => Ok(Some(Version::Http11)),
        Some(b"HTTP/1.0") => Ok(Some(Version::Http10)),
        Some(_) => Err(HeadError::VersionUnsupported),
    }
}
