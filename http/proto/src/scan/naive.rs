//! The truth: one byte at a time, straight from the definitions.

use super::{CommonRequest, Taken, trimmed};
use crate::class::{is_reg_name_byte, is_text_byte, is_token_byte};
use crate::head::{Field, Span};
use crate::name::Name;

/// What a vector kernel has to take.
pub(super) fn take(bytes: &[u8], mut line: usize, room: &mut [Field]) -> Taken {
    let mut request = None;
    if line == 0 {
        let Some(lf) = line_end(bytes, 0) else { return Taken { request, count: 0, line } };
        request = common_request(&bytes[..=lf]);
        if request.is_none() {
            return Taken { request, count: 0, line };
        }
        line = lf + 1;
    }
    let mut count = 0;
    while let (Some(lf), true) = (line_end(bytes, line), count < room.len()) {
        let Some(field) = field(bytes, line, lf) else { break };
        room[count] = field;
        count += 1;
        line = lf + 1;
    }
    Taken { request, count, line }
}

/// The LF of the line at `start`, if all bytes before it are printable but for the last.
fn line_end(bytes: &[u8], start: usize) -> Option<usize> {
    let is_printable = |byte: &u8| matches!(byte, 0x20..=0x7e);
    let other = start + bytes[start..].iter().position(|byte| !is_printable(byte))?;
    (bytes[other] != b'\n' && bytes.get(other + 1) == Some(&b'\n')).then_some(other + 1)
}

fn common_request(line: &[u8]) -> Option<CommonRequest> {
    let (is_post, start) = match line {
        [b'G', b'E', b'T', b' ', ..] => (false, 4),
        [b'P', b'O', b'S', b'T', b' ', ..] => (true, 5),
        _ => return None,
    };
    let target = line[start..].strip_suffix(b" HTTP/1.1\r\n")?;
    if target.first() != Some(&b'/')
        || !target.iter().all(|byte| matches!(byte, 0x21..=0x7e) && *byte != b'#')
    {
        return None;
    }
    let end = start + target.len();
    let question = target.iter().position(|&byte| byte == b'?').map_or(end, |at| start + at);
    Some(CommonRequest { is_post, start, question, end })
}

/// What the portable kernel has to take: field lines of any kind.
pub(super) fn take_any(bytes: &[u8], mut line: usize, room: &mut [Field]) -> Taken {
    let mut request = None;
    if line == 0 {
        let lf = bytes.iter().position(|&byte| byte == b'\n');
        request = lf.and_then(|lf| common_request(&bytes[..=lf]));
        let (Some(_), Some(lf)) = (request, lf) else { return Taken { request, count: 0, line } };
        line = lf + 1;
    }
    let mut count = 0;
    while count < room.len() {
        let end = control_from(bytes, line);
        if !bytes[end..].starts_with(b"\r\n") {
            break;
        }
        let Some(field) = any_field(bytes, line, end) else { break };
        room[count] = field;
        count += 1;
        line = end + 2;
    }
    Taken { request, count, line }
}

fn field(bytes: &[u8], start: usize, lf: usize) -> Option<Field> {
    let is_cr = bytes[lf - 1] == b'\r';
    any_field(bytes, start, lf - 1).filter(|field| is_cr && (3..=31).contains(&field.name_span.len()))
}

fn any_field(bytes: &[u8], start: usize, end: usize) -> Option<Field> {
    let line = &bytes[start..end];
    let len = line.iter().position(|&byte| !is_token_byte(byte))?;
    if line[len] != b':' || len == 0 {
        return None;
    }
    let (value_start, value_end) = trimmed(bytes, start + len + 1, end);
    Some(Field {
        name: Name::from_bytes(&line[..len]),
        name_span: Span::between(start, start + len),
        value: Span::between(value_start, value_end),
    })
}

pub(super) fn control_from(bytes: &[u8], from: usize) -> usize {
    (from..bytes.len()).find(|&at| !is_text_byte(bytes[at])).unwrap_or(bytes.len())
}

/// What [`Kernel::is_plain_authority`](super::Kernel::is_plain_authority) may say yes to.
pub(super) fn is_plain_authority(value: &[u8]) -> bool {
    let colon = value.iter().position(|&byte| byte == b':');
    let (host, port) = value.split_at(colon.unwrap_or(value.len()));
    (1..=32).contains(&value.len())
        && !host.is_empty()
        && host.iter().all(|&byte| is_reg_name_byte(byte))
        && port.len() <= 5
        && port.iter().skip(1).all(u8::is_ascii_digit)
}
