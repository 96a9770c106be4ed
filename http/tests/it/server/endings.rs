//! How a connection ends early: a program that panics, a server that is told to stop, at every stage of a request.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::request::Request;
use corelane_http::response::Response;
use corelane_http::server::Limits;
use corelane_runtime::time;

use super::{Answer, Client, start};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped, as the test wants it");
        }
    }
}

/// Panics when it is cloned for the second time.
struct Once(AtomicU32);

impl Clone for Once {
    fn clone(&self) -> Once {
        assert!(self.0.fetch_add(1, Ordering::Relaxed) != 1, "cloned, as the test wants it");
        Once(AtomicU32::new(0))
    }
}

async fn panic_at_second_poll() -> &'static str {
    corelane_runtime::yield_now().await;
    panic!("as the test wants it")
}

async fn panic_with_the_body(request: Request) -> &'static str {
    let mut body = request.into_body();
    let _first = body.chunk().await;
    panic!("as the test wants it")
}

fn broken_stream(chunks: u32, end: fn() -> Option<Result<&'static str, std::io::Error>>) -> Body {
    let mut left = chunks;
    Body::from_fn(move || {
        let done = left == 0;
        left = left.saturating_sub(1);
        async move { if done { end() } else { Some(Ok("part ")) } }
    })
}

fn app() -> App {
    let cloned = Once(AtomicU32::new(0));
    App::new()
        .get("/", async || "hello")
        .get("/first", async || -> &'static str { panic!("as the test wants it") })
        .get("/second", panic_at_second_poll)
        .get("/drop", async || {
            let _bomb = Bomb;
            "dropped"
        })
        .get("/clone", async move || {
            let _ = &cloned;
            "cloned"
        })
        .get("/stream", async || broken_stream(3, || panic!("as the test wants it")))
        .get("/error", async || broken_stream(3, || Some(Err(std::io::ErrorKind::Other.into()))))
        .get("/stream-drop", async || {
            let bomb = Bomb;
            let mut stream = broken_stream(3, || None);
            Body::from_fn(move || {
                let _ = &bomb;
                let chunk = std::future::poll_fn(|cx| stream.poll_chunk(cx));
                // Ready at once: the source never waits.
                let chunk = futures_now(chunk);
                async move { chunk.map(|chunk| chunk.map(|chunk| chunk.to_vec())) }
            })
        })
        .post("/body", panic_with_the_body)
        .get("/slow", async || {
            time::sleep(Duration::from_millis(300)).await;
            "slow"
        })
        .get("/ticks", async || {
            let mut left = 6;
            Body::from_fn(move || {
                left -= 1;
                async move {
                    time::sleep(Duration::from_millis(50)).await;
                    (left >= 0).then_some(Ok::<_, std::io::Error>("tick "))
                }
            })
        })
        .post("/echo", async |request: Request| Response::new(request.into_body()))
}

fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("waits"),
    }
}

#[test]
fn a_panic_in_a_handler_is_500_whenever_it_comes() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    let mut panics = 0;
    for target in ["/first", "/second", "/drop"] {
        for _ in 0..2 {
            let answer = client.get(target);
            assert_eq!((answer.status, answer.closes()), (500, false), "{target}: {answer:?}");
            assert!(!answer.text().contains("test wants"), "nothing of the panic is told: {}", answer.text());
            assert_eq!(client.get("/").text(), "hello", "{target}: the connection goes on");
            panics += 1;
            assert_eq!(server.core_stats()[0].panics, panics, "{target}");
        }
    }
    server.shutdown().unwrap();
}

#[test]
fn a_panic_before_the_handler_runs_is_500() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    let answers: Vec<u16> = (0..3).map(|_| client.get("/clone").status).collect();
    assert!(answers.contains(&500), "one of the calls panics: {answers:?}");
    assert_eq!(client.get("/").text(), "hello");
    server.shutdown().unwrap();
}

#[test]
fn a_panic_with_the_body_half_read_keeps_the_connection_in_step() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    client.send("POST /body HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n01234");
    assert_eq!(client.answer().status, 500);
    client.send("56789");
    assert_eq!(client.get("/").text(), "hello");
    server.shutdown().unwrap();
}

#[test]
fn a_stream_that_fails_is_not_ended_as_if_it_were_whole() {
    let server = start(Limits::default(), app);
    for (target, panics) in [("/stream", 1), ("/error", 1)] {
        let mut client = Client::connect(server.address());
        client.send(format!("GET {target} HTTP/1.1\r\nhost: h\r\n\r\n"));
        assert_eq!(client.interim().status, 200);
        let mut rest = Vec::new();
        while client.fill() {
            rest.append(&mut client.unread);
        }
        rest.append(&mut client.unread);
        let rest = String::from_utf8(rest).unwrap();
        assert_eq!(rest.matches("part ").count(), 3, "{target}: what was made is sent: {rest:?}");
        assert!(!rest.ends_with("0\r\n\r\n"), "{target}: {rest:?}");
        assert_eq!(server.core_stats()[0].panics, panics, "{target}");
        assert_eq!(Client::connect(server.address()).get("/").text(), "hello");
    }
    server.shutdown().unwrap();
}

#[test]
fn a_panic_when_a_stream_is_dropped_ends_no_more_than_its_connection() {
    let server = start(Limits::default(), app);
    for _ in 0..3 {
        let mut client = Client::connect(server.address());
        client.send("GET /stream-drop HTTP/1.1\r\nhost: h\r\n\r\n");
        while client.fill() {}
        assert_eq!(Client::connect(server.address()).get("/").text(), "hello");
    }
    server.shutdown().unwrap();
}

/// A connection in the middle of something, what its client sends once the server drains, and what it then gets.
struct Case {
    why: &'static str,
    before: &'static str,
    after: &'static str,
    want: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case { why: "never spoke", before: "", after: "", want: &[] },
    Case {
        why: "mid-head",
        before: "GET / HTTP/1.1\r\nho",
        after: "st: h\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n",
        want: &["hello"],
    },
    Case {
        why: "mid-body",
        before: "POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbo",
        after: "dy",
        want: &["body"],
    },
    Case {
        why: "mid-body, chunked",
        before: "POST /echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbo",
        after: "dy\r\n0\r\n\r\n",
        want: &["body"],
    },
    Case { why: "in a handler", before: "GET /slow HTTP/1.1\r\nhost: h\r\n\r\n", after: "", want: &["slow"] },
    Case {
        why: "mid-response",
        before: "GET /ticks HTTP/1.1\r\nhost: h\r\n\r\n",
        after: "",
        want: &["tick tick tick tick tick tick "],
    },
    Case {
        why: "with a pipeline waiting: the first answer says that it is the last",
        before: "GET /slow HTTP/1.1\r\nhost: h\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n",
        after: "",
        want: &["slow"],
    },
];

#[test]
fn a_drain_finishes_what_has_begun_at_every_stage() {
    for case in CASES {
        let server = start(Limits::default(), app);
        let mut client = Client::connect(server.address());
        // Its answer is read with those that follow.
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        assert_eq!(client.answer().text(), "hello");
        let mut client = if case.before.is_empty() { Client::connect(server.address()) } else { client };
        client.send(case.before);
        std::thread::sleep(Duration::from_millis(100));
        let began = Instant::now();
        let stopping = std::thread::spawn(move || server.shutdown());
        std::thread::sleep(Duration::from_millis(50));
        let _ = client.try_send(case.after);
        for (n, want) in case.want.iter().enumerate() {
            // The head of a stream was sent before the drain, and promised nothing.
            let answer: Answer = client.answer();
            assert_eq!(answer.text(), *want, "{}: answer {n}", case.why);
        }
        assert!(client.is_closed(), "{}", case.why);
        drop(client);
        stopping.join().unwrap().unwrap();
        assert!(began.elapsed() < Duration::from_secs(10), "{}: {:?}", case.why, began.elapsed());
    }
}
