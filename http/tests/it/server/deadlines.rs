//! A deadline ends the wait that it was set for, and nothing else: a handler, a stream or a slow reader that takes
//! longer than the last receive was allowed to is not cut off.

use std::time::Duration;

use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::request::Request;
use corelane_http::response::Response;
use corelane_http::router::post;
use corelane_http::server::Limits;
use corelane_runtime::time;

use super::{Client, start};

const SHORT: Duration = Duration::from_millis(200);

/// All shorter than what the handlers take. A loaded machine may keep a client from its next request for a while.
fn short() -> Limits {
    Limits { head_timeout: SHORT, idle_timeout: SHORT * 3, body_grace: SHORT, ..Limits::default() }
}

async fn slow() -> &'static str {
    time::sleep(SHORT * 4).await;
    "slow"
}

async fn slow_after_body(body: String) -> String {
    time::sleep(SHORT * 4).await;
    body
}

async fn stream() -> Body {
    let mut left = 8;
    Body::from_fn(move || {
        left -= 1;
        async move {
            time::sleep(SHORT / 2).await;
            (left >= 0).then_some(Ok::<_, std::io::Error>("tick "))
        }
    })
}

/// Sends an answer once the body was too slow, and takes its time for it.
async fn slow_to_refuse(request: Request) -> Response {
    let error = request.into_body().bytes().await.expect_err("the body never comes");
    time::sleep(SHORT).await;
    Response::new("too slow").with_status(error.status())
}

fn app() -> App {
    App::new()
        .get("/", async || "hello")
        .get("/slow", slow)
        .get("/stream", stream)
        .get("/large", async || "x".repeat(12 << 20))
        .post("/slow", slow_after_body)
        .route("/refuse", post(slow_to_refuse))
}

#[test]
fn a_handler_may_take_longer_than_any_receive() {
    let server = start(short(), app);
    for used in [false, true] {
        let mut client = Client::connect(server.address());
        if used {
            assert_eq!(client.get("/").text(), "hello");
        }
        assert_eq!(client.get("/slow").text(), "slow", "used before: {used}");
        assert_eq!(client.get("/").text(), "hello", "and the connection goes on");
    }
    server.shutdown().unwrap();
}

#[test]
fn a_handler_may_take_its_time_after_the_body() {
    let server = start(short(), app);
    let mut client = Client::connect(server.address());
    client.send("POST /slow HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbo");
    std::thread::sleep(SHORT / 4);
    assert_eq!(client.send("dy").answer().text(), "body");
    assert_eq!(client.get("/").text(), "hello");
    server.shutdown().unwrap();
}

#[test]
fn a_stream_may_last_longer_than_any_receive() {
    let server = start(short(), app);
    let mut client = Client::connect(server.address());
    assert_eq!(client.get("/stream").text(), "tick ".repeat(8));
    assert_eq!(client.get("/").text(), "hello");
    server.shutdown().unwrap();
}

#[test]
fn a_reader_that_makes_progress_may_take_longer_than_the_idle_time() {
    let server = start(short(), app);
    let mut client = Client::connect(server.address());
    client.send("GET /large HTTP/1.1\r\nhost: h\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(SHORT / 2);
        assert!(client.fill(), "still sending");
    }
    assert_eq!(client.answer().body.len(), 12 << 20);
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(client.get("/").text(), "hello");
    server.shutdown().unwrap();
}

#[test]
fn a_body_that_is_too_slow_is_answered_even_if_the_handler_takes_its_time() {
    let server = start(short(), app);
    let mut client = Client::connect(server.address());
    client.send("POST /refuse HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nx");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text(), answer.closes()), (408, "too slow", true), "{answer:?}");
    server.shutdown().unwrap();
}

#[test]
fn the_longest_durations_mean_never() {
    let never = Duration::MAX;
    let limits = Limits {
        head_timeout: never,
        idle_timeout: never,
        body_grace: never,
        write_stall: never,
        drain_timeout: never,
        ..Limits::default()
    };
    let server = start(limits, app);
    let mut client = Client::connect(server.address());
    assert_eq!(client.get("/").text(), "hello");
    client.send("POST /slow HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbo");
    std::thread::sleep(SHORT / 4);
    assert_eq!(client.send("dy").answer().text(), "body");
    server.shutdown().unwrap();
}
