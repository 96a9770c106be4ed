//! Addresses and hosts in forwarding fields.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use corelane_http_proto::head::is_authority;

/// The address of a node: with or without a port, IPv6 with or without brackets. `unknown`, and names that hide an address
/// (RFC 7239 §6.3), are none.
pub(super) fn address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?;
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(rest) = node.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address = address.parse::<Ipv6Addr>().ok()?;
        let fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return fits.then(|| IpAddr::V6(address).to_canonical());
    }
    let (address, port) = node.split_once(':')?;
    let address = address.parse::<Ipv4Addr>().ok()?;
    is_port(port).then_some(IpAddr::V4(address))
}

/// A port, or a name that hides one (RFC 7239 §6: `obfport`).
fn is_port(port: &str) -> bool {
    let hidden = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let digits = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    digits || port.strip_prefix('_').is_some_and(hidden)
}

/// A host that may stand in a URL.
pub(super) fn authority(host: &[u8]) -> Option<&str> {
    if is_authority(host) { std::str::from_utf8(host).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn nodes() {
        for (node, want) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9:4711", Some("203.0.113.9")),
            ("203.0.113.9:_hidden", Some("203.0.113.9")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("::ffff:203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9:", None),
            ("203.0.113.9:port", None),
            ("203.0.113.9:123456", None),
            ("203.0.113.09", None),
            ("0xcb.0.113.9", None),
            ("3405803785", None),
            ("203.0.113", None),
            ("[203.0.113.9]", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]x", None),
            ("2001:db8::1%eth0", None),
            ("unknown", None),
            ("_hidden", None),
            ("localhost", None),
            ("203.0.113.9 10.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(address(node.as_bytes()).map(|found| found.to_string()).as_deref(), want, "{node}");
        }
    }
}
