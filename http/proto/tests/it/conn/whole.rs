//! `respond_whole` is a short cut: where it is taken, the three steps come to the same.

use std::num::NonZeroU32;

use corelane_http_proto::conn::{BodyPlan, ConnLimits, Next, ResponseBody, ServerConn, Step};
use corelane_http_proto::head::RequestHead;

const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nhost: h\r\n\r\n";

fn connection(request: &str, limits: &ConnLimits) -> ServerConn {
    let mut conn = ServerConn::new(*limits);
    let step = conn.handle_input(request.as_bytes(), &mut RequestHead::new());
    assert!(matches!(step, Ok(Step::Head { .. }) | Err(_)), "{request}: {step:?}");
    conn
}

#[test]
fn the_short_cut_gives_what_the_steps_give_or_is_not_taken() {
    let limits = ConnLimits { pipeline_max: 1, ..ConnLimits::default() };
    let last = ConnLimits { requests_max: NonZeroU32::new(1), ..limits };
    for (why, request, limits, taken) in [
        ("the usual", "GET / HTTP/1.1\r\nhost: h\r\n\r\n", &limits, true),
        ("an empty body", "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n", &limits, true),
        ("HEAD has no body", "HEAD / HTTP/1.1\r\nhost: h\r\n\r\n", &limits, false),
        ("CONNECT may be a tunnel", "CONNECT h:1 HTTP/1.1\r\nhost: h:1\r\n\r\n", &limits, false),
        ("a body to come", "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n", &limits, false),
        ("the client closes", "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n", &limits, false),
        ("1.0 closes", "GET / HTTP/1.0\r\n\r\n", &limits, false),
        ("1.0 has to be told", "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", &limits, false),
        ("the last one allowed", "GET / HTTP/1.1\r\nhost: h\r\n\r\n", &last, false),
        ("refused", "GET / HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n", &limits, false),
    ] {
        for status in [0, 99, 100, 101, 199, 200, 203, 204, 205, 206, 303, 304, 305, 404, 599, 600, u16::MAX]
        {
            for bytes in [0, 1, 2048] {
                let mut short = connection(request, limits);
                let mut steps = connection(request, limits);
                let start = short.respond_whole(status, bytes);
                let has_body = (200..=599).contains(&status) && !matches!(status, 204 | 205 | 304);
                assert_eq!(start.is_some(), taken && has_body, "{why}, {status}");
                let response = steps.respond(status, ResponseBody::Exact(bytes));
                let Some(start) = start else {
                    let again = short.respond(status, ResponseBody::Exact(bytes));
                    assert_eq!(again, response, "{why}, {status}: nothing has changed");
                    continue;
                };
                let response = response.expect("the short cut was taken");
                assert_eq!(start, response.start, "{why}, {status}");
                let plan = if bytes == 0 { BodyPlan::Skip } else { BodyPlan::Plain };
                assert_eq!(response.body, plan, "{why}, {status}: the body is sent as it is");
                steps.body_sent(bytes).unwrap();
                assert_eq!(steps.finish_response(), Next::Request);
                for conn in [&mut short, &mut steps] {
                    assert!(!conn.can_respond());
                    let step = conn.handle_input(NEXT, &mut RequestHead::new());
                    assert_eq!(step, Ok(Step::AwaitFlush), "{why}: it counts for the pipeline");
                    conn.flushed();
                    assert!(matches!(
                        conn.handle_input(NEXT, &mut RequestHead::new()),
                        Ok(Step::Head { .. })
                    ));
                }
            }
        }
    }
}

#[test]
fn nothing_is_answered_twice() {
    let mut conn = ServerConn::new(ConnLimits::default());
    assert_eq!(conn.respond_whole(200, 1), None, "no request yet");
    let _ = conn.handle_input(NEXT, &mut RequestHead::new()).unwrap();
    assert!(conn.respond_whole(200, 1).is_some());
    assert_eq!(conn.respond_whole(200, 1), None, "it is over");
    conn.close_after_response();
    assert_eq!(conn.handle_input(NEXT, &mut RequestHead::new()), Ok(Step::Over(Next::Close)));
}

#[test]
fn a_connection_that_is_to_close_says_so() {
    let mut conn = connection("GET / HTTP/1.1\r\nhost: h\r\n\r\n", &ConnLimits::default());
    conn.close_after_response();
    assert_eq!(conn.respond_whole(200, 1), None);
    let mut conn = connection("GET / HTTP/1.1\r\nhost: h\r\n\r\n", &ConnLimits::default());
    conn.handle_eof().unwrap();
    assert_eq!(conn.respond_whole(200, 1), None, "the client has ended its side");
}
