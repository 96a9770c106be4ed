//! RFC 9112 §6: how answers are delimited, for each method, version, status and body.

use corelane_http_proto::conn::{BodyPlan, ConnLimits, Response, ResponseBody, ServerConn, Step};
use corelane_http_proto::encode::Framing;
use corelane_http_proto::head::RequestHead;

fn respond(request: &str, status: u16, body: ResponseBody) -> Response {
    let mut conn = ServerConn::new(ConnLimits::default());
    let step = conn.handle_input(request.as_bytes(), &mut RequestHead::new());
    assert!(matches!(step, Ok(Step::Head { .. })), "{step:?}");
    conn.respond(status, body).unwrap()
}

#[test]
fn rfc9112_6_3_answers_are_framed() {
    use BodyPlan::{Chunked, Plain, Skip};
    use Framing::{Length, Omit};
    use ResponseBody::{Exact, Unknown};
    const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    const HEAD: &str = "HEAD / HTTP/1.1\r\nhost: h\r\n\r\n";
    const OLD_GET: &str = "GET / HTTP/1.0\r\n\r\n";
    const OLD_HEAD: &str = "HEAD / HTTP/1.0\r\n\r\n";
    for (why, request, status, body, framing, plan) in [
        ("a known length is told", GET, 200, Exact(5), Length(5), Plain),
        ("also to 1.0", OLD_GET, 200, Exact(5), Length(5), Plain),
        ("an empty body needs its zero, or the client waits", GET, 200, Exact(0), Length(0), Skip),
        ("errors too", GET, 404, Exact(0), Length(0), Skip),
        ("the largest length", GET, 200, Exact(u64::MAX), Length(u64::MAX), Plain),
        ("an unknown one is chunked", GET, 200, Unknown, Framing::Chunked, Chunked),
        ("but 1.0 knows no coding: the end of the connection ends it", OLD_GET, 200, Unknown, Omit, Plain),
        ("HEAD is framed as GET, without the body (§9.3.2)", HEAD, 200, Exact(5), Length(5), Skip),
        ("HEAD, unknown", HEAD, 200, Unknown, Framing::Chunked, Skip),
        ("HEAD of 1.0, unknown", OLD_HEAD, 200, Unknown, Omit, Skip),
        ("204 has neither body nor length (RFC 9110 §8.6)", GET, 204, Exact(5), Omit, Skip),
        ("204, unknown", GET, 204, Unknown, Omit, Skip),
        ("304 has no body; the length that counts is not ours to know", GET, 304, Exact(0), Omit, Skip),
        ("304, unknown", GET, 304, Unknown, Omit, Skip),
        ("205 has an empty body (RFC 9110 §15.3.6)", GET, 205, Exact(5), Length(0), Skip),
        ("205, unknown", GET, 205, Unknown, Length(0), Skip),
        ("an unknown status is like 500", GET, 599, Exact(1), Length(1), Plain),
    ] {
        let response = respond(request, status, body);
        assert_eq!((response.start.framing, response.body), (framing, plan), "{why}");
        assert_eq!(response.start.status, status, "{why}");
    }
}

#[test]
fn head_of_1_0_keeps_its_connection_where_get_could_not() {
    let request = |method: &str| format!("{method} / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    for (method, goes_on) in [("HEAD", true), ("GET", false)] {
        let mut conn = ServerConn::new(ConnLimits::default());
        conn.handle_input(request(method).as_bytes(), &mut RequestHead::new()).unwrap();
        let _ = conn.respond(200, ResponseBody::Unknown).unwrap();
        let next = conn.finish_response();
        assert_eq!(next == corelane_http_proto::conn::Next::Request, goes_on, "{method}");
    }
}
