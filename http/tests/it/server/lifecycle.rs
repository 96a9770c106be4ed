//! Panics, clients that go away, drain and stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::server::{Limits, Server};
use corelane_runtime::time;

use super::{Client, start};

async fn hello() -> &'static str {
    "hello"
}

async fn panics() -> &'static str {
    panic!("a handler of the tests panics");
}

async fn panics_later() -> &'static str {
    time::sleep(Duration::from_millis(10)).await;
    panic!("a handler of the tests panics later");
}

async fn slow() -> &'static str {
    time::sleep(Duration::from_millis(400)).await;
    "slow"
}

fn app() -> App {
    App::new().get("/", hello).get("/panic", panics).get("/later", panics_later).get("/slow", slow)
}

#[test]
fn a_panic_is_a_500_and_the_connection_goes_on() {
    let server = start(Limits::default(), app);
    let mut client = Client::connect(server.address());
    for target in ["/panic", "/later"] {
        let answer = client.get(target);
        assert_eq!(answer.status, 500, "{target}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(!answer.text().contains("tests"), "internals are not shown: {}", answer.text());
        assert_eq!(client.get("/").text(), "hello", "after {target}");
    }
    assert_eq!(server.core_stats()[0].panics, 2);
    server.shutdown().unwrap();
}

/// Counts handlers that are under way, and those that were dropped unfinished.
struct Guard(Arc<[AtomicUsize; 2]>, bool);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0[0].fetch_sub(1, Ordering::SeqCst);
        if !self.1 {
            self.0[1].fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_client_that_goes_away_cancels_its_handler() {
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let seen = counts.clone();
    let server = start(Limits::default(), move || {
        let counts = seen.clone();
        App::new().get("/", async move || {
            counts[0].fetch_add(1, Ordering::SeqCst);
            let mut guard = Guard(counts.clone(), false);
            time::sleep(Duration::from_secs(60)).await;
            guard.1 = true;
            "late"
        })
    });
    let clients: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = Client::connect(server.address());
            client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
            client
        })
        .collect();
    wait_until("all handlers run", || counts[0].load(Ordering::SeqCst) == 20);
    drop(clients);
    wait_until("all handlers are dropped", || counts[1].load(Ordering::SeqCst) == 20);
    assert_eq!(counts[0].load(Ordering::SeqCst), 0);
    server.shutdown().unwrap();
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < super::PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn shutdown_lets_requests_finish_and_ends_idle_connections() {
    let server = start(Limits::default(), app);
    let address = server.address();
    let mut idle = Client::connect(address);
    assert_eq!(idle.get("/").status, 200);
    let mut busy = Client::connect(address);
    busy.send("GET /slow HTTP/1.1\r\nhost: h\r\n\r\n");
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    let stopping = std::thread::spawn(move || server.shutdown());
    assert!(idle.is_closed(), "a connection at rest is closed at once");
    let answer = busy.answer();
    assert_eq!((answer.text(), answer.closes()), ("slow", true), "the request under way is answered");
    stopping.join().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(std::net::TcpStream::connect(address).is_err(), "and nobody listens any more");
}

#[test]
fn what_does_not_finish_in_the_drain_is_closed() {
    let limits = Limits { drain_timeout: Duration::from_millis(200), ..Limits::default() };
    let server = start(limits, || {
        App::new().get("/", async || {
            time::sleep(Duration::from_secs(60)).await;
            "late"
        })
    });
    let mut client = Client::connect(server.address());
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    server.shutdown().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(client.is_closed());
}

#[test]
fn an_address_in_use_is_an_error_that_says_so() {
    let server = start(Limits::default(), app);
    let error = Server::bind(server.address()).start(app).err().expect("the port is taken");
    assert!(error.is_address_in_use(), "{error}");
    assert!(error.to_string().contains(&server.address().to_string()), "{error}");
    server.shutdown().unwrap();
}

#[test]
fn a_bad_address_is_an_error_of_start() {
    let error = Server::bind("nonsense").start(app).err().expect("no address");
    assert!(error.to_string().contains("HOST:PORT"), "{error}");
}

#[test]
fn several_cores_serve_the_same_port() {
    let server = Server::bind("127.0.0.1:0")
        .cores(2)
        .driver(crate::driver())
        .start(|| App::new().get("/", async || corelane_runtime::core_id().index().to_string()))
        .unwrap();
    let mut seen = [false; 2];
    for _ in 0..200 {
        let core: usize = Client::connect(server.address()).get("/").text().parse().unwrap();
        seen[core] = true;
    }
    assert_eq!(seen, [true; 2], "200 connections all went to one core");
    server.shutdown().unwrap();
}
