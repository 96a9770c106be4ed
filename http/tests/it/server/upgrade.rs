//! A connection that changes hands after a 101 (RFC 9110 §7.8).

use std::time::Duration;

use corelane_http::app::App;
use corelane_http::response::{Response, Upgraded};
use corelane_http::server::Limits;

use super::{Client, start};

/// Sends back what comes, bytes that came early first.
async fn echo(upgraded: Upgraded) {
    let Upgraded { mut stream, unread } = upgraded;
    if let Some(unread) = unread
        && stream.send(unread).await.is_err()
    {
        return;
    }
    while let Ok(lease) = stream.recv().await {
        if lease.is_empty() || stream.send(lease).await.is_err() {
            return;
        }
    }
}

async fn upgrade() -> Response {
    Response::upgrade("echo", echo).unwrap()
}

/// Longer than the client's head may take: the deadline of the head must not reach the other protocol.
async fn slow_upgrade() -> Response {
    corelane_runtime::time::sleep(Duration::from_millis(400)).await;
    Response::upgrade("echo", echo).unwrap()
}

fn app() -> App {
    App::new()
        .get("/", upgrade)
        .post("/", upgrade)
        .get("/slow", slow_upgrade)
        .get("/panics", async || {
            Response::upgrade("echo", async |_: Upgraded| panic!("as the test wants it")).unwrap()
        })
        .get("/hello", async || "hello")
}

const HEAD: &str = "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

#[test]
fn the_new_protocol_gets_the_stream_and_the_bytes_behind_the_request() {
    let server = start(Limits { head_timeout: Duration::from_millis(200), ..Limits::default() }, app);
    for target in ["/", "/slow"] {
        let mut client = Client::connect(server.address());
        assert_eq!(client.get("/hello").text(), "hello", "HTTP before it");
        client.send(HEAD.replace("/ ", &format!("{target} ")) + "early");
        let answer = client.interim();
        assert_eq!((answer.status, answer.header("upgrade")), (101, Some("echo")), "{answer:?}");
        assert_eq!(client.take(5), b"early", "{target}");
        std::thread::sleep(Duration::from_millis(300));
        for len in [1, 1000, 200_000] {
            let data = vec![b'x'; len];
            let mut writer = client.stream.try_clone().unwrap();
            let sent = data.clone();
            let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &sent));
            assert_eq!(client.take(len), data, "{target}");
            writing.join().unwrap().unwrap();
        }
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(client.is_closed());
    }
    server.shutdown().unwrap();
}

#[test]
fn an_upgrade_that_was_not_asked_for_or_has_a_body_to_read_is_an_error() {
    let server = start(Limits::default(), app);
    for (why, request) in [
        ("not asked", "GET / HTTP/1.1\r\nhost: h\r\n\r\n"),
        ("HTTP/1.0", "GET / HTTP/1.0\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n"),
        (
            "body unread",
            "POST / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: echo\r\ncontent-length: 9\r\n\r\nabc",
        ),
    ] {
        let mut client = Client::connect(server.address());
        assert_eq!(client.send(request).answer().status, 500, "{why}");
    }
    server.shutdown().unwrap();
}

#[test]
fn a_protocol_that_panics_ends_its_connection_alone() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    assert_eq!(client.send(HEAD.replace("/ ", "/panics ")).interim().status, 101);
    assert!(client.is_closed());
    assert_eq!(Client::connect(server.address()).get("/hello").text(), "hello");
    server.shutdown().unwrap();
}
