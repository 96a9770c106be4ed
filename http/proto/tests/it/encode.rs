//! Heads on their way out: exact bytes, refused fields, and room.

use bytes::BufMut;
use bytes::buf::Limit;
use corelane_http_proto::date::DateCache;
use corelane_http_proto::encode::{
    CONTINUE, ConnectionField, EncodeError, FieldLine, Framing, RequestStart, ResponseStart, START_BYTES_MAX,
    reason,
};
use proptest::prelude::*;

const DATE: &str = "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

fn encode(start: ResponseStart, date: Option<&DateCache>) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    start.encode(&mut out, date)?.finish();
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn rfc9112_4_heads_are_these_bytes() {
    use ConnectionField::{Close, KeepAlive, Upgrade};
    let date = DateCache::new(0);
    for (why, status, framing, connection, want) in [
        (
            "the commonest",
            200,
            Framing::Length(13),
            ConnectionField::Omit,
            "200 OK\r\n{D}content-length: 13\r\n",
        ),
        (
            "another status",
            404,
            Framing::Length(0),
            ConnectionField::Omit,
            "404 Not Found\r\n{D}content-length: 0\r\n",
        ),
        (
            "no reason known",
            299,
            Framing::Length(1),
            ConnectionField::Omit,
            "299 \r\n{D}content-length: 1\r\n",
        ),
        (
            "the longest line",
            431,
            Framing::Omit,
            Close,
            "431 Request Header Fields Too Large\r\n{D}connection: close\r\n",
        ),
        (
            "chunked",
            200,
            Framing::Chunked,
            KeepAlive,
            "200 OK\r\n{D}transfer-encoding: chunked\r\nconnection: keep-alive\r\n",
        ),
        ("a switch", 101, Framing::Omit, Upgrade, "101 Switching Protocols\r\n{D}connection: upgrade\r\n"),
        (
            "as long as it gets",
            511,
            Framing::Length(u64::MAX),
            KeepAlive,
            "511 Network Authentication Required\r\n{D}content-length: 18446744073709551615\r\nconnection: keep-alive\r\n",
        ),
        ("first and last code", 100, Framing::Omit, ConnectionField::Omit, "100 Continue\r\n{D}"),
        ("first and last code", 599, Framing::Omit, ConnectionField::Omit, "599 \r\n{D}"),
    ] {
        let start = ResponseStart { status, framing, connection };
        let want = format!("HTTP/1.1 {want}\r\n");
        assert_eq!(encode(start, Some(&date)), Ok(want.replace("{D}", DATE)), "{why}");
        assert_eq!(
            encode(start, None),
            Ok(want.replace("{D}", "")),
            "{why}, forwarded with a date of its own"
        );
    }
}

#[test]
fn rfc9110_15_codes_outside_their_range_are_refused() {
    for status in [0, 99, 600, 999, u16::MAX] {
        let start = ResponseStart { status, framing: Framing::Omit, connection: ConnectionField::Omit };
        let error = encode(start, None).unwrap_err();
        assert!(!error.is_full() && !error.is_injection(), "{status}");
    }
}

#[test]
fn the_line_of_each_code_has_its_reason() {
    for status in 100..=599 {
        let start = ResponseStart { status, framing: Framing::Omit, connection: ConnectionField::Omit };
        let want = format!("HTTP/1.1 {status} {}\r\n\r\n", reason(status));
        assert_eq!(encode(start, None), Ok(want));
    }
    let mut continued = CONTINUE.to_vec();
    continued.truncate(CONTINUE.len() - 4);
    assert_eq!(continued, format!("HTTP/1.1 100 {}", reason(100)).into_bytes());
}

#[test]
fn injected_and_contradicting_fields_are_refused() {
    for (why, name, value, is_injection) in [
        ("CR LF in a value", &b"a"[..], &b"b\r\nset-cookie: c"[..], true),
        ("bare CR", b"a", b"b\rc", true),
        ("bare LF", b"a", b"b\nc", true),
        ("NUL", b"a", b"b\0", true),
        ("another control byte", b"a", b"\x1b[2J", true),
        ("DEL", b"a", b"\x7f", true),
        ("CR LF in a name", b"a: b\r\nc", b"d", true),
        ("a space in a name", b"a b", b"c", true),
        ("a colon in a name", b"a:", b"c", true),
        ("a name that is no ASCII", "\u{e9}".as_bytes(), b"c", true),
        ("no name", b"", b"c", true),
        ("a second length", b"content-length", b"5", false),
        ("in any case", b"Content-Length", b"5", false),
        ("a second coding", b"Transfer-Encoding", b"chunked", false),
        ("another persistence", b"Connection", b"keep-alive", false),
    ] {
        let start =
            ResponseStart { status: 200, framing: Framing::Length(0), connection: ConnectionField::Omit };
        let mut out = Vec::new();
        let mut fields = start.encode(&mut out, None).unwrap();
        let error = fields.field(name, value).unwrap_err();
        assert_eq!(error.is_injection(), is_injection, "{why}");
        assert!(!error.is_full(), "{why}: more room does not help");
        if !is_injection {
            assert_eq!(
                fields.danger_field(name, value),
                Err(error),
                "{why}: no type of the caller rules this out"
            );
        }
        fields.finish();
        assert_eq!(out, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "{why}: nothing of it is sent");
    }
}

#[test]
fn rfc9110_5_5_legal_values_pass() {
    const CONSTANT: FieldLine = FieldLine::from_static("server: corelane");
    let start = ResponseStart { status: 200, framing: Framing::Omit, connection: ConnectionField::Omit };
    let mut out = Vec::new();
    let mut fields = start.encode(&mut out, None).unwrap();
    fields.field(b"empty", b"").unwrap();
    fields.field(b"tab", b"a\tb").unwrap();
    fields.field(b"obs-text", b"\xe9").unwrap();
    fields.field(b"!#$%&'*+-.^_`|~09AZaz", b"every sign of a token").unwrap();
    fields.line(CONSTANT).unwrap();
    fields.finish();
    assert_eq!(
        out,
        b"HTTP/1.1 200 OK\r\nempty: \r\ntab: a\tb\r\nobs-text: \xe9\r\n\
          !#$%&'*+-.^_`|~09AZaz: every sign of a token\r\nserver: corelane\r\n\r\n"
    );
}

#[test]
fn constant_lines_are_checked() {
    for (why, line) in [
        ("no colon", "server"),
        ("no space behind the colon", "server:corelane"),
        ("a space before the colon", "server : corelane"),
        ("no name", ": corelane"),
        ("a line end", "server: corelane\r\n"),
        ("framing", "content-length: 5"),
        ("nothing", ""),
    ] {
        assert!(std::panic::catch_unwind(|| FieldLine::from_static(line)).is_err(), "{why}");
    }
}

#[test]
fn every_size_of_output_is_full_or_enough() {
    let start = ResponseStart { status: 200, framing: Framing::Length(5), connection: ConnectionField::Omit };
    let date = DateCache::new(0);
    let encode = |out: &mut Limit<Vec<u8>>| {
        let mut fields = start.encode(out, Some(&date))?;
        fields.field(b"x-long", &[b'v'; 200])?;
        fields.line(FieldLine::from_static("server: corelane"))?;
        fields.finish();
        Ok::<(), EncodeError>(())
    };
    let mut whole = Vec::new().limit(4096);
    encode(&mut whole).unwrap();
    let whole = whole.into_inner();

    for room in 0..whole.len() {
        let mut out = Vec::new().limit(room);
        assert!(encode(&mut out).unwrap_err().is_full(), "{room} bytes of {}", whole.len());
        let out = out.into_inner();
        assert!(whole.starts_with(&out), "{room}");
        assert!(room >= START_BYTES_MAX || out.is_empty(), "the start is not begun in {room} bytes");
    }
    let mut out = Vec::new().limit(whole.len());
    encode(&mut out).unwrap();
    assert_eq!(out.into_inner(), whole, "the exact size is enough");
    assert!(
        start.encode(&mut Vec::new().limit(START_BYTES_MAX), None).is_ok(),
        "so is what the start asks for"
    );
}

#[test]
fn rfc9112_3_request_heads_are_checked() {
    let good = RequestStart {
        method: b"GET",
        target: b"/",
        host: b"h",
        framing: Framing::Omit,
        connection: ConnectionField::Omit,
    };
    for (why, start, want) in [
        ("least", good, Ok("GET / HTTP/1.1\r\nhost: h\r\n\r\n")),
        ("no authority", RequestStart { host: b"", ..good }, Ok("GET / HTTP/1.1\r\nhost: \r\n\r\n")),
        (
            "chunked, last",
            RequestStart { framing: Framing::Chunked, connection: ConnectionField::Close, ..good },
            Ok("GET / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"),
        ),
        ("a method with a space", RequestStart { method: b"GET /x", ..good }, Err(())),
        ("no method", RequestStart { method: b"", ..good }, Err(())),
        ("a target with a space", RequestStart { target: b"/a b", ..good }, Err(())),
        ("a target with a line end", RequestStart { target: b"/\r\nx: y", ..good }, Err(())),
        ("no target", RequestStart { target: b"", ..good }, Err(())),
        ("a host with a line end", RequestStart { host: b"h\r\nx: y", ..good }, Err(())),
    ] {
        let mut out = Vec::new();
        let encoded = start.encode(&mut out).map(|fields| fields.finish());
        match want {
            Ok(want) => {
                assert_eq!(encoded, Ok(()), "{why}");
                assert_eq!(out, want.as_bytes(), "{why}");
            }
            Err(()) => assert!(encoded.unwrap_err().is_injection(), "{why}"),
        }
    }
    let exact = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".len();
    for room in 0..exact {
        assert!(good.encode(&mut Vec::new().limit(room)).unwrap_err().is_full(), "{room} bytes");
    }
    let mut out = Vec::new().limit(exact);
    good.encode(&mut out).unwrap().finish();
    assert_eq!(out.remaining_mut(), 0);
}

proptest! {
    /// Whatever the application passes, a head has as many lines as fields were accepted.
    #[test]
    fn no_field_becomes_two_lines(name in prop::collection::vec(any::<u8>(), 0..12), value in prop::collection::vec(any::<u8>(), 0..24)) {
        let start = ResponseStart { status: 200, framing: Framing::Omit, connection: ConnectionField::Omit };
        let mut out = Vec::new();
        let mut fields = start.encode(&mut out, None).unwrap();
        let lines = 2 + usize::from(fields.field(&name, &value).is_ok());
        fields.finish();
        prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), lines);
        prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\r').count(), lines);
        prop_assert!(!out.contains(&0));
    }
}
