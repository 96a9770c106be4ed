//! The PROXY protocol, versions 1 and 2: what a proxy says about a connection before its first byte.
//!
//! The source is HAProxy's specification, `doc/proxy-protocol.txt` of 2020/03/05. nginx sends version 1 (`proxy_protocol on`),
//! HAProxy either (`send-proxy`, `send-proxy-v2`).
//!
//! Strict: one version or the other, whole, from the first byte; addresses and ports in their one form; lengths that
//! add up. Whoever is let to speak it is believed, so what could be read in two ways is refused.
//!
//! ```
//! use corelane_http_proto::proxy::parse;
//!
//! let input = b"PROXY TCP4 203.0.113.9 10.0.0.5 56324 443\r\nGET / HTTP/1.1\r\n";
//! let header = parse(input)?.expect("it is complete");
//! assert_eq!(header.client, Some("203.0.113.9:56324".parse().unwrap()));
//! assert!(input[header.len..].starts_with(b"GET"));
//! assert_eq!(parse(&input[..20])?, None);
//! # Ok::<(), corelane_http_proto::proxy::ProxyError>(())
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Longest header of version 2 that is taken, in bytes.
///
/// Addresses take 232 bytes at most; the rest are fields that a proxy adds. The length in the header could tell of 65,551, which
/// a connection that has said nothing else yet is not to make anybody hold.
pub const HEADER_BYTES_MAX: usize = 4096;

/// Longest header of version 1, in bytes, with its line end: section 2.1 counts it.
pub const LINE_BYTES_MAX: usize = 107;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of version 2 before its addresses.
const V2_FIXED: usize = 16;

/// Field types of version 2 that mean something here.
const CRC32C: u8 = 0x03;
const SSL: u8 = 0x20;
/// The bit of the SSL field that says that the client came by TLS.
const CLIENT_SSL: u8 = 0x01;

/// What a proxy has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Bytes of the header. The client's begin behind them.
    pub len: usize,
    /// Who has connected to the proxy. `None` if the proxy speaks for itself (a health check), does not know, or was
    /// connected to by other means than TCP: then the connection is to be taken as it is.
    pub client: Option<SocketAddr>,
    /// Where the client has connected to; there if `client` is.
    pub server: Option<SocketAddr>,
    /// The client came by TLS, which the proxy has taken off (version 2 only).
    pub tls: bool,
}

/// A beginning of a connection that is no PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The first bytes are those of neither version.
    NoHeader,
    /// Version 1: the line is longer than [`LINE_BYTES_MAX`], or is not ended by CRLF.
    Line,
    /// Version 1: something else than `TCP4`, `TCP6` or `UNKNOWN`.
    Protocol,
    /// Version 1: not two addresses of that protocol and two ports, each behind one space.
    Address,
    /// Version 2: another version, or an unknown command.
    Command,
    /// Version 2: a family or transport that no stream has.
    Family,
    /// Version 2: longer than [`HEADER_BYTES_MAX`], or too short for its addresses.
    Length,
    /// Version 2: fields that do not add up.
    Field,
    /// Version 2: the checksum is wrong.
    Checksum,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyError::NoHeader => {
                "the connection does not begin with a PROXY header: does the proxy send one?"
            }
            ProxyError::Line => "the PROXY line is too long or not ended by CRLF",
            ProxyError::Protocol => "the PROXY line names neither TCP4, TCP6 nor UNKNOWN",
            ProxyError::Address => "the PROXY line has no two addresses and ports of its protocol",
            ProxyError::Command => "the PROXY header is of another version or command",
            ProxyError::Family => "the PROXY header is for something else than a stream",
            ProxyError::Length => {
                "the length of the PROXY header does not fit its addresses, or is over the limit"
            }
            ProxyError::Field => "the fields of the PROXY header do not add up",
            ProxyError::Checksum => "the checksum of the PROXY header is wrong",
        })
    }
}

impl std::error::Error for ProxyError {}

/// Reads the header in front of `input`; `None` if more is to come.
///
/// # Errors
/// What is there is no header, and more bytes would not make it one. Nothing may be answered to that: who spoke is not known.
pub fn parse(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    if input.starts_with(V2_START) {
        return if input.len() < V2_FIXED { Ok(None) } else { version_2(input) };
    }
    if input.starts_with(V1_START) {
        return version_1(input);
    }
    // As much as there is of it is the beginning of one of them.
    let is_begun = V1_START.starts_with(input) || V2_START.starts_with(input);
    if is_begun { Ok(None) } else { Err(ProxyError::NoHeader) }
}

fn version_1(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let longest = &input[..input.len().min(LINE_BYTES_MAX)];
    let Some(end) = longest.windows(2).position(|two| two == b"\r\n") else {
        return if longest.len() == LINE_BYTES_MAX { Err(ProxyError::Line) } else { Ok(None) };
    };
    let len = end + 2;
    let line = std::str::from_utf8(&input[V1_START.len()..end]).map_err(|_| ProxyError::Protocol)?;
    let (protocol, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (client, server) = match protocol {
        // What else stands in the line is to be ignored.
        "UNKNOWN" => return Ok(Some(ProxyHeader { len, client: None, server: None, tls: false })),
        "TCP4" => addresses::<Ipv4Addr>(rest)?,
        "TCP6" => addresses::<Ipv6Addr>(rest)?,
        _ => return Err(ProxyError::Protocol),
    };
    Ok(Some(ProxyHeader { len, client: Some(client), server: Some(server), tls: false }))
}

/// `SOURCE DESTINATION SOURCE-PORT DESTINATION-PORT`.
fn addresses<A: FromStr + Into<IpAddr>>(text: &str) -> Result<(SocketAddr, SocketAddr), ProxyError> {
    let mut words = text.split(' ');
    let mut address = || words.next()?.parse::<A>().ok().map(Into::into);
    let (source, destination) = (address(), address());
    let mut port = || words.next().and_then(port);
    let (from, to) = (port(), port());
    match (source, destination, from, to, words.next()) {
        (Some(source), Some(destination), Some(from), Some(to), None) => {
            Ok((SocketAddr::new(source, from), SocketAddr::new(destination, to)))
        }
        _ => Err(ProxyError::Address),
    }
}

/// A port as section 2.1 has it: digits, and no zero before others.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

fn version_2(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let is_local = match input[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Command),
    };
    let address_bytes = match input[13] {
        // Unspecified: what is behind it is skipped.
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        // The family of a health check means nothing (section 2.2), yet has to be one.
        _ => return Err(ProxyError::Family),
    };
    let len = V2_FIXED + usize::from(u16::from_be_bytes([input[14], input[15]]));
    if len > HEADER_BYTES_MAX || (!is_local && len < V2_FIXED + address_bytes) {
        return Err(ProxyError::Length);
    }
    let Some(header) = input.get(..len) else { return Ok(None) };
    let nobody = ProxyHeader { len, client: None, server: None, tls: false };
    if is_local || address_bytes == 0 {
        return Ok(Some(nobody));
    }
    let block = &header[V2_FIXED..V2_FIXED + address_bytes];
    let tls = read_fields(header, V2_FIXED + address_bytes)?;
    let (client, server) = match *block {
        [a, b, c, d, e, f, g, h, ref ports @ ..] if address_bytes == 12 => {
            pair(Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h), ports)
        }
        _ if address_bytes == 36 => {
            let six = |at: usize| -> Ipv6Addr {
                let octets: [u8; 16] = block[at..at + 16].try_into().expect("sixteen bytes");
                octets.into()
            };
            pair(six(0), six(16), &block[32..])
        }
        // Unix sockets: paths of another machine, perhaps, and no address.
        _ => return Ok(Some(ProxyHeader { tls, ..nobody })),
    };
    Ok(Some(ProxyHeader { len, client: Some(client), server: Some(server), tls }))
}

fn pair(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, ports: &[u8]) -> (SocketAddr, SocketAddr) {
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    (SocketAddr::new(source.into(), port(0)), SocketAddr::new(destination.into(), port(2)))
}

/// Checks the fields, which begin at `at`. True if one says that the client came by TLS.
fn read_fields(header: &[u8], mut at: usize) -> Result<bool, ProxyError> {
    let mut tls = false;
    while let [kind, high, low, rest @ ..] = &header[at..] {
        at += 3;
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        match (*kind, rest.get(..len).ok_or(ProxyError::Field)?) {
            (CRC32C, [a, b, c, d]) if crc32c(header, at..at + 4) == u32::from_be_bytes([*a, *b, *c, *d]) => {}
            (CRC32C, [_, _, _, _]) => return Err(ProxyError::Checksum),
            (CRC32C, _) => return Err(ProxyError::Field),
            // One byte of flags, four that tell of the client's certificate, and fields inside.
            (SSL, [flags, _, _, _, _, ..]) => tls = flags & CLIENT_SSL != 0,
            (SSL, _) => return Err(ProxyError::Field),
            _ => {}
        }
        at += len;
    }
    if at == header.len() { Ok(tls) } else { Err(ProxyError::Field) }
}

/// CRC-32C (RFC 9260 appendix A) of the header with the checksum's own bytes as zero.
fn crc32c(bytes: &[u8], zero: std::ops::Range<usize>) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.iter().enumerate().fold(!0, |crc, (at, byte)| {
        let byte = if zero.contains(&at) { 0 } else { *byte };
        (0..8).fold(crc ^ u32::from(byte), bit)
    })
}
