//! The body on its way from the connection to whoever reads it: another task, a handler with other things to wait for,
//! nobody. In each case the connection stays in step, or closes.

use std::time::Duration;

use corelane_http::app::App;
use corelane_http::request::Request;
use corelane_http::response::{Response, StatusCode};
use corelane_http::server::Limits;
use corelane_runtime::{spawn, time};

use super::{Client, start};

const SHORT: Duration = Duration::from_millis(200);

async fn hello() -> &'static str {
    "hello"
}

/// The body is read by a task, and the handler waits for that.
async fn task_reads(request: Request) -> String {
    let body = request.into_body();
    let read = spawn(async move { body.bytes().await.map(|bytes| bytes.len()) });
    match read.await.expect("the task ends") {
        Ok(len) => len.to_string(),
        Err(error) => error.to_string(),
    }
}

/// A task reads one chunk and drops the rest; the handler goes on for longer than a body may rest.
async fn task_gives_up(request: Request) -> &'static str {
    let mut body = request.into_body();
    drop(spawn(async move {
        let _first = body.chunk().await;
        let _second = time::timeout(SHORT / 2, body.chunk()).await;
    }));
    time::sleep(SHORT * 4).await;
    "given up"
}

/// A task holds the body and outlives the handler.
async fn task_outlives(request: Request) -> &'static str {
    let mut body = request.into_body();
    drop(spawn(async move { while let Some(Ok(_)) = body.chunk().await {} }));
    "answered"
}

/// The handler waits for the body and for a timer, and sends back what comes after the timer.
async fn impatient_echo(request: Request) -> Response {
    let mut body = request.into_body();
    let first = time::timeout(SHORT / 4, body.chunk()).await;
    assert!(first.is_err(), "nothing comes so early");
    Response::new(body)
}

/// The handler waits for the body and for a timer, and answers when the timer is first.
async fn impatient(request: Request) -> StatusCode {
    match time::timeout(SHORT / 4, request.into_body().bytes()).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::ACCEPTED,
    }
}

/// The same, and the handler goes on for longer than a body may rest.
async fn impatient_and_slow(request: Request) -> &'static str {
    let mut body = request.into_body();
    let first = time::timeout(SHORT / 4, body.chunk()).await;
    assert!(first.is_err(), "nothing comes so early");
    drop(body);
    time::sleep(SHORT * 4).await;
    "slow"
}

fn app() -> App {
    App::new()
        .get("/", hello)
        .post("/task-reads", task_reads)
        .post("/task-gives-up", task_gives_up)
        .post("/task-outlives", task_outlives)
        .post("/impatient-echo", impatient_echo)
        .post("/impatient", impatient)
        .post("/impatient-and-slow", impatient_and_slow)
}

fn short() -> Limits {
    Limits { body_grace: SHORT, ..Limits::default() }
}

/// Heads that announce ten bytes of body: with a length and in one chunk; without and with an expectation.
fn heads(target: &str) -> Vec<(bool, String, &'static str)> {
    let mut heads = Vec::new();
    for expects in [false, true] {
        for (framing, end) in
            [("content-length: 10\r\n", ""), ("transfer-encoding: chunked\r\n", "\r\n0\r\n\r\n")]
        {
            let expect = if expects { "expect: 100-continue\r\n" } else { "" };
            heads.push((expects, format!("POST {target} HTTP/1.1\r\nhost: h\r\n{framing}{expect}\r\n"), end));
        }
    }
    heads
}

/// What comes before the data of a body of ten bytes.
fn before(end: &str) -> &'static str {
    if end.is_empty() { "" } else { "a\r\n" }
}

#[test]
fn a_task_reads_the_body_for_the_handler() {
    let server = start(Limits::default(), app);
    for (expects, head, end) in heads("/task-reads") {
        let mut client = Client::connect(server.address());
        client.send(&head);
        if expects {
            assert_eq!(client.interim().status, 100, "{head}");
        }
        client.send(before(end));
        for part in ["0123", "4567", "89"] {
            std::thread::sleep(Duration::from_millis(20));
            client.send(part);
        }
        assert_eq!(client.send(end).answer().text(), "10", "{head}");
        assert_eq!(client.get("/").text(), "hello", "{head}");
        client.send(format!("{}{}0123456789{end}", head.replace("expect", "x"), before(end)));
        assert_eq!(client.answer().text(), "10", "all at once: {head}");
        assert_eq!(client.get("/").text(), "hello", "{head}");
    }
    server.shutdown().unwrap();
}

#[test]
fn a_task_that_drops_the_body_does_not_end_the_handler() {
    let server = start(short(), app);
    for (expects, head, end) in heads("/task-gives-up") {
        let mut client = Client::connect(server.address());
        client.send(&head);
        if expects {
            assert_eq!(client.interim().status, 100, "{head}");
        }
        client.send(before(end)).send("0123");
        assert_eq!(client.answer().text(), "given up", "{head}");
        client.send("456789").send(end);
        assert_eq!(client.get("/").text(), "hello", "{head}");
    }
    server.shutdown().unwrap();
}

#[test]
fn a_task_that_outlives_the_handler_does_not_hold_the_connection() {
    let server = start(Limits::default(), app);
    for (expects, head, end) in heads("/task-outlives") {
        let mut client = Client::connect(server.address());
        client.send(&head);
        if expects {
            assert_eq!(client.interim().status, 100, "somebody may still read it: {head}");
        }
        assert_eq!(client.answer().text(), "answered", "{head}");
        client.send(before(end)).send("0123456789").send(end);
        assert_eq!(client.get("/").text(), "hello", "{head}");
    }
    server.shutdown().unwrap();
}

#[test]
fn a_body_may_be_sent_back_after_a_wait_for_it_was_given_up() {
    let server = start(Limits::default(), app);
    for (expects, head, end) in heads("/impatient-echo") {
        let mut client = Client::connect(server.address());
        client.send(&head);
        if expects {
            assert_eq!(client.interim().status, 100, "{head}");
        }
        std::thread::sleep(SHORT);
        client.send(before(end)).send("0123456789").send(end);
        assert_eq!(client.answer().text(), "0123456789", "{head}");
        assert_eq!(client.get("/").text(), "hello", "{head}");
    }
    server.shutdown().unwrap();
}

#[test]
fn a_wait_for_the_body_may_be_given_up() {
    for target in ["/impatient", "/impatient-and-slow"] {
        let server = start(short(), app);
        for (expects, head, end) in heads(target) {
            let mut client = Client::connect(server.address());
            client.send(&head);
            if expects {
                assert_eq!(client.interim().status, 100, "{head}");
            }
            let answer = client.answer();
            assert!([200, 202].contains(&answer.status), "{head}: {answer:?}");
            assert!(!answer.closes(), "{head}: {answer:?}");
            client.send(before(end)).send("0123456789").send(end);
            assert_eq!(client.get("/").text(), "hello", "{head}");
        }
        server.shutdown().unwrap();
    }
}
