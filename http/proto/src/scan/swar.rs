//! Eight bytes in a word, on any machine: the portable kernel, and what the careful readers search values with.

use super::{CommonRequest, Taken, trimmed};
use crate::class::{is_target_byte, is_text_byte, is_token_byte};
use crate::head::{Field, Span};
use crate::name::Name;

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// See [`Kernel::take`](super::Kernel::take).
#[inline(never)]
pub(super) fn take(bytes: &[u8], mut line: usize, room: &mut [Field]) -> Taken {
    let mut request = None;
    if line == 0 {
        request = common_request(bytes);
        match request {
            Some(CommonRequest { end, .. }) => line = end + VERSION.len(),
            None => return Taken { request, count: 0, line },
        }
    }
    let mut count = 0;
    while count < room.len() {
        let colon = token_end(bytes, line);
        if colon == line || bytes.get(colon) != Some(&b':') {
            break;
        }
        let end = control_from(bytes, colon + 1);
        if bytes.get(end..).and_then(<[u8]>::first_chunk) != Some(b"\r\n") {
            break;
        }
        let (value_start, value_end) = trimmed(bytes, colon + 1, end);
        room[count] = Field {
            name: Name::from_bytes(&bytes[line..colon]),
            name_span: Span::between(line, colon),
            value: Span::between(value_start, value_end),
        };
        count += 1;
        line = end + 2;
    }
    Taken { request, count, line }
}

/// What follows the target of a common request line.
const VERSION: &[u8; 11] = b" HTTP/1.1\r\n";

#[inline]
fn common_request(bytes: &[u8]) -> Option<CommonRequest> {
    let (is_post, start) = match bytes.first_chunk()? {
        [b'G', b'E', b'T', b' ', b'/'] => (false, 4),
        b"POST " if bytes.get(5) == Some(&b'/') => (true, 5),
        _ => return None,
    };
    let mut end = start;
    while end < bytes.len() && is_target_byte(bytes[end]) {
        end += 1;
    }
    if bytes[end..].first_chunk() != Some(VERSION) {
        return None;
    }
    let question = memchr::memchr(b'?', &bytes[start..end]).map_or(end, |len| start + len);
    Some(CommonRequest { is_post, start, question, end })
}

/// The first control byte other than tab at or after `from`, or the end of `bytes`.
#[inline]
pub(crate) fn control_from(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = control_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while at < bytes.len() && is_text_byte(bytes[at]) {
        at += 1;
    }
    at
}

/// The first byte at or after `from` that is no token byte, or the end of `bytes`. Tokens are short: a table
/// load and a test for each byte.
#[inline]
pub(crate) fn token_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() && is_token_byte(bytes[at]) {
        at += 1;
    }
    at
}

/// The high bit of each byte that is a control byte other than tab.
///
/// Every step stays within its byte (no carry leaves one), so that all bits are exact, not only the lowest.
#[inline]
fn control_bytes(word: u64) -> u64 {
    let low = word & !HIGH;
    let at_least_space = (low + ONES * 0x60) | word;
    let not_tab = ((low ^ (ONES * 0x09)) + ONES * 0x7f) | word;
    let not_delete = ((low ^ (ONES * 0x7f)) + ONES * 0x7f) | word;
    ((!at_least_space & not_tab) | !not_delete) & HIGH
}
