//! RFC 9112 §3.2 and RFC 9110 §7.2: `Host`.

use corelane_http_proto::head::HeadError;

use super::{request, request_error};

#[test]
fn rfc9110_section_7_2_hosts_that_are_accepted() {
    for (why, host) in [
        ("a name", "example.com"),
        ("a port", "example.com:8080"),
        ("an empty port is in the grammar (RFC 3986 §3.2.3)", "example.com:"),
        ("the largest port", "a:65535"),
        ("leading zeros of a port", "a:00080"),
        ("an address", "127.0.0.1"),
        ("an IPv6 address", "[::1]"),
        ("an IPv6 address and a port", "[2001:db8::1]:443"),
        ("an IPv4 address in an IPv6 one", "[::ffff:192.0.2.1]"),
        ("an underscore, as in names of services", "my_service"),
        ("percent-encoded (RFC 3986 §3.2.2)", "a%C3%A9.example"),
        ("sub-delims (RFC 3986 §3.2.2)", "a!$&'()*+,;=b"),
        ("longer than a vector", "a-very-long-host-name.of-some-service.example.com:12345"),
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(request(why, input.as_bytes()).host.as_deref(), Some(host), "{why}");
    }
}

#[test]
fn rfc9110_section_7_2_hosts_that_are_refused() {
    for (why, host) in [
        ("empty: an http URI has a host (RFC 9110 §4.2.1)", ""),
        ("only a port", ":80"),
        ("white space", "a b"),
        ("a path", "a/b"),
        ("a query", "a?b"),
        ("user information", "u@a"),
        ("two ports", "a:80:80"),
        ("letters in the port", "a:8o"),
        ("a sign in the port", "a:+80"),
        ("a port over 65535", "a:65536"),
        ("a port of many digits", "a:99999999999999999999"),
        ("an address without brackets", "::1"),
        ("an open bracket", "[::1"),
        ("something after the bracket", "[::1]a"),
        ("no address in the brackets", "[a]"),
        ("a zone (RFC 6874 is for URIs within one host)", "[fe80::1%25eth0]"),
        ("half an encoding", "a%4"),
        ("no encoding", "a%zz"),
        ("obsolete text", "\u{e9}.example"),
        ("a backslash", "a\\b"),
        ("a scheme", "http://a"),
        ("two hosts", "a, b"),
        ("a quote", "\"a\""),
    ] {
        for (port, line) in
            [("last", format!("Host: {host}")), ("first", format!("Host: {host}\r\nAccept: */*, text/plain"))]
        {
            let input = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
            assert_eq!(request_error(why, input.as_bytes()), Some(HeadError::HostInvalid), "{why} ({port})");
        }
    }
}

#[test]
fn rfc9112_section_3_2_one_host_and_not_more() {
    for (why, input, want) in [
        ("missing in 1.1", "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", Some(HeadError::HostMissing)),
        ("missing with no field at all", "GET / HTTP/1.1\r\n\r\n", Some(HeadError::HostMissing)),
        (
            "missing although the target has one",
            "GET http://a/ HTTP/1.1\r\n\r\n",
            Some(HeadError::HostMissing),
        ),
        ("not needed in 1.0", "GET / HTTP/1.0\r\n\r\n", None),
        ("allowed in 1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", None),
        ("several", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Some(HeadError::HostRepeated)),
        (
            "several of the same",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            Some(HeadError::HostRepeated),
        ),
        ("several in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", Some(HeadError::HostRepeated)),
        (
            "several although the target has one",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            Some(HeadError::HostRepeated),
        ),
        (
            "invalid although the target has one",
            "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n",
            Some(HeadError::HostInvalid),
        ),
        ("invalid in 1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Some(HeadError::HostInvalid)),
    ] {
        assert_eq!(request_error(why, input.as_bytes()), want, "{why}");
    }
}
