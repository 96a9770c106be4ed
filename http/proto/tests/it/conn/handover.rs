//! RFC 9110 §7.8, §9.3.6: the connection changes hands.

use corelane_http_proto::conn::{BodyPlan, ConnLimits, Next, RespondError, ResponseBody, ServerConn, Step};
use corelane_http_proto::encode::{ConnectionField, Framing, ResponseStart};
use corelane_http_proto::head::RequestHead;

const UPGRADE: &[u8] = b"GET /chat HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const CONNECT: &[u8] = b"CONNECT h:443 HTTP/1.1\r\nhost: h:443\r\n\r\n";

fn connection(input: &[u8]) -> (ServerConn, RequestHead) {
    let mut conn = ServerConn::new(ConnLimits::default());
    let mut head = RequestHead::new();
    let step = conn.handle_input(input, &mut head);
    assert!(matches!(step, Ok(Step::Head { consumed, .. }) if consumed == input.len()), "{step:?}");
    (conn, head)
}

#[test]
fn rfc9110_7_8_after_101_the_bytes_belong_to_the_other_protocol() {
    let (mut conn, mut head) = connection(UPGRADE);
    let response = conn.respond(101, ResponseBody::Exact(0)).unwrap();
    let start = ResponseStart { status: 101, framing: Framing::Omit, connection: ConnectionField::Upgrade };
    assert_eq!((response.start, response.body), (start, BodyPlan::Skip));
    assert_eq!(
        conn.handle_input(b"\x81\x00", &mut head),
        Ok(Step::AwaitResponse),
        "not before the answer is sent"
    );
    assert_eq!(conn.finish_response(), Next::Upgrade);
    assert_eq!(
        conn.handle_input(b"\x81\x00", &mut head),
        Ok(Step::Over(Next::Upgrade)),
        "frames are not parsed"
    );
    assert_eq!(conn.handle_eof(), Ok(()));
    assert_eq!(conn.handle_input(b"", &mut head), Ok(Step::Over(Next::Upgrade)));
}

#[test]
fn rfc9110_7_8_an_offer_may_be_declined() {
    let (mut conn, mut head) = connection(UPGRADE);
    let response = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(response.start.connection, ConnectionField::Omit);
    assert_eq!(conn.finish_response(), Next::Request);
    let step = conn.handle_input(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", &mut head);
    assert!(matches!(step, Ok(Step::Head { .. })), "what follows is HTTP: {step:?}");
}

#[test]
fn rfc9110_7_8_101_needs_a_request_that_asks() {
    for (why, input) in [
        ("no upgrade at all", &b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"[..]),
        ("not named in `connection`", b"GET / HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\n\r\n"),
        ("1.0 cannot", b"GET / HTTP/1.0\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
    ] {
        let (mut conn, _) = connection(input);
        assert_eq!(conn.respond(101, ResponseBody::Exact(0)), Err(RespondError::CannotHandOver), "{why}");
        assert!(conn.can_respond(), "{why}: an error can still be told");
    }
}

#[test]
fn rfc9110_7_8_the_body_is_read_before_protocols_are_switched() {
    let input =
        b"POST / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 1\r\n\r\n";
    let (mut conn, mut head) = connection(input);
    assert_eq!(conn.respond(101, ResponseBody::Exact(0)), Err(RespondError::CannotHandOver));
    conn.handle_input(b"x", &mut head).unwrap();
    assert_eq!(conn.handle_input(b"", &mut head), Ok(Step::End { consumed: 0 }));
    assert!(conn.respond(101, ResponseBody::Exact(0)).is_ok());
}

#[test]
fn rfc9110_9_3_6_2xx_to_connect_opens_a_tunnel() {
    for status in [200, 204, 299] {
        let (mut conn, mut head) = connection(CONNECT);
        let response = conn.respond(status, ResponseBody::Unknown).unwrap();
        let start = ResponseStart { status, framing: Framing::Omit, connection: ConnectionField::Omit };
        assert_eq!((response.start, response.body), (start, BodyPlan::Skip), "no framing field, no body");
        assert_eq!(conn.finish_response(), Next::Upgrade);
        assert_eq!(conn.handle_input(b"GET / HTTP/1.1\r\n\r\n", &mut head), Ok(Step::Over(Next::Upgrade)));
    }
}

#[test]
fn rfc9110_9_3_6_other_answers_to_connect_are_ordinary() {
    let (mut conn, _) = connection(CONNECT);
    let response = conn.respond(403, ResponseBody::Exact(2)).unwrap();
    assert_eq!(response.start.framing, Framing::Length(2));
    conn.body_sent(2).unwrap();
    assert_eq!(conn.finish_response(), Next::Request);
}
