//! Keep-alive, pipelining, half-close, and what an answer may carry (RFC 9112 §9, RFC 9110 §9 and §15).

use std::net::Shutdown;
use std::time::Duration;

use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::extract::Path;
use corelane_http::response::StatusCode;
use corelane_http::server::Limits;

use super::{Client, start};

async fn hello() -> &'static str {
    "hello"
}

async fn number(Path(number): Path<u32>) -> String {
    number.to_string()
}

fn app() -> App {
    App::new()
        .get("/", hello)
        .get("/n/{number}", number)
        .get("/none", async || StatusCode::NO_CONTENT)
        .get("/same", async || StatusCode::NOT_MODIFIED)
        .get("/large", async || "x".repeat(300_000))
}

#[test]
fn a_connection_serves_many_requests() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    for number in 0..1000 {
        let answer = client.get(&format!("/n/{number}"));
        assert_eq!((answer.status, answer.text()), (200, number.to_string().as_str()));
        assert!(!answer.closes());
    }
    server.shutdown().unwrap();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    for count in [2, 31, 32, 33, 500] {
        let batch: String = (0..count).map(|n| format!("GET /n/{n} HTTP/1.1\r\nhost: h\r\n\r\n")).collect();
        client.send(batch);
        for number in 0..count {
            assert_eq!(client.answer().text(), number.to_string(), "of {count}");
        }
    }
    server.shutdown().unwrap();
}

#[test]
fn pipelined_large_answers_stay_in_order() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    client.send("GET /large HTTP/1.1\r\nhost: h\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(4));
    for _ in 0..4 {
        assert_eq!(client.answer().body.len(), 300_000);
        assert_eq!(client.answer().text(), "hello");
    }
    server.shutdown().unwrap();
}

#[test]
fn close_and_keep_alive_are_understood() {
    let server = start(Limits::default(), app);
    for (why, request, closes) in [
        ("HTTP/1.1 stays", "GET / HTTP/1.1\r\nhost: h\r\n\r\n", false),
        ("close", "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n", true),
        (
            "close in a list and in capitals",
            "GET / HTTP/1.1\r\nhost: h\r\nconnection: x, CLOSE\r\n\r\n",
            true,
        ),
        ("HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", true),
        (
            "HTTP/1.0 with keep-alive stays",
            "GET / HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\n\r\n",
            false,
        ),
    ] {
        let mut client = Client::connect(server.address());
        let answer = client.send(request).answer();
        assert_eq!((answer.status, answer.text()), (200, "hello"), "{why}");
        assert_eq!(answer.closes(), closes, "{why}: {answer:?}");
        if closes {
            assert!(client.is_closed(), "{why}");
        } else {
            assert_eq!(client.get("/").status, 200, "{why}");
        }
    }
    server.shutdown().unwrap();
}

#[test]
fn what_has_no_body_sends_none() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    client.send("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n");
    let head = client.interim();
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")), "HEAD has the length of GET");
    for (target, status) in [("/none", 204), ("/same", 304)] {
        client.send(format!("GET {target} HTTP/1.1\r\nhost: h\r\n\r\n"));
        let answer = client.interim();
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("transfer-encoding"), None);
    }
    assert_eq!(client.get("/").text(), "hello", "and the connection is in step");
    server.shutdown().unwrap();
}

#[test]
fn every_answer_has_a_date_and_none_has_a_server() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    let answer = client.get("/");
    let date = answer.header("date").expect("a date");
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    assert!(!date.contains("1970"), "{date}");
    assert_eq!(answer.header("server"), None);
    server.shutdown().unwrap();
}

#[test]
fn a_client_that_half_closes_gets_its_answer() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\nGET /n/7 HTTP/1.1\r\nhost: h\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(client.answer().text(), "7");
    assert!(client.is_closed());
    server.shutdown().unwrap();
}

#[test]
fn half_close_during_a_slow_handler_is_a_choice() {
    async fn slow() -> &'static str {
        corelane_runtime::time::sleep(Duration::from_millis(300)).await;
        "late"
    }
    for half_close in [false, true] {
        let server = start(Limits { half_close, ..Limits::default() }, || App::new().get("/", slow));
        let mut client = Client::connect(server.address());
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        client.stream.shutdown(Shutdown::Write).unwrap();
        if half_close {
            assert_eq!(client.answer().text(), "late");
        } else {
            assert!(client.is_closed(), "the request of a client that went away is dropped");
        }
        server.shutdown().unwrap();
    }
}

#[test]
fn requests_per_connection_have_a_bound() {
    let server =
        start(Limits { requests_per_connection: std::num::NonZeroU32::new(3), ..Limits::default() }, app);
    let mut client = Client::connect(server.address());
    for count in 1..=3 {
        assert_eq!(client.get("/").closes(), count == 3, "request {count}");
    }
    assert!(client.is_closed());
    server.shutdown().unwrap();
}

/// Ten bytes whose length is not told ahead.
async fn stream() -> Body {
    let mut left = 2;
    Body::from_fn(move || {
        left -= 1;
        async move { (left >= 0).then_some(Ok::<_, std::io::Error>("part ")) }
    })
}

#[test]
fn a_body_is_framed_as_the_request_and_the_status_allow() {
    let server = start(Limits::default(), || {
        App::new()
            .get("/", hello)
            .get("/stream", stream)
            .get("/204", async || (StatusCode::NO_CONTENT, "not allowed"))
            .get("/205", async || (StatusCode::RESET_CONTENT, "not allowed"))
            .get("/304", async || (StatusCode::NOT_MODIFIED, "not allowed"))
            .get("/204-stream", async || (StatusCode::NO_CONTENT, stream().await))
            .get("/304-stream", async || (StatusCode::NOT_MODIFIED, stream().await))
            .get("/100", async || (StatusCode::CONTINUE, "not final"))
            .get("/101", async || (StatusCode::SWITCHING_PROTOCOLS, "not asked for"))
    });
    for (why, request, status, length, coding) in [
        ("a stream is chunked", "GET /stream HTTP/1.1", 200, None, Some("chunked")),
        ("HEAD of a stream is framed as GET", "HEAD /stream HTTP/1.1", 200, None, Some("chunked")),
        ("204 has neither body nor length", "GET /204 HTTP/1.1", 204, None, None),
        ("205 is empty", "GET /205 HTTP/1.1", 205, Some("0"), None),
        ("304 has no body", "GET /304 HTTP/1.1", 304, None, None),
        ("204 drops a stream", "GET /204-stream HTTP/1.1", 204, None, None),
        ("304 drops a stream", "GET /304-stream HTTP/1.1", 304, None, None),
    ] {
        let mut client = Client::connect(server.address());
        client.send(format!("{request}\r\nhost: h\r\n\r\n"));
        let answer = if request.starts_with("HEAD") { client.interim() } else { client.answer() };
        assert_eq!(answer.status, status, "{why}: {answer:?}");
        assert_eq!(answer.header("content-length"), length, "{why}: {answer:?}");
        assert_eq!(answer.header("transfer-encoding"), coding, "{why}: {answer:?}");
        assert_eq!(client.get("/").text(), "hello", "{why}: the connection is in step");
    }
    for target in ["/100", "/101"] {
        assert_eq!(
            Client::connect(server.address()).get(target).status,
            500,
            "{target} is no final status here"
        );
    }
    server.shutdown().unwrap();
}

#[test]
fn http_1_0_gets_the_end_of_the_connection_where_no_length_is_known() {
    let server = start(Limits::default(), || App::new().get("/", hello).get("/stream", stream));
    let ask = |target: &str| format!("GET {target} HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\n\r\n");
    let mut client = Client::connect(server.address());
    let answer = client.send(ask("/")).answer();
    assert_eq!((answer.text(), answer.header("connection")), ("hello", Some("keep-alive")));
    // What is pipelined behind is not answered: its answer would be taken for the body.
    client.send(ask("/stream") + &ask("/"));
    let answer = client.answer();
    assert_eq!((answer.text(), answer.closes()), ("part part ", true), "{answer:?}");
    assert_eq!(answer.header("transfer-encoding"), None);
    server.shutdown().unwrap();
}
