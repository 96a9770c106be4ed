//! RFC 9112 §3.2: the four forms of a request target.

use corelane_http_proto::head::HeadError;

use super::{request, request_error};

#[test]
fn rfc9112_section_3_2_1_origin_form() {
    for (why, target, path, query) in [
        ("the root", "/", "/", None),
        ("a path", "/a/b", "/a/b", None),
        ("a query", "/a?b=c", "/a", Some("b=c")),
        ("an empty query is a query", "/a?", "/a", Some("")),
        ("only the first question mark splits", "/a?b?c", "/a", Some("b?c")),
        ("a slash in the query", "/?a/b", "/", Some("a/b")),
        ("two slashes are no authority", "//a/b", "//a/b", None),
        ("percent-encoding is left alone", "/%2e%2E/%00", "/%2e%2E/%00", None),
        ("what browsers do not encode in queries", "/?a|b{c}\"<>\\^`", "/", Some("a|b{c}\"<>\\^`")),
        (
            "a target of a vector's size",
            "/0123456789012345678901234567890",
            "/0123456789012345678901234567890",
            None,
        ),
        (
            "a question mark after a vector",
            "/01234567890123456789012345678901?q",
            "/01234567890123456789012345678901",
            Some("q"),
        ),
    ] {
        let request = request(why, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(request.target, target, "{why}");
        assert_eq!(request.path, path, "{why}");
        assert_eq!(request.query.as_deref(), query, "{why}");
        assert_eq!(request.host.as_deref(), Some("a"), "{why}");
    }
}

#[test]
fn rfc9112_section_3_2_2_absolute_form() {
    for (why, target, path, query, host) in [
        ("a server must accept it", "http://b/c", "/c", None, "b"),
        ("with a port and a query", "http://b:81/c?d", "/c", Some("d"), "b:81"),
        ("https from a proxy that ended TLS", "https://b/", "/", None, "b"),
        ("schemes are case-insensitive", "HTTP://b/c", "/c", None, "b"),
        ("an empty path means the root", "http://b", "/", None, "b"),
        ("an empty path before a query", "http://b?d", "/", Some("d"), "b"),
        ("an address", "http://[::1]:80/c", "/c", None, "[::1]:80"),
    ] {
        let request = request(why, format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n").as_bytes());
        assert_eq!((request.path.as_str(), request.query.as_deref()), (path, query), "{why}");
        // §3.2.2: the field is to be ignored in favour of the target.
        assert_eq!(request.host.as_deref(), Some(host), "{why}");
    }
}

#[test]
fn rfc9112_section_3_2_3_authority_form() {
    let request = request("CONNECT", b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    assert_eq!(request.path, "example.com:443");
    assert_eq!(request.host.as_deref(), Some("example.com:443"));
    assert_eq!(request.query, None);
}

#[test]
fn rfc9112_section_3_2_4_asterisk_form() {
    let request = request("OPTIONS", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((request.path.as_str(), request.query), ("*", None));
}

#[test]
fn rfc9112_section_3_2_targets_that_are_refused() {
    for (why, line) in [
        ("a relative path is of no form", "GET a HTTP/1.1"),
        ("only a query", "GET ?a HTTP/1.1"),
        ("authority-form is for CONNECT", "GET a:80 HTTP/1.1"),
        ("asterisk-form is for OPTIONS", "GET * HTTP/1.1"),
        ("asterisk-form has nothing more", "OPTIONS *a HTTP/1.1"),
        ("CONNECT takes no path", "CONNECT / HTTP/1.1"),
        ("CONNECT takes no scheme", "CONNECT http://a:80 HTTP/1.1"),
        ("CONNECT needs a port (RFC 9110 §9.3.6)", "CONNECT a HTTP/1.1"),
        ("CONNECT needs digits of a port", "CONNECT a: HTTP/1.1"),
        ("CONNECT takes no user", "CONNECT u@a:80 HTTP/1.1"),
        ("a fragment never travels", "GET /a#b HTTP/1.1"),
        ("a scheme we do not serve", "GET ftp://a/ HTTP/1.1"),
        ("a scheme without slashes", "GET http:a HTTP/1.1"),
        ("an empty authority (RFC 9110 §4.2.1)", "GET http:///a HTTP/1.1"),
        ("user information (RFC 9110 §4.2.4)", "GET http://u@a/ HTTP/1.1"),
        ("a port over 65535", "GET http://a:65536/ HTTP/1.1"),
        ("a control byte", "GET /a\u{1}b HTTP/1.1"),
        ("a tab", "GET /a\tb HTTP/1.1"),
        ("NUL", "GET /a\0b HTTP/1.1"),
        ("DEL", "GET /a\u{7f}b HTTP/1.1"),
        ("bytes from 0x80 on have to be encoded", "GET /\u{e9} HTTP/1.1"),
    ] {
        let input = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(request_error(why, input.as_bytes()), Some(HeadError::TargetInvalid), "{why}");
    }
}
