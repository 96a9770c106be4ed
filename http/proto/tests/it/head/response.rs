//! RFC 9112 §4 and §6.3: response heads.

use corelane_http_proto::head::{HeadError, HeadLimits, Method, ResponseFraming, ResponseHead, Version};

use super::parse_all_ways;

fn parse(why: &str, input: &[u8]) -> Result<ResponseHead, HeadError> {
    let told = parse_all_ways::<ResponseHead>(why, input, &HeadLimits::default())?;
    assert!(told.is_some(), "{why}: not complete");
    let mut head = ResponseHead::new();
    head.parse(input, &HeadLimits::default())?;
    Ok(head)
}

#[test]
fn rfc9112_section_4_status_lines_that_are_accepted() {
    for (why, line, version, status, reason) in [
        ("the usual", "HTTP/1.1 200 OK", Version::Http11, 200, &b"OK"[..]),
        ("1.0", "HTTP/1.0 404 Not Found", Version::Http10, 404, b"Not Found"),
        ("an empty reason", "HTTP/1.1 200 ", Version::Http11, 200, b""),
        ("no space before no reason, as servers send it", "HTTP/1.1 200", Version::Http11, 200, b""),
        ("a code nobody registered", "HTTP/1.1 299 X", Version::Http11, 299, b"X"),
        ("beyond the classes", "HTTP/1.1 999 X", Version::Http11, 999, b"X"),
        (
            "tab and obsolete text in the reason",
            "HTTP/1.1 200 \tZurück",
            Version::Http11,
            200,
            "\tZurück".as_bytes(),
        ),
    ] {
        let input = format!("{line}\r\nContent-Length: 0\r\n\r\n");
        let head = parse(why, input.as_bytes()).unwrap();
        assert_eq!((head.version(), head.status()), (version, status), "{why}");
        assert_eq!(head.reason().of(input.as_bytes()), reason, "{why}");
    }
}

#[test]
fn rfc9112_section_4_status_lines_that_are_refused() {
    for (why, line, want) in [
        ("no HTTP", "ICY 200 OK", HeadError::VersionInvalid),
        ("another major", "HTTP/2.0 200 OK", HeadError::VersionUnsupported),
        ("two digits", "HTTP/1.1 20 OK", HeadError::StatusInvalid),
        ("four digits", "HTTP/1.1 2000 OK", HeadError::StatusInvalid),
        ("below 100", "HTTP/1.1 099 OK", HeadError::StatusInvalid),
        ("a sign", "HTTP/1.1 +20 OK", HeadError::StatusInvalid),
        ("two spaces", "HTTP/1.1  200 OK", HeadError::StatusInvalid),
        ("no status", "HTTP/1.1", HeadError::StatusInvalid),
        ("a tab as separator", "HTTP/1.1\t200 OK", HeadError::StatusInvalid),
        ("NUL in the reason", "HTTP/1.1 200 O\0K", HeadError::ReasonInvalid),
        ("bare CR in the reason", "HTTP/1.1 200 O\rK", HeadError::BareCr),
        ("bare CR after the status", "HTTP/1.1 200\rOK", HeadError::BareCr),
        ("bare LF as the end", "HTTP/1.1 200 OK\nX: y", HeadError::BareLf),
        ("an empty line before", "\r\nHTTP/1.1 200 OK", HeadError::VersionInvalid),
    ] {
        let input = format!("{line}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(parse(why, input.as_bytes()).unwrap_err(), want, "{why}");
    }
}

#[test]
fn rfc9112_section_6_3_framing_of_responses() {
    for (why, status, lines, method, want) in [
        ("a length", 200, "Content-Length: 5\r\n", Method::Get, ResponseFraming::Length(5)),
        ("chunks", 200, "Transfer-Encoding: chunked\r\n", Method::Get, ResponseFraming::Chunked),
        ("neither: until close", 200, "", Method::Get, ResponseFraming::UntilClose),
        ("HEAD has no body", 200, "Content-Length: 5\r\n", Method::Head, ResponseFraming::None),
        ("HEAD has no chunks", 200, "Transfer-Encoding: chunked\r\n", Method::Head, ResponseFraming::None),
        ("204 has no body", 204, "Content-Length: 5\r\n", Method::Get, ResponseFraming::None),
        ("304 has no body", 304, "Content-Length: 5\r\n", Method::Get, ResponseFraming::None),
        ("100 has no body", 100, "", Method::Get, ResponseFraming::None),
        ("103 has no body", 103, "Link: </a>\r\n", Method::Get, ResponseFraming::None),
        (
            "101 is another protocol",
            101,
            "Upgrade: x\r\nConnection: upgrade\r\n",
            Method::Get,
            ResponseFraming::Tunnel,
        ),
        (
            "CONNECT and 2xx is a tunnel",
            200,
            "Content-Length: 5\r\n",
            Method::Connect,
            ResponseFraming::Tunnel,
        ),
        (
            "CONNECT refused has a body",
            407,
            "Content-Length: 5\r\n",
            Method::Connect,
            ResponseFraming::Length(5),
        ),
    ] {
        let input = format!("HTTP/1.1 {status} X\r\n{lines}\r\n");
        assert_eq!(parse(why, input.as_bytes()).unwrap().framing(method), want, "{why}");
    }
}

#[test]
fn rfc9112_section_6_framing_of_responses_that_is_refused() {
    for (why, version, lines, want) in [
        (
            "both fields",
            "1.1",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            HeadError::LengthAndTransferEncoding,
        ),
        ("lengths differ", "1.1", "Content-Length: 5\r\nContent-Length: 6\r\n", HeadError::LengthsDiffer),
        ("a sign", "1.1", "Content-Length: +5\r\n", HeadError::LengthInvalid),
        ("a list", "1.1", "Content-Length: 5,5\r\n", HeadError::LengthInvalid),
        ("TE in 1.0", "1.0", "Transfer-Encoding: chunked\r\n", HeadError::TransferEncodingInHttp10),
        (
            "chunked is not last",
            "1.1",
            "Transfer-Encoding: chunked, gzip\r\n",
            HeadError::TransferEncodingInvalid,
        ),
        (
            "a coding we do not have",
            "1.1",
            "Transfer-Encoding: gzip, chunked\r\n",
            HeadError::TransferCodingUnknown,
        ),
        ("obs-fold", "1.1", "X: y\r\n z\r\n", HeadError::ObsoleteFold),
        ("space before the colon", "1.1", "X : y\r\n", HeadError::SpaceBeforeColon),
    ] {
        let input = format!("HTTP/{version} 200 OK\r\n{lines}\r\n");
        assert_eq!(parse(why, input.as_bytes()).unwrap_err(), want, "{why}");
    }
}

#[test]
fn host_and_expect_mean_nothing_in_a_response() {
    let input = b"HTTP/1.1 200 OK\r\nHost: a b\r\nHost: c\r\nExpect: tea\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let head = parse("ignored", input).unwrap();
    assert!(!head.keep_alive() && !head.upgrade());
    assert_eq!(head.fields().len(), 5);
}
