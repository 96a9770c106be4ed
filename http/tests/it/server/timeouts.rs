//! Every wait has a deadline. Each is made short here; what the defaults are is in `Limits`.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::router::{get, post};
use corelane_http::server::Limits;
use corelane_runtime::time;

use super::{Client, start};

const SHORT: Duration = Duration::from_millis(300);
/// What a loaded machine may add.
const SLACK: Duration = Duration::from_secs(5);

async fn hello() -> &'static str {
    "hello"
}

async fn echo(body: String) -> String {
    body
}

fn app() -> App {
    App::new().get("/", hello).route("/", post(echo).body_limit(1 << 30))
}

/// Sends `bytes` one by one until the server has had enough.
fn drip(client: &mut Client, bytes: &[u8]) {
    for byte in bytes {
        if client.try_send([*byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
        client.stream.set_nonblocking(true).unwrap();
        let answered = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_nonblocking(false).unwrap();
        if answered {
            return;
        }
    }
    panic!("the server took {} bytes dripped", bytes.len());
}

#[test]
fn a_head_that_drips_is_408() {
    let server = start(Limits { head_timeout: SHORT, ..Limits::default() }, app);
    let mut client = Client::connect(server.address());
    let began = Instant::now();
    drip(&mut client, format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(2000)).as_bytes());
    let answer = client.answer();
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(answer.closes());
    assert!(began.elapsed() >= SHORT && began.elapsed() < SHORT + SLACK, "{:?}", began.elapsed());
    server.shutdown().unwrap();
}

#[test]
fn a_head_that_drips_on_a_used_connection_is_408_too() {
    let server = start(Limits { head_timeout: SHORT, ..Limits::default() }, app);
    let mut client = Client::connect(server.address());
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HTTP/1.1\r\n");
    assert_eq!(client.answer().status, 408);
    server.shutdown().unwrap();
}

#[test]
fn a_connection_that_never_speaks_is_closed_without_an_answer() {
    let server = start(Limits { head_timeout: SHORT, ..Limits::default() }, app);
    let mut client = Client::connect(server.address());
    let began = Instant::now();
    assert!(client.is_closed());
    assert!(began.elapsed() >= SHORT && began.elapsed() < SHORT + SLACK, "{:?}", began.elapsed());
    server.shutdown().unwrap();
}

#[test]
fn an_idle_connection_is_closed_and_each_request_begins_its_rest_anew() {
    let server = start(Limits { idle_timeout: SHORT, ..Limits::default() }, app);
    let mut client = Client::connect(server.address());
    for _ in 0..4 {
        assert_eq!(client.get("/").status, 200);
        std::thread::sleep(SHORT / 2);
    }
    let began = Instant::now();
    assert!(client.is_closed());
    assert!(began.elapsed() < SHORT + SLACK);
    server.shutdown().unwrap();
}

#[test]
fn a_body_slower_than_the_lowest_rate_is_408() {
    let limits = Limits { body_grace: SHORT, body_rate_min: 1024, ..Limits::default() };
    let server = start(limits, app);
    for head in ["content-length: 100000", "transfer-encoding: chunked"] {
        let mut client = Client::connect(server.address());
        client.send(format!("POST / HTTP/1.1\r\nhost: h\r\n{head}\r\n\r\n"));
        if head.starts_with('t') {
            client.send("18000\r\n");
        }
        let began = Instant::now();
        drip(&mut client, &[b'x'; 3000]);
        let answer = client.answer();
        assert_eq!(answer.status, 408, "{head}: {answer:?}");
        assert!(began.elapsed() < SHORT + SLACK, "{head}: {:?}", began.elapsed());
    }
    server.shutdown().unwrap();
}

#[test]
fn a_body_that_nobody_reads_and_never_ends_is_given_up() {
    let limits = Limits { body_grace: SHORT, ..Limits::default() };
    let server = start(limits, || App::new().post("/", hello));
    let mut client = Client::connect(server.address());
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf of it");
    assert_eq!(client.answer().text(), "hello");
    assert!(client.is_closed());
    server.shutdown().unwrap();
}

#[test]
fn a_handler_past_its_deadline_is_dropped_and_answered_504() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let seen = dropped.clone();
    let server = start(Limits::default(), move || {
        let seen = seen.clone();
        let slow = get(async move || {
            let _guard = Dropped(seen.clone());
            time::sleep(Duration::from_secs(60)).await;
            "late"
        });
        App::new().get("/", hello).route("/slow", slow.deadline(SHORT))
    });
    let mut client = Client::connect(server.address());
    let answer = client.get("/slow");
    assert_eq!((answer.status, answer.closes()), (504, false), "{answer:?}");
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(client.get("/").text(), "hello", "and the connection goes on");
    server.shutdown().unwrap();
}

#[test]
fn a_peer_that_takes_nothing_is_closed() {
    let limits = Limits { write_stall: SHORT, ..Limits::default() };
    let server = start(limits, || App::new().get("/", async || "x".repeat(32 * 1024 * 1024)));
    let mut client = Client::connect(server.address());
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    std::thread::sleep(SHORT * 4);
    let began = Instant::now();
    let mut len = 0;
    while client.fill() {
        len += client.unread.len();
        client.unread.clear();
    }
    assert!(len < 32 * 1024 * 1024, "all of it arrived although nothing was read for long");
    assert!(began.elapsed() < SLACK);
    // Reset or closed: in either case nothing more can be sent for long.
    let _ = client.stream.write(b"x");
    server.shutdown().unwrap();
}

/// The bars of the defaults themselves: a head within 10 s of its first byte, a body within 30 s.
#[test]
fn a_byte_a_second_is_too_slow_by_default() {
    let server = start(Limits::default(), app);
    let address = server.address();
    let cases = [
        ("head", "", "GET / HTTP/1.1\r\nx: yyyyyyyyyyyyyyyyyyyyyyyy", 10),
        (
            "head after a request",
            "GET / HTTP/1.1\r\nhost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nx: yyyyyyyyyyyyy",
            10,
        ),
        (
            "body",
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 99\r\n\r\n",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            30,
        ),
        (
            "chunked body",
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n63\r\n",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            30,
        ),
    ];
    let threads = cases.map(|(why, first, drip, seconds)| {
        std::thread::spawn(move || {
            let mut client = Client::connect(address);
            client.send(first);
            if first.starts_with("GET") {
                assert_eq!(client.answer().text(), "hello");
            }
            let began = Instant::now();
            client.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            for byte in drip.bytes() {
                let _ = client.try_send([byte]);
                if client.stream.peek(&mut [0]).is_ok() {
                    break;
                }
            }
            client.stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
            let answer = client.answer();
            assert_eq!((answer.status, answer.closes()), (408, true), "{why}: {answer:?}");
            let took = began.elapsed();
            assert!(took < Duration::from_secs(seconds) + SLACK, "{why}: {took:?}");
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    server.shutdown().unwrap();
}
