//! The PROXY protocol: forms that nginx and HAProxy send, and what is refused.

use corelane_http_proto::proxy::{HEADER_BYTES_MAX, LINE_BYTES_MAX, ProxyError, parse};

const START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap();
    [START, &[command, family], &len.to_be_bytes(), payload].concat()
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap();
    [&[kind][..], &len.to_be_bytes(), value].concat()
}

/// 203.0.113.9:56324 to 10.0.0.5:443.
const FOUR: [u8; 12] = [203, 0, 113, 9, 10, 0, 0, 5, 0xdc, 0x04, 0x01, 0xbb];

#[test]
fn lines_of_version_1() {
    let unknown = "unknown";
    for (why, line, want) in [
        ("nginx, IPv4", "PROXY TCP4 203.0.113.9 10.0.0.5 56324 443\r\n", Ok("203.0.113.9:56324")),
        ("nginx, IPv6", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", Ok("[2001:db8::1]:1")),
        ("nginx on a Unix socket", "PROXY UNKNOWN\r\n", Ok(unknown)),
        ("what follows is not looked at", "PROXY UNKNOWN ffff:: what ever\r\n", Ok(unknown)),
        (
            "the longest there is",
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Ok(unknown),
        ),
        ("lower case", "PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n", Err(ProxyError::Protocol)),
        ("UDP", "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n", Err(ProxyError::Protocol)),
        ("nothing", "PROXY \r\n", Err(ProxyError::Protocol)),
        ("two spaces", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n", Err(ProxyError::Protocol)),
        ("two spaces further on", "PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", Err(ProxyError::Address)),
        ("a space at the end", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", Err(ProxyError::Address)),
        ("a port is missing", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Err(ProxyError::Address)),
        ("a port with a sign", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n", Err(ProxyError::Address)),
        ("a port with a zero before", "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", Err(ProxyError::Address)),
        ("a port too large", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", Err(ProxyError::Address)),
        ("an octet with a zero before", "PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n", Err(ProxyError::Address)),
        ("the other family", "PROXY TCP4 ::1 ::1 1 1\r\n", Err(ProxyError::Address)),
        ("the other one", "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", Err(ProxyError::Address)),
        ("a zone", "PROXY TCP6 fe80::1%1 ::1 1 1\r\n", Err(ProxyError::Address)),
        ("a name", "PROXY TCP4 localhost 1.2.3.4 1 1\r\n", Err(ProxyError::Address)),
        ("a line feed alone", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\nx\r\n", Err(ProxyError::Address)),
        ("a request", "GET / HTTP/1.1\r\n", Err(ProxyError::NoHeader)),
        ("one that resembles it", "PROXX", Err(ProxyError::NoHeader)),
    ] {
        let got = parse(line.as_bytes()).map(|header| {
            let header = header.expect(why);
            assert_eq!(header.len, line.len(), "{why}");
            header.client.map_or(unknown.to_owned(), |client| client.to_string())
        });
        assert_eq!(got, want.map(str::to_owned), "{why}");
    }
}

#[test]
fn a_line_has_its_bound() {
    let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
    assert_eq!(parse(&endless[..LINE_BYTES_MAX - 1]), Ok(None));
    assert_eq!(parse(&endless[..LINE_BYTES_MAX]), Err(ProxyError::Line));
}

#[test]
fn headers_of_version_2() {
    let six = [&[0x20; 16][..], &[0x30; 16], &[0, 1, 0, 2]].concat();
    let with = |fields: &[Vec<u8>]| v2(0x21, 0x11, &[&FOUR[..], &fields.concat()].concat());
    let ssl = field(0x20, &[1, 0, 0, 0, 0]);
    let long = u16::try_from(HEADER_BYTES_MAX - 16 - FOUR.len() - 3).unwrap();
    let client = "203.0.113.9:56324";
    for (why, header, want) in [
        ("HAProxy, IPv4", v2(0x21, 0x11, &FOUR), Ok((client, false))),
        ("HAProxy, IPv6", v2(0x21, 0x21, &six), Ok(("[2020:2020:2020:2020:2020:2020:2020:2020]:1", false))),
        ("a health check", v2(0x20, 0x00, &[]), Ok(("unknown", false))),
        ("a health check with addresses", v2(0x20, 0x11, &FOUR), Ok(("unknown", false))),
        ("a health check with less", v2(0x20, 0x11, &[1]), Ok(("unknown", false))),
        ("a Unix socket", v2(0x21, 0x31, &[0; 216]), Ok(("unknown", false))),
        ("nothing known", v2(0x21, 0x00, &[1, 2, 3]), Ok(("unknown", false))),
        (
            "fields that mean nothing here",
            with(&[field(0x02, b"shop.example"), field(4, &[])]),
            Ok((client, false)),
        ),
        ("by TLS", with(&[field(0x02, b"x"), ssl.clone()]), Ok((client, true))),
        ("a TLS field that says no", with(&[field(0x20, &[0, 0, 0, 0, 0])]), Ok((client, false))),
        ("as long as it may be", with(&[field(4, &vec![0; long.into()])]), Ok((client, false))),
        ("version 1 in version 2", v2(0x11, 0x11, &FOUR), Err(ProxyError::Command)),
        ("an unknown command", v2(0x22, 0x11, &FOUR), Err(ProxyError::Command)),
        ("a datagram", v2(0x21, 0x12, &FOUR), Err(ProxyError::Family)),
        ("an unknown family", v2(0x21, 0x41, &FOUR), Err(ProxyError::Family)),
        ("too short for addresses", v2(0x21, 0x11, &FOUR[..11]), Err(ProxyError::Length)),
        ("IPv4 said to be IPv6", v2(0x21, 0x21, &FOUR), Err(ProxyError::Length)),
        ("too long", with(&[field(4, &vec![0; usize::from(long) + 1])]), Err(ProxyError::Length)),
        ("half a field", with(&[vec![4, 0]]), Err(ProxyError::Field)),
        ("a field longer than the rest", with(&[vec![4, 0, 2, 9]]), Err(ProxyError::Field)),
        ("a TLS field too short", with(&[field(0x20, &[1])]), Err(ProxyError::Field)),
        ("a checksum too short", with(&[field(3, &[1])]), Err(ProxyError::Field)),
        ("a wrong checksum", with(&[field(3, &[0; 4])]), Err(ProxyError::Checksum)),
        ("another signature", [&b"\r\n\r\n\0\r\nQUIX\n"[..], &[0; 8]].concat(), Err(ProxyError::NoHeader)),
    ] {
        let got = parse(&header).map(|parsed| {
            let parsed = parsed.expect(why);
            assert_eq!(parsed.len, header.len(), "{why}");
            assert_eq!(parsed.client.is_some(), parsed.server.is_some(), "{why}");
            (parsed.client.map_or("unknown".to_owned(), |client| client.to_string()), parsed.tls)
        });
        assert_eq!(got, want.map(|(client, tls)| (client.to_owned(), tls)), "{why}");
    }
}

/// Table-driven, most significant bit last: another way than the parser's.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (index, entry) in (0u32..).zip(&mut table) {
        *entry = (0..8).fold(index, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 });
    }
    !bytes.iter().fold(!0, |crc: u32, byte| crc >> 8 ^ table[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

#[test]
fn a_checksum_is_checked() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283, "the check value of CRC-32C");
    let mut header = v2(0x21, 0x11, &[&FOUR[..], &field(3, &[0; 4]), &field(4, b"behind")].concat());
    let at = 16 + FOUR.len() + 3;
    let sum = crc32c(&header).to_be_bytes();
    header[at..at + 4].copy_from_slice(&sum);
    assert_eq!(parse(&header).unwrap().unwrap().client, Some("203.0.113.9:56324".parse().unwrap()));
    // All but the byte that makes it a checksum: another field is none.
    let kind = 16 + FOUR.len();
    for at in (14..header.len()).filter(|at| *at != kind) {
        let mut broken = header.clone();
        broken[at] ^= 1;
        assert!(
            parse(&broken).is_ok_and(|it| it.is_none()) || parse(&broken).is_err(),
            "byte {at} is not covered"
        );
    }
}

#[test]
fn cut_anywhere_it_waits_for_the_rest() {
    let headers = [
        b"PROXY TCP4 203.0.113.9 10.0.0.5 56324 443\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(0x21, 0x11, &[&FOUR[..], &field(2, b"shop.example")].concat()),
        v2(0x20, 0x00, &[]),
    ];
    for header in headers {
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]), Ok(None), "{cut} bytes of {header:?}");
        }
        let whole = parse(&header).unwrap();
        let more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&more), Ok(whole), "what follows does not matter");
    }
}
