//! Server-sent events over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::extract::Header;
use corelane_http::server::Limits;
use corelane_http::sse::{Event, LastEventId, Sse};
use corelane_runtime as runtime;

use super::{Client, PATIENCE, start};

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lets a source run beside its handler.
fn detach(source: impl Future<Output = ()> + 'static) {
    drop(runtime::spawn(source));
}

/// Opens a stream; gives the client behind the head.
fn open(address: std::net::SocketAddr, fields: &str) -> Client {
    let mut client = Client::connect(address);
    client.send(format!("GET /events HTTP/1.1\r\nhost: test\r\n{fields}\r\n"));
    let head = client.interim();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    client
}

#[test]
fn events_arrive_as_they_are_sent_and_the_last_id_comes_back() {
    let server = start(Limits::default(), || {
        App::new().get("/events", async |last: Option<Header<LastEventId>>| {
            let seen: u64 = last.and_then(|last| last.as_str().parse().ok()).unwrap_or(0);
            let (events, sse) = Sse::channel(1);
            detach(async move {
                for number in seen + 1..=seen + 3 {
                    let event = Event::data("a\nb").with_id(number.to_string()).unwrap();
                    events.send(event).await.unwrap();
                    // The next one only later: each has to go out on its own.
                    runtime::time::sleep(Duration::from_millis(20)).await;
                }
            });
            sse
        })
    });
    for (fields, first) in [("", 1), ("last-event-id: 7\r\n", 8)] {
        let mut client = open(server.address(), fields);
        for number in first..first + 3 {
            let event = format!("id: {number}\ndata: a\ndata: b\n\n");
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            assert_eq!(String::from_utf8(client.take(chunk.len())).unwrap(), chunk);
        }
        assert_eq!(client.take(5), b"0\r\n\r\n", "the source ended, and so does the body");
    }
    server.shutdown().unwrap();
}

#[test]
fn silence_is_filled_with_comments() {
    let server = start(Limits::default(), || {
        App::new().get("/events", async || {
            let (events, sse) = Sse::channel(1);
            detach(async move { events.closed().await });
            sse.keep_alive(Duration::from_millis(30))
        })
    });
    let mut client = open(server.address(), "");
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(client.take(8), b"3\r\n:\n\n\r\n");
    }
    assert!(began.elapsed() >= Duration::from_millis(60), "they come no faster than they should");
    drop(client);
    server.shutdown().unwrap();
}

/// A client that does not read: the source is stopped by the bound of the queue and of the sockets, and goes on
/// when it reads again.
#[test]
fn a_slow_client_stops_the_source() {
    const EVENT: usize = 64 * 1024;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let server = start(Limits::default(), move || {
        let sent = counter.clone();
        App::new().get("/events", async move || {
            let (events, sse) = Sse::channel(2);
            let sent = sent.clone();
            detach(async move {
                while events.send(Event::data("x".repeat(EVENT))).await.is_ok() {
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            });
            sse
        })
    });
    let mut client = open(server.address(), "");
    let stands_still = || {
        let mut before = usize::MAX;
        let began = Instant::now();
        loop {
            let now = sent.load(Ordering::SeqCst);
            if now == before {
                return now;
            }
            assert!(began.elapsed() < PATIENCE, "{now} events: nothing stops the source");
            before = now;
            std::thread::sleep(Duration::from_millis(400));
        }
    };
    let first = stands_still();
    assert!(first * EVENT < 64 * 1024 * 1024, "{first} events were taken for a client that reads nothing");
    client.take((first + 8) * EVENT);
    wait_until("it goes on", || sent.load(Ordering::SeqCst) > first);
    drop(client);
    server.shutdown().unwrap();
}

#[test]
fn a_client_that_leaves_ends_the_source() {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = ended.clone();
    let server = start(Limits::default(), move || {
        let ended = flag.clone();
        App::new().get("/events", async move || {
            let (events, sse) = Sse::channel(1);
            events.try_send(Event::data("hello")).unwrap();
            let ended = ended.clone();
            detach(async move {
                events.closed().await;
                ended.store(true, Ordering::SeqCst);
            });
            sse
        })
    });
    let mut client = open(server.address(), "");
    client.take(18);
    assert!(!ended.load(Ordering::SeqCst));
    drop(client);
    wait_until("the source is told", || ended.load(Ordering::SeqCst));
    server.shutdown().unwrap();
}

#[test]
fn drain_ends_streams_at_once_and_completely() {
    let server = start(Limits::default(), || {
        App::new().get("/events", async || {
            let (events, sse) = Sse::channel(1);
            events.try_send(Event::data("hello")).unwrap();
            detach(async move { events.closed().await });
            sse
        })
    });
    let mut clients: Vec<Client> = (0..4).map(|_| open(server.address(), "")).collect();
    for client in &mut clients {
        assert_eq!(client.take(18), b"d\r\ndata: hello\n\n\r\n");
    }
    let began = Instant::now();
    server.shutdown().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}: streams hold the drain up", began.elapsed());
    for client in &mut clients {
        assert_eq!(client.take(5), b"0\r\n\r\n", "the body ends as it should");
        assert!(client.is_closed());
    }
}
