//! What the application or the caller gets wrong must not reach the wire.

use corelane_http_proto::conn::{ConnLimits, Next, RespondError, ResponseBody, ServerConn, Step};
use corelane_http_proto::encode::{ConnectionField, Framing, ResponseStart};
use corelane_http_proto::head::RequestHead;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

fn connection() -> (ServerConn, RequestHead) {
    let mut conn = ServerConn::new(ConnLimits::default());
    let mut head = RequestHead::new();
    conn.handle_input(GET, &mut head).unwrap();
    (conn, head)
}

#[test]
fn there_is_one_answer_to_one_request() {
    let mut fresh = ServerConn::new(ConnLimits::default());
    assert_eq!(fresh.respond(200, ResponseBody::Exact(0)), Err(RespondError::NothingToAnswer));
    assert_eq!(fresh.interim(103), Err(RespondError::NothingToAnswer));

    let (mut conn, _) = connection();
    let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(conn.respond(200, ResponseBody::Exact(0)), Err(RespondError::NothingToAnswer), "it has begun");
    assert_eq!(conn.interim(103), Err(RespondError::NothingToAnswer));
    assert_eq!(conn.finish_response(), Next::Request);
    assert_eq!(conn.respond(200, ResponseBody::Exact(0)), Err(RespondError::NothingToAnswer), "it is over");
    assert_eq!(conn.finish_response(), Next::Linger, "an answer to nothing ends the connection");
}

#[test]
fn the_next_request_waits_for_the_answer() {
    let (mut conn, mut head) = connection();
    assert_eq!(conn.handle_input(GET, &mut head), Ok(Step::AwaitResponse));
    let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(conn.handle_input(GET, &mut head), Ok(Step::AwaitResponse));
}

#[test]
fn rfc9110_15_2_interim_and_final_codes_are_told_apart() {
    let (mut conn, _) = connection();
    for status in [0, 99, 100, 102, 103, 199, 600, u16::MAX] {
        assert_eq!(conn.respond(status, ResponseBody::Exact(0)), Err(RespondError::Status), "{status}");
    }
    for status in [0, 99, 100, 101, 200, 600] {
        assert_eq!(conn.interim(status), Err(RespondError::Status), "{status}");
    }
    let hints = ResponseStart { status: 103, framing: Framing::Omit, connection: ConnectionField::Omit };
    assert_eq!(conn.interim(103), Ok(hints));
    assert!(conn.can_respond(), "an interim answer changes nothing");

    let mut old = ServerConn::new(ConnLimits::default());
    old.handle_input(b"GET / HTTP/1.0\r\n\r\n", &mut RequestHead::new()).unwrap();
    assert_eq!(old.interim(103), Err(RespondError::InterimUnknown));
}

#[test]
fn a_body_longer_than_announced_is_refused() {
    let (mut conn, _) = connection();
    assert_eq!(conn.body_sent(1), Err(RespondError::NothingToAnswer), "before it began");
    let _ = conn.respond(200, ResponseBody::Exact(5)).unwrap();
    assert_eq!(conn.body_sent(3), Ok(()));
    assert_eq!(conn.body_sent(3), Err(RespondError::LengthExceeded));
    assert_eq!(conn.body_sent(2), Ok(()), "what was refused is not counted");
    assert_eq!(conn.finish_response(), Next::Request);
}

#[test]
fn a_body_shorter_than_announced_closes() {
    let (mut conn, _) = connection();
    let _ = conn.respond(200, ResponseBody::Exact(5)).unwrap();
    conn.body_sent(4).unwrap();
    assert_eq!(conn.finish_response(), Next::Linger, "or the next answer would be read as its fifth byte");
}

#[test]
fn an_answer_that_never_began_closes() {
    let (mut conn, _) = connection();
    assert_eq!(conn.finish_response(), Next::Linger);
}

#[test]
fn an_aborted_answer_closes() {
    let (mut conn, mut head) = connection();
    let _ = conn.respond(200, ResponseBody::Unknown).unwrap();
    assert_eq!(conn.abort_response(), Next::Linger);
    assert_eq!(conn.handle_input(GET, &mut head), Ok(Step::Over(Next::Linger)));
}

#[test]
fn calls_about_a_body_are_harmless_without_one() {
    let (mut conn, mut head) = connection();
    conn.abandon_body();
    assert_eq!(conn.limit_body(0), Ok(()));
    assert_eq!(conn.want_body(b""), Ok(None));
    let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(conn.finish_response(), Next::Request);
    assert!(matches!(conn.handle_input(GET, &mut head), Ok(Step::Head { .. })));
}
