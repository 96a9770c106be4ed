//! RFC 9112 §9.3, RFC 9110 §7.6.1, §7.8 and §10.1.1: what a head says about the connection.

use corelane_http_proto::head::HeadError;

use super::{request, request_error};

#[test]
fn rfc9112_section_9_3_persistence() {
    for (why, version, lines, want) in [
        ("1.1 persists", "1.1", "", true),
        ("1.1 closes when told", "1.1", "Connection: close\r\n", false),
        ("options are case-insensitive", "1.1", "Connection: CLOSE\r\n", false),
        ("close in a list", "1.1", "Connection: foo, close\r\n", false),
        ("close on a second line", "1.1", "Connection: foo\r\nConnection: close\r\n", false),
        ("close wins", "1.1", "Connection: keep-alive, close\r\n", false),
        ("empty elements are skipped (RFC 9110 §5.6.1)", "1.1", "Connection: , ,close,\r\n", false),
        ("an option that starts like close", "1.1", "Connection: closed\r\n", true),
        ("1.0 closes", "1.0", "", false),
        ("1.0 persists when asked", "1.0", "Connection: keep-alive\r\n", true),
        ("1.0 in any case", "1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0 with both", "1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("the proxy's own field means nothing", "1.0", "Proxy-Connection: keep-alive\r\n", false),
    ] {
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(request(why, input.as_bytes()).keep_alive, want, "{why}");
    }
}

#[test]
fn rfc9110_section_7_8_upgrade() {
    for (why, version, lines, want) in [
        ("both field and option", "1.1", "Upgrade: websocket\r\nConnection: Upgrade\r\n", true),
        (
            "in the other order, in a list",
            "1.1",
            "Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n",
            true,
        ),
        ("the field alone", "1.1", "Upgrade: websocket\r\n", false),
        ("the option alone", "1.1", "Connection: Upgrade\r\n", false),
        ("not from 1.0", "1.0", "Upgrade: websocket\r\nConnection: Upgrade\r\n", false),
    ] {
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(request(why, input.as_bytes()).upgrade, want, "{why}");
    }
}

#[test]
fn rfc9110_section_10_1_1_expect() {
    for (why, version, lines, want) in [
        ("with a length", "1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n", true),
        ("with chunks, in any case", "1.1", "Transfer-Encoding: chunked\r\nExpect: 100-CONTINUE\r\n", true),
        ("no body follows", "1.1", "Expect: 100-continue\r\n", false),
        ("a body of nothing", "1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false),
        ("1.0 does not know it", "1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n", false),
        ("1.0 does not know any", "1.0", "Expect: tea\r\nContent-Length: 5\r\n", false),
    ] {
        let input = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(request(why, input.as_bytes()).expect_continue, want, "{why}");
    }
    let input = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n";
    assert_eq!(request_error("unknown", input), Some(HeadError::ExpectationUnknown));
}
