//! Host and port (RFC 9110 §7.2, RFC 3986 §3.2).

use std::net::Ipv6Addr;

use crate::class::is_reg_name_byte;

/// True if `bytes` are `uri-host [ ":" port ]` with a host that is not empty.
///
/// User information before an `@` is refused (RFC 9110 §4.2.4), and so is a port over 65535. A port may be
/// empty, as the grammar has it. Of address literals only IPv6 is accepted: `IPvFuture` has no use yet.
pub fn is_authority(bytes: &[u8]) -> bool {
    let host_end = bytes.iter().position(|&byte| !is_reg_name_byte(byte)).unwrap_or(bytes.len());
    match bytes.get(host_end) {
        None => host_end > 0,
        Some(b':') if host_end > 0 => is_port(&bytes[host_end + 1..]),
        Some(_) => is_rare_authority(bytes),
    }
}

/// True if the authority ends in `:` and a port of at least one digit (RFC 9110 §9.3.6).
pub(super) fn has_port(authority: &[u8]) -> bool {
    let port = authority.iter().rposition(|&byte| byte == b':').map(|colon| &authority[colon + 1..]);
    port.is_some_and(|port| !port.is_empty() && is_port(port))
}

/// RFC 3986 §3.2.3: `*DIGIT`, here up to 65535.
#[inline(always)]
fn is_port(port: &[u8]) -> bool {
    port.iter().all(u8::is_ascii_digit) && (port.len() < 5 || is_long_port(port))
}

#[cold]
fn is_long_port(port: &[u8]) -> bool {
    let number =
        port.iter().fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    number <= u32::from(u16::MAX)
}

/// Address literals and percent-encoded names.
#[cold]
fn is_rare_authority(bytes: &[u8]) -> bool {
    if let Some(rest) = bytes.strip_prefix(b"[") {
        let Some(close) = rest.iter().position(|&byte| byte == b']') else { return false };
        let is_address =
            std::str::from_utf8(&rest[..close]).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
        return is_address && is_port_part(&rest[close + 1..]);
    }
    let colon = bytes.iter().position(|&byte| byte == b':').unwrap_or(bytes.len());
    let (host, port) = bytes.split_at(colon);
    !host.is_empty() && is_reg_name(host) && is_port_part(port)
}

/// Nothing, or a colon and a port.
fn is_port_part(bytes: &[u8]) -> bool {
    bytes.is_empty() || bytes.strip_prefix(b":").is_some_and(is_port)
}

/// RFC 3986 §3.2.2: `*( unreserved / pct-encoded / sub-delims )`.
fn is_reg_name(mut bytes: &[u8]) -> bool {
    while let [first, rest @ ..] = bytes {
        bytes = match (first, rest) {
            (b'%', [high, low, rest @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            _ if is_reg_name_byte(*first) => rest,
            _ => return false,
        };
    }
    true
}
