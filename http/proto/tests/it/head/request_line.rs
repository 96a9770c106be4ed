//! RFC 9112 §2.2, §2.3 and §3: the request line.

use corelane_http_proto::head::{HeadError, Version};

use super::{request, request_error};

#[test]
fn rfc9112_section_3_request_lines_that_are_accepted() {
    for (why, line, method, version) in [
        ("the common one", "GET / HTTP/1.1", "GET", Version::Http11),
        ("the other common one", "POST / HTTP/1.1", "POST", Version::Http11),
        ("longer methods", "OPTIONS / HTTP/1.1", "OPTIONS", Version::Http11),
        ("methods we have no variant for", "PROPFIND / HTTP/1.1", "PROPFIND", Version::Http11),
        ("methods are case-sensitive: another method", "get / HTTP/1.1", "get", Version::Http11),
        ("any token is a method", "!#$%&'*+-.^_`|~09Az / HTTP/1.1", "!#$%&'*+-.^_`|~09Az", Version::Http11),
        ("a method that starts like another", "GETS / HTTP/1.1", "GETS", Version::Http11),
        (
            "32 bytes is the longest",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF",
            Version::Http11,
        ),
        ("1.0 is still spoken", "GET / HTTP/1.0", "GET", Version::Http10),
        ("one empty line before is skipped (§2.2)", "\r\nGET / HTTP/1.1", "GET", Version::Http11),
    ] {
        let input = format!("{line}\r\nHost: a\r\n\r\n");
        let request = request(why, input.as_bytes());
        assert_eq!((request.method.as_str(), request.version), (method, version), "{why}");
        assert_eq!(request.len, input.len(), "{why}");
    }
}

#[test]
fn rfc9112_section_3_request_lines_that_are_refused() {
    for (why, line, want) in [
        ("no method", " / HTTP/1.1", HeadError::MethodInvalid),
        ("a method is a token", "GE(T / HTTP/1.1", HeadError::MethodInvalid),
        ("a method is a token: obsolete text", "G\u{c9}T / HTTP/1.1", HeadError::MethodInvalid),
        ("a tab is no separator", "GET\t/ HTTP/1.1", HeadError::MethodInvalid),
        ("only a method", "GET", HeadError::MethodInvalid),
        ("33 bytes of method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", HeadError::MethodTooLong),
        ("two spaces: an empty target", "GET  / HTTP/1.1", HeadError::TargetInvalid),
        ("no version: HTTP/0.9", "GET /", HeadError::VersionInvalid),
        ("two spaces before the version", "GET /  HTTP/1.1", HeadError::VersionInvalid),
        ("a space after the version", "GET / HTTP/1.1 ", HeadError::VersionInvalid),
        ("more after the version", "GET / HTTP/1.10", HeadError::VersionInvalid),
        ("the name is case-sensitive (§2.3)", "GET / http/1.1", HeadError::VersionInvalid),
        ("one digit each (§2.3)", "GET / HTTP/11.1", HeadError::VersionInvalid),
        ("no minor", "GET / HTTP/1", HeadError::VersionInvalid),
        ("another protocol", "GET / HTTQ/1.1", HeadError::VersionInvalid),
        ("HTTP/2 preface", "PRI * HTTP/2.0", HeadError::TargetInvalid),
        ("another major", "GET / HTTP/2.0", HeadError::VersionUnsupported),
        ("an older major", "GET / HTTP/0.9", HeadError::VersionUnsupported),
        ("a minor that does not exist", "GET / HTTP/1.2", HeadError::VersionUnsupported),
        ("two empty lines before", "\r\n\r\nGET / HTTP/1.1", HeadError::MethodInvalid),
        ("bare LF before", "\nGET / HTTP/1.1", HeadError::BareLf),
        ("bare CR before", "\rGET / HTTP/1.1", HeadError::BareCr),
        ("white space before the method", "\tGET / HTTP/1.1", HeadError::MethodInvalid),
        ("TLS on a plain port", "\u{16}\u{3}\u{1}", HeadError::MethodInvalid),
    ] {
        let input = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(request_error(why, input.as_bytes()), Some(want), "{why}");
    }
}

#[test]
fn rfc9112_section_2_2_line_ends_of_the_request_line() {
    for (why, input, want) in [
        ("bare LF", &b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..], HeadError::BareLf),
        ("bare CR", b"GET / HTTP/1.1\rHost: a\r\n\r\n", HeadError::BareCr),
        ("two CRs", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", HeadError::BareCr),
        ("NUL in place of the CR", b"GET / HTTP/1.1\0\nHost: a\r\n\r\n", HeadError::VersionInvalid),
        ("bare LF in 1.0", b"GET / HTTP/1.0\n\n", HeadError::BareLf),
    ] {
        assert_eq!(request_error(why, input), Some(want), "{why}");
    }
}
