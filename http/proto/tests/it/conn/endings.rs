//! RFC 9112 §8, §9.6: errors, deadlines, and the end of the input.

use corelane_http_proto::conn::{BodyPlan, ConnLimits, Next, ResponseBody, ServerConn, Step};
use corelane_http_proto::encode::{ConnectionField, Framing};
use corelane_http_proto::head::RequestHead;

use super::driver::{Event, Read, Reply, play_all_ways};

#[test]
fn an_error_is_answered_once_and_ends_the_connection() {
    for (why, input, requests, status) in [
        ("no request line", "nonsense\r\n\r\n", 0, 400),
        ("an unknown version", "GET / HTTP/3.0\r\nhost: h\r\n\r\n", 0, 505),
        ("no host", "GET / HTTP/1.1\r\n\r\n", 0, 400),
        (
            "smuggling: both framings",
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            0,
            400,
        ),
        ("the second of two", "GET / HTTP/1.1\r\nhost: h\r\n\r\nbad\r\n\r\n", 1, 400),
        ("behind an error nothing is looked at", "bad\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n", 0, 400),
        (
            "a broken body",
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
            1,
            400,
        ),
    ] {
        let log = play_all_ways(input.as_bytes(), false, ConnLimits::default(), |_| Reply::OK, why);
        let seen = log.iter().filter(|event| matches!(event, Event::Request(_))).count();
        assert_eq!(seen, requests, "{why}");
        let end = [
            Event::Refused(status),
            Event::Answer(status, Framing::Length(0), ConnectionField::Close, BodyPlan::Skip),
            Event::Next(Next::Linger),
        ];
        assert!(log.ends_with(&end), "{why}: {log:?}");
    }
}

#[test]
fn an_error_in_the_body_of_an_answer_under_way_cannot_be_answered() {
    let input = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\nzz";
    let app = |_: &str| Reply { read: Read::Meanwhile, body: ResponseBody::Unknown, ..Reply::OK };
    let log = play_all_ways(input, false, ConnLimits::default(), app, "echo of a broken body");
    let end = [Event::Data(b"x".to_vec()), Event::Refused(400), Event::Next(Next::Linger)];
    assert!(log.ends_with(&end), "{log:?}");
}

#[test]
fn rfc9112_9_6_a_client_that_ends_its_side_gets_its_answers() {
    let one = "GET /1 HTTP/1.1\r\nhost: h\r\n\r\n";
    let post = "POST /2 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n";
    for (why, input, answers, end) in [
        ("nothing was asked", String::new(), 0, vec![Event::Eof]),
        ("two requests, then the end", one.repeat(2), 2, vec![Event::Next(Next::Request), Event::Eof]),
        ("the end in a head", format!("{one}GET"), 2, vec![Event::Next(Next::Close)]),
        ("the end in a body", format!("{post}ab"), 1, vec![Event::Next(Next::Close)]),
        (
            "the end right behind a body",
            format!("{post}abc"),
            1,
            vec![Event::Next(Next::Request), Event::Eof],
        ),
    ] {
        let log = play_all_ways(input.as_bytes(), true, ConnLimits::default(), |_| Reply::OK, why);
        let seen = log.iter().filter(|event| matches!(event, Event::Answer(..))).count();
        assert_eq!(seen, answers, "{why}");
        assert!(log.ends_with(&end), "{why}: {log:?}");
    }
}

/// A connection that has read `input`, and one step per call besides.
fn connection(input: &[u8]) -> (ServerConn, RequestHead) {
    let mut conn = ServerConn::new(ConnLimits::default());
    let mut head = RequestHead::new();
    conn.handle_input(input, &mut head).unwrap();
    (conn, head)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n";

#[test]
fn a_half_closed_client_waits_for_the_answer_at_hand() {
    let (mut conn, mut head) = connection(GET);
    assert_eq!(conn.handle_eof(), Ok(()));
    assert!(conn.can_respond());
    let response = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(response.start.connection, ConnectionField::Close, "no further request can come");
    assert_eq!(conn.finish_response(), Next::Close);
    assert_eq!(conn.handle_input(b"", &mut head), Ok(Step::Over(Next::Close)));
}

#[test]
fn the_end_of_the_input_while_draining_is_no_error() {
    let (mut conn, mut head) = connection(POST);
    conn.abandon_body();
    let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(conn.finish_response(), Next::Request);
    assert_eq!(conn.handle_eof(), Ok(()));
    assert_eq!(conn.handle_input(b"", &mut head), Ok(Step::Over(Next::Close)));

    let (mut conn, _) = connection(POST);
    conn.abandon_body();
    assert_eq!(conn.handle_eof(), Ok(()));
    let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(conn.finish_response(), Next::Close, "the answer was still due");
}

#[test]
fn rfc9110_15_5_9_a_late_request_is_answered_408() {
    for (why, input) in [("part of a head", &b"GET / HT"[..]), ("no byte of the body", POST)] {
        let (mut conn, mut head) = connection(input);
        let error = conn.handle_timeout().unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.status(), 408, "{why}");
        assert_eq!(conn.handle_input(b"more", &mut head), Err(error), "{why}: it is too late");
        assert!(conn.can_respond(), "{why}");
        let response = conn.respond(408, ResponseBody::Exact(0)).unwrap();
        assert_eq!(response.start.connection, ConnectionField::Close, "{why}");
        assert_eq!(conn.finish_response(), Next::Linger, "{why}");
    }
}

#[test]
fn a_deadline_while_nothing_is_owed_closes_without_an_answer() {
    let mut idle = ServerConn::new(ConnLimits::default());
    assert_eq!(idle.handle_timeout(), Ok(()));
    assert_eq!(idle.handle_input(GET, &mut RequestHead::new()), Ok(Step::Over(Next::Close)));

    let (mut draining, mut head) = connection(POST);
    let _ = draining.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(draining.finish_response(), Next::Request);
    assert_eq!(draining.handle_timeout(), Ok(()));
    assert!(!draining.can_respond(), "it was answered");
    assert_eq!(draining.handle_input(b"abc", &mut head), Ok(Step::Over(Next::Close)));

    let (mut answering, _) = connection(GET);
    assert_eq!(answering.handle_timeout(), Ok(()), "the deadline of input is none of a handler");
    assert!(answering.can_respond());
}

#[test]
fn a_server_can_refuse_before_it_reads() {
    let mut conn = ServerConn::new(ConnLimits::default());
    conn.refuse();
    assert_eq!(conn.handle_input(GET, &mut RequestHead::new()), Ok(Step::AwaitResponse));
    let response = conn.respond(503, ResponseBody::Exact(0)).unwrap();
    assert_eq!(response.start.connection, ConnectionField::Close);
    assert_eq!(conn.finish_response(), Next::Linger);
}

#[test]
fn a_server_can_refuse_to_read_on() {
    let (mut conn, mut head) = connection(POST);
    conn.refuse();
    assert_eq!(conn.handle_input(b"abc", &mut head), Ok(Step::AwaitResponse));
    let response = conn.respond(500, ResponseBody::Exact(0)).unwrap();
    assert_eq!(response.start.connection, ConnectionField::Close);
    assert_eq!(conn.finish_response(), Next::Linger);

    let (mut answered, mut head) = connection(POST);
    let _ = answered.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(answered.finish_response(), Next::Request);
    answered.refuse();
    assert_eq!(answered.handle_input(b"abc", &mut head), Ok(Step::Over(Next::Linger)), "nothing is owed");
}

#[test]
fn errors_say_their_cause() {
    use std::error::Error;
    let (mut conn, mut head) =
        connection(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
    let error = conn.handle_input(b"zz", &mut head).unwrap_err();
    assert_eq!(error.to_string(), "the chunked request body was refused");
    assert_eq!(error.source().unwrap().to_string(), "a chunk size begins with no hexadecimal digit");

    let error = ServerConn::new(ConnLimits::default()).handle_input(b" \r\n\r\n", &mut head).unwrap_err();
    assert_eq!(error.to_string(), "the request head was refused");
    assert!(error.source().is_some());
}
