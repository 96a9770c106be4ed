//! What runs at the start and at the end: when, in which order, and for how long.

use std::error::Error;
use std::future::pending;
use std::net::TcpStream;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::extract::{Path, State};
use corelane_http::server::{Limits, Running, Server, ServerError};
use corelane_runtime::time;

use super::super::driver;
use super::{Client, PATIENCE};

/// What has happened so far, on any thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn server(limits: Limits) -> Server {
    Server::bind("127.0.0.1:0").cores(1).limits(limits).driver(driver())
}

/// A server that was not to start; its error with what is behind it.
fn refused(started: Result<Running, ServerError>) -> (ServerError, String) {
    let Err(error) = started else { panic!("the server started") };
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        told.push_str(&format!(": {error}"));
        source = error.source();
    }
    (error, told)
}

#[test]
fn hooks_run_in_the_order_that_is_documented() {
    let log = Log::default();
    let (process1, process2, end1, end2, cores) =
        (log.clone(), log.clone(), log.clone(), log.clone(), log.clone());
    let running = server(Limits::default())
        .on_start(async move || process1.note("process start 1"))
        .on_start(async move || {
            time::sleep(Duration::from_millis(2)).await;
            process2.note("process start 2");
            Ok::<(), std::io::Error>(())
        })
        .on_stop(async move || end1.note("process stop 1"))
        .on_stop(async move || end2.note("process stop 2"))
        .start(move || {
            cores.note("factory");
            App::new()
                .state(cores.clone())
                .on_start(async |log: State<Log>| {
                    time::sleep(Duration::from_millis(2)).await;
                    log.note("core start 1");
                })
                .on_start(async |log: State<Log>| log.note("core start 2"))
                .on_stop(async |log: State<Log>| log.note("core stop 1"))
                .on_stop(async |log: State<Log>| {
                    time::sleep(Duration::from_millis(2)).await;
                    log.note("core stop 2");
                })
                .get("/", async |log: State<Log>| {
                    log.note("request");
                    time::sleep(Duration::from_millis(30)).await;
                    log.note("response");
                })
        })
        .unwrap();
    let before = ["process start 1", "process start 2", "factory", "core start 1", "core start 2"];
    assert_eq!(log.take(), before);
    let mut client = Client::connect(running.address());
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let until = Instant::now() + PATIENCE;
    while log.0.lock().unwrap().is_empty() {
        assert!(Instant::now() < until, "the request did not arrive");
        std::thread::sleep(Duration::from_millis(1));
    }
    running.shutdown().unwrap();
    assert_eq!(client.answer().status, 204);
    let after = ["request", "response", "core stop 2", "core stop 1", "process stop 2", "process stop 1"];
    assert_eq!(log.take(), after);
}

#[test]
fn a_hook_that_fails_stops_the_start_and_is_told() {
    let line = line!() + 1;
    let app = || App::new().on_start(async || Err::<(), _>("the database is down"));
    let (error, told) = refused(server(Limits::default()).start(app));
    assert!(error.is_hook(), "{told}");
    assert!(told.contains(&format!("hooks.rs:{line}")) && told.ends_with("the database is down"), "{told}");

    let log = Log::default();
    let never = log.clone();
    let failed = server(Limits::default()).on_start(async || Err::<(), _>("no migration")).start(move || {
        never.note("factory");
        App::new()
    });
    let (error, told) = refused(failed);
    assert!(error.is_hook() && told.ends_with("no migration"), "{told}");
    assert_eq!(log.take(), [""; 0], "no core has built its application");
}

#[test]
fn one_core_that_fails_keeps_all_from_serving() {
    let log = Log::default();
    let seen = log.clone();
    let failed = Server::bind("127.0.0.1:0").cores(2).driver(driver()).start(move || {
        let (first, noted) = (corelane_runtime::core_id().index() == 0, seen.clone());
        App::new().on_start(async move || {
            noted.note("start");
            if first { Ok(()) } else { Err("the second core fails") }
        })
    });
    let (error, told) = refused(failed);
    assert!(error.is_hook() && told.ends_with("the second core fails"), "{told}");
}

#[test]
fn a_hook_takes_what_needs_no_request() {
    let app = || App::new().on_start(async |_: Path<String>| ());
    let (error, told) = refused(server(Limits::default()).start(app));
    assert!(error.is_hook() && told.contains("takes what only a request has"), "{told}");
}

#[test]
fn a_mistake_in_the_application_is_an_error_of_start() {
    let app = || App::new().get("/", async || ()).get("/", async || ());
    let (_, told) = refused(server(Limits::default()).start(app));
    assert!(told.contains("`/` has a handler for GET already"), "{told}");
}

#[test]
fn a_start_that_takes_too_long_is_given_up() {
    let limits = || Limits { start_timeout: Duration::from_millis(20), ..Limits::default() };
    let (error, _) = refused(server(limits()).start(|| App::new().on_start(pending::<()>)));
    assert!(error.is_hook_timeout(), "{error}");
    let (error, _) = refused(server(limits()).on_start(pending::<()>).start(App::new));
    assert!(error.is_hook_timeout(), "{error}");
}

#[test]
fn no_core_accepts_before_all_are_ready() {
    let gate = Arc::new(Barrier::new(2));
    let held = gate.clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let starting = std::thread::spawn(move || {
        Server::bind(address).cores(2).driver(driver()).start(move || {
            let (is_second, gate) = (corelane_runtime::core_id().index() == 1, held.clone());
            App::new().get("/", async || "served").on_start(async move || {
                if is_second {
                    gate.wait();
                }
            })
        })
    });
    // The kernel takes connections as soon as the sockets listen; answers wait for the cores.
    let until = Instant::now() + PATIENCE;
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    };
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut client = Client { stream, unread: Vec::new() };
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let early = std::io::Read::read(&mut client.stream, &mut [0; 1]);
    assert!(early.is_err(), "an answer before the second core was ready");
    gate.wait();
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.answer().text(), "served");
    starting.join().unwrap().unwrap().shutdown().unwrap();
}

#[test]
fn stop_hooks_have_a_deadline_and_run_after_a_drain_that_was_too_short() {
    let log = Log::default();
    let (seen, at_end) = (log.clone(), log.clone());
    let limits = Limits {
        drain_timeout: Duration::from_millis(50),
        stop_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = server(limits)
        .on_stop(async move || at_end.note("process"))
        .start(move || {
            App::new()
                .state(seen.clone())
                .get("/", async |log: State<Log>| {
                    log.note("request");
                    pending::<()>().await;
                })
                .on_stop(pending::<()>)
                .on_stop(async |log: State<Log>| {
                    log.note("core");
                    Err::<(), _>("logged and left")
                })
        })
        .unwrap();
    let mut client = Client::connect(running.address());
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let until = Instant::now() + PATIENCE;
    while log.0.lock().unwrap().is_empty() {
        assert!(Instant::now() < until, "the request did not arrive");
        std::thread::sleep(Duration::from_millis(1));
    }
    let began = Instant::now();
    running.shutdown().unwrap();
    assert!(began.elapsed() < PATIENCE, "the stop was not bounded");
    assert!(client.is_closed());
    assert_eq!(log.take(), ["request", "core", "process"]);
}

#[test]
fn told_to_stop_at_once_nothing_is_waited_for() {
    let log = Log::default();
    let at_end = log.clone();
    let running = server(Limits::default())
        .on_stop(async move || at_end.note("process"))
        .start(|| App::new().on_stop(pending::<()>))
        .unwrap();
    let began = Instant::now();
    running.shutdown_now().unwrap();
    assert!(began.elapsed() < Limits::default().stop_timeout, "a hook was waited for");
    assert_eq!(log.take(), ["process"]);
}
