//! RFC 9112 §9.3: whether the connection goes on after an answer, and pipelines.

use core::num::NonZeroU32;

use corelane_http_proto::conn::{ConnLimits, Next, ResponseBody, ServerConn, Step, Waiting};
use corelane_http_proto::encode::ConnectionField;
use corelane_http_proto::head::RequestHead;

use super::driver::{Event, Reply, play_all_ways};

/// The `connection` field and what came next, for each answer.
fn outcomes(log: &[Event]) -> Vec<(ConnectionField, Next)> {
    log.windows(2)
        .filter_map(|pair| match pair {
            [Event::Answer(_, _, connection, _), Event::Next(next)] => Some((*connection, *next)),
            _ => None,
        })
        .collect()
}

#[test]
fn rfc9112_9_3_persistence_follows_version_and_field() {
    use ConnectionField::{Close, KeepAlive, Omit};
    for (why, input, body, want) in [
        ("1.1 stays", "GET / HTTP/1.1\r\nhost: h\r\n\r\n", ResponseBody::Exact(2), (Omit, Next::Request)),
        (
            "1.1 closes when told",
            "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
            ResponseBody::Exact(2),
            (Close, Next::Close),
        ),
        (
            "in any case, in a list",
            "GET / HTTP/1.1\r\nhost: h\r\nconnection: foo, Close\r\n\r\n",
            ResponseBody::Exact(2),
            (Close, Next::Close),
        ),
        ("1.0 closes", "GET / HTTP/1.0\r\n\r\n", ResponseBody::Exact(2), (Close, Next::Close)),
        (
            "1.0 stays when asked, and is told so",
            "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
            ResponseBody::Exact(2),
            (KeepAlive, Next::Request),
        ),
        (
            "1.0 cannot stay when the end of the connection ends the body",
            "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
            ResponseBody::Unknown,
            (Close, Next::Linger),
        ),
        (
            "1.1 stays behind chunks",
            "GET / HTTP/1.1\r\nhost: h\r\n\r\n",
            ResponseBody::Unknown,
            (Omit, Next::Request),
        ),
    ] {
        let app = |_: &str| Reply { body, ..Reply::OK };
        let log = play_all_ways(input.as_bytes(), false, ConnLimits::default(), app, why);
        assert_eq!(outcomes(&log), [want], "{why}");
    }
}

#[test]
fn rfc9112_9_3_2_pipelined_requests_are_answered_in_order() {
    let input = b"GET /1 HTTP/1.1\r\nhost: h\r\n\r\n\
        POST /2 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc\
        POST /3 HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\n0\r\nt: v\r\n\r\n\
        GET /4 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n\
        GET /5 HTTP/1.1\r\nhost: h\r\n\r\n";
    let log = play_all_ways(input, false, ConnLimits::default(), |_| Reply::OK, "pipeline");
    let told: Vec<_> = log.into_iter().filter(|event| !matches!(event, Event::Answer(..))).collect();
    assert_eq!(
        told,
        [
            Event::Request("/1".into()),
            Event::Next(Next::Request),
            Event::Request("/2".into()),
            Event::Data(b"abc".to_vec()),
            Event::End,
            Event::Next(Next::Request),
            Event::Request("/3".into()),
            Event::Data(b"de".to_vec()),
            Event::Trailer("t".into(), "v".into()),
            Event::End,
            Event::Next(Next::Request),
            Event::Request("/4".into()),
            Event::Next(Next::Close),
        ],
        "nothing behind `close` is looked at"
    );
}

#[test]
fn a_pipeline_is_answered_no_further_than_its_limit_before_the_answers_leave() {
    let limits = ConnLimits { pipeline_max: 2, ..ConnLimits::default() };
    let input = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(5);
    let log = play_all_ways(&input, false, limits, |_| Reply::OK, "pipeline");
    let marks: Vec<_> = log
        .iter()
        .filter_map(|event| match event {
            Event::Request(_) => Some('r'),
            Event::Flush => Some('f'),
            _ => None,
        })
        .collect();
    assert_eq!(String::from_iter(marks), "rrfrrfr");
}

#[test]
fn the_last_request_allowed_is_told_so() {
    let limits = ConnLimits { requests_max: NonZeroU32::new(2), ..ConnLimits::default() };
    let input = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(3);
    let log = play_all_ways(&input, false, limits, |_| Reply::OK, "limit");
    assert_eq!(
        outcomes(&log),
        [(ConnectionField::Omit, Next::Request), (ConnectionField::Close, Next::Linger)],
        "and the client may be sending a third, so its answer has to be protected from a reset"
    );
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

#[test]
fn a_draining_server_ends_idle_connections_at_once() {
    let mut conn = ServerConn::new(ConnLimits::default());
    conn.close_after_response();
    assert_eq!(conn.handle_input(GET, &mut RequestHead::new()), Ok(Step::Over(Next::Close)));
    assert_eq!(conn.waiting(), Waiting::Nothing);
}

#[test]
fn a_draining_server_answers_what_has_begun_to_arrive() {
    for (why, seen) in [("the request is at hand", GET.len()), ("part of its head has come", 10)] {
        let mut conn = ServerConn::new(ConnLimits::default());
        let mut head = RequestHead::new();
        conn.handle_input(&GET[..seen], &mut head).unwrap();
        conn.close_after_response();
        if seen < GET.len() {
            conn.handle_input(GET, &mut head).unwrap();
        }
        let response = conn.respond(200, ResponseBody::Exact(0)).unwrap();
        assert_eq!(response.start.connection, ConnectionField::Close, "{why}");
        assert_eq!(conn.finish_response(), Next::Linger, "{why}");
        assert_eq!(conn.handle_input(GET, &mut head), Ok(Step::Over(Next::Linger)), "{why}");
    }
}

#[test]
fn a_draining_server_closes_after_an_answer_that_had_begun() {
    let mut conn = ServerConn::new(ConnLimits::default());
    conn.handle_input(GET, &mut RequestHead::new()).unwrap();
    let response = conn.respond(200, ResponseBody::Unknown).unwrap();
    assert_eq!(response.start.connection, ConnectionField::Omit, "nobody knew better then");
    conn.close_after_response();
    assert_eq!(conn.finish_response(), Next::Linger);
}

#[test]
fn what_is_waited_for_names_the_deadline() {
    let mut conn = ServerConn::new(ConnLimits::default());
    let mut head = RequestHead::new();
    assert_eq!(conn.waiting(), Waiting::Request);
    conn.handle_input(b"", &mut head).unwrap();
    assert_eq!(conn.waiting(), Waiting::Request, "no byte of a request has come");
    let input = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab";
    conn.handle_input(&input[..1], &mut head).unwrap();
    assert_eq!(conn.waiting(), Waiting::Head);
    conn.handle_input(input, &mut head).unwrap();
    assert_eq!(conn.waiting(), Waiting::Body);
    conn.abandon_body();
    assert_eq!(conn.waiting(), Waiting::Drain);
    conn.handle_input(b"ab", &mut head).unwrap();
    assert_eq!(conn.waiting(), Waiting::Nothing, "the answer is the application's");
    let _ = conn.respond(200, ResponseBody::Exact(0)).unwrap();
    assert_eq!(conn.finish_response(), Next::Request);
    assert_eq!(conn.waiting(), Waiting::Request);
}
