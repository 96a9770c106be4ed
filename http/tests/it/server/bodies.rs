//! Request and response bodies: framing both ways, limits, backpressure, `100-continue`.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use corelane_http::app::App;
use corelane_http::body::{Body, BodyError};
use corelane_http::request::Request;
use corelane_http::response::Response;
use corelane_http::router::post;
use corelane_http::server::Limits;
use corelane_runtime::time;

use super::{Client, start};

async fn echo(body: String) -> String {
    body
}

async fn echo_stream(request: Request) -> Response {
    Response::new(request.into_body())
}

async fn ignore() -> &'static str {
    "ignored"
}

fn app() -> App {
    App::new()
        .post("/echo", echo)
        .route("/stream", post(echo_stream).body_limit(1 << 30))
        .route("/small", post(echo).body_limit(10))
        .post("/ignore", ignore)
}

fn post_of(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_body_comes_back_whatever_its_framing() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    let long = "x".repeat(200_000);
    for target in ["/echo", "/stream"] {
        for body in ["", "hello", &long] {
            assert_eq!(client.send(post_of(target, body)).answer().text(), body, "{target} with a length");
            let chunks: String = body
                .as_bytes()
                .chunks(7001)
                .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()))
                .collect();
            client.send(format!(
                "POST {target} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
            ));
            assert_eq!(client.answer().text(), body, "{target} chunked");
        }
    }
    server.shutdown().unwrap();
}

#[test]
fn http_1_0_gets_a_stream_up_to_the_end_of_the_connection() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    client.send("POST /stream HTTP/1.0\r\ncontent-length: 5\r\n\r\nhello");
    let answer = client.answer();
    assert_eq!((answer.header("transfer-encoding"), answer.text()), (None, "hello"));
    server.shutdown().unwrap();
}

#[test]
fn a_body_over_its_limit_is_413() {
    let server = start(Limits::default(), app);
    for (why, request) in [
        ("declared", post_of("/small", "12345678901")),
        (
            "chunked",
            "POST /small HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n789012\r\n0\r\n\r\n".into(),
        ),
        ("the default limit", post_of("/echo", &"x".repeat(2 * 1024 * 1024 + 1))),
    ] {
        let mut client = Client::connect(server.address());
        // The server may answer and close before it has taken everything.
        let _ = client.try_send(&request);
        let answer = client.answer();
        assert_eq!(answer.status, 413, "{why}: {answer:?}");
        assert!(answer.text().contains("bytes"), "{why}: the body names the limit: {}", answer.text());
    }
    let mut client = Client::connect(server.address());
    assert_eq!(client.send(post_of("/small", "1234567890")).answer().status, 200, "just the limit");
    server.shutdown().unwrap();
}

#[test]
fn the_servers_limit_holds_where_a_route_sets_none() {
    let server = start(Limits { body_bytes_max: 4, ..Limits::default() }, app);
    let mut client = Client::connect(server.address());
    assert_eq!(client.send(post_of("/echo", "1234")).answer().status, 200);
    assert_eq!(
        client.send(post_of("/small", "12345")).answer().status,
        200,
        "the route's own limit is higher"
    );
    assert_eq!(client.send(post_of("/echo", "12345")).answer().status, 413);
    server.shutdown().unwrap();
}

#[test]
fn expect_100_continue_is_answered_when_the_body_is_wanted() {
    let server = start(Limits::default(), app);
    let head = |target: &str, len: u64| {
        format!("POST {target} HTTP/1.1\r\nhost: h\r\ncontent-length: {len}\r\nexpect: 100-continue\r\n\r\n")
    };
    let mut client = Client::connect(server.address());
    assert_eq!(client.send(head("/echo", 5)).interim().status, 100);
    assert_eq!(client.send("hello").answer().text(), "hello");

    let refused = client.send(head("/small", 11)).answer();
    assert_eq!(
        (refused.status, refused.closes()),
        (413, true),
        "413 instead of 100, before the body is sent"
    );

    let mut client = Client::connect(server.address());
    let unread = client.send(head("/ignore", 5)).answer();
    assert_eq!((unread.status, unread.closes()), (200, true), "nobody knows whether the body would come");

    let mut client = Client::connect(server.address());
    client.send(head("/echo", 5) + "hello");
    assert_eq!(client.answer().text(), "hello", "no interim answer if the body is there already");
    server.shutdown().unwrap();
}

#[test]
fn an_unread_body_is_drained_if_small_and_closes_if_not() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    for _ in 0..3 {
        let answer = client.send(post_of("/ignore", "not read by anybody")).answer();
        assert_eq!((answer.text(), answer.closes()), ("ignored", false));
    }
    client.send(format!("POST /ignore HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", 1 << 30));
    let answer = client.answer();
    assert_eq!((answer.text(), answer.closes()), ("ignored", true), "too much to be read for nothing");
    server.shutdown().unwrap();
}

#[test]
fn a_body_that_ends_early_fails_in_the_handler() {
    let failed = Arc::new(AtomicU64::new(0));
    let seen = failed.clone();
    let server = start(Limits::default(), move || {
        let seen = seen.clone();
        App::new().post("/", async move |request: Request| match request.into_body().bytes().await {
            Ok(body) => format!("{} bytes", body.len()),
            Err(error) => {
                assert!(error.is_peer_fault(), "{error}");
                seen.fetch_add(1, Ordering::SeqCst);
                "failed".to_owned()
            }
        })
    });
    let mut client = Client::connect(server.address());
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    while client.fill() {}
    assert_eq!(failed.load(Ordering::SeqCst), 1);
    server.shutdown().unwrap();
}

/// A handler that reads slowly slows the sender down: what it has not asked for stays in the kernel.
#[test]
fn a_slow_reader_holds_the_sender_back() {
    // The handler reads on when the client has seen the stall, however long either takes.
    let stall_seen = Arc::new(AtomicBool::new(false));
    let seen = stall_seen.clone();
    let server = start(Limits::default(), move || {
        let seen = seen.clone();
        let slow = async move |request: Request| -> Result<String, BodyError> {
            let mut body = request.into_body();
            let mut len = body.chunk().await.transpose()?.map_or(0, |chunk| chunk.len());
            while !seen.load(Ordering::Relaxed) {
                time::sleep(Duration::from_millis(5)).await;
            }
            while let Some(chunk) = body.chunk().await.transpose()? {
                len += chunk.len();
            }
            Ok(len.to_string())
        };
        App::new().route("/", post(slow).body_limit(1 << 30))
    });
    const LEN: usize = 64 * 1024 * 1024;
    let mut client = Client::connect(server.address());
    client.send(format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {LEN}\r\n\r\n"));
    client.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut sent = 0;
    let part = vec![b'x'; 64 * 1024];
    let stalled = loop {
        match client.stream.write(&part[..part.len().min(LEN - sent)]) {
            Ok(len) => sent += len,
            Err(_) => break true,
        }
        if sent == LEN {
            break false;
        }
    };
    stall_seen.store(true, Ordering::Relaxed);
    assert!(stalled, "64 MiB went out although the handler had read one chunk");
    client.stream.set_write_timeout(Some(super::PATIENCE)).unwrap();
    while sent < LEN {
        sent += client.stream.write(&part[..part.len().min(LEN - sent)]).unwrap();
    }
    assert_eq!(client.answer().text(), LEN.to_string());
    server.shutdown().unwrap();
}

/// A stream is made as the peer takes it: a client that does not read stops the handler's stream.
#[test]
fn a_slow_receiver_holds_a_streamed_answer_back() {
    let made = Arc::new(AtomicU64::new(0));
    let count = made.clone();
    let server = start(Limits::default(), move || {
        let count = count.clone();
        App::new().get("/", async move || {
            let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
            let count = count.clone();
            Response::new(Body::from_fn(move || {
                let more = count.fetch_add(1, Ordering::SeqCst) < 2000;
                let chunk = chunk.clone();
                async move { more.then_some(Ok::<_, BodyError>(chunk)) }
            }))
        })
    });
    let mut client = Client::connect(server.address());
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    std::thread::sleep(Duration::from_millis(500));
    let ahead = made.load(Ordering::SeqCst);
    assert!(ahead < 1000, "{ahead} chunks of 64 KiB were made for a client that has read nothing");
    assert_eq!(client.answer().body.len(), 2000 * 64 * 1024);
    server.shutdown().unwrap();
}

#[test]
fn a_stream_that_fails_ends_the_connection_without_its_last_chunk() {
    let server = start(Limits::default(), || {
        App::new().get("/", async || {
            let mut left = 2;
            Response::new(Body::from_fn(move || {
                left -= 1;
                async move { Some(if left > 0 { Ok("part") } else { Err("the source broke") }.map(Bytes::from)) }
            }))
        })
    });
    let mut client = Client::connect(server.address());
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    let mut all = Vec::new();
    let _ = client.stream.read_to_end(&mut all);
    let text = String::from_utf8_lossy(&all);
    assert!(text.contains("4\r\npart\r\n") && !text.ends_with("0\r\n\r\n"), "{text}");
    server.shutdown().unwrap();
}
