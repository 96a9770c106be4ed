//! The load generator counts what it should and says what went wrong.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use corelane_benches::ask::Ask;
use corelane_benches::load::{Errors, Options, Outcome, run};

use crate::server::{right, serve};

fn options(address: SocketAddr) -> Options {
    Options {
        address,
        ask: Ask::get("/", Some("hi")),
        connections: 4,
        pipeline: 1,
        rate: None,
        seconds: Duration::from_millis(300),
        warmup: Duration::from_millis(100),
        timeout: Duration::from_millis(500),
        core: None,
        pid: None,
    }
}

fn load(options: &Options) -> Outcome {
    run(options, |_| {}).unwrap()
}

#[test]
fn right_answers_are_counted() {
    for pipeline in [1, 7] {
        let outcome = load(&Options { pipeline, ..options(serve(right)) });
        assert_eq!(outcome.errors, Errors::default(), "{:?}", outcome.first_error);
        assert!(outcome.requests > 0);
        assert_eq!(outcome.latency.samples, outcome.requests);
        assert!(outcome.seconds > 0.1, "the window begins late at worst by the warm-up's last turn");
    }
}

#[test]
fn answers_that_come_in_pieces_are_whole_answers() {
    let outcome = load(&options(serve(|stream| {
        stream.set_nodelay(true).unwrap();
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
            .chunks(7)
            .all(|piece| stream.write_all(piece).is_ok())
    })));
    assert_eq!(outcome.errors, Errors::default(), "{:?}", outcome.first_error);
    assert!(outcome.requests > 0);
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let outcome =
        load(&Options { rate: Some(200.0), seconds: Duration::from_secs(1), ..options(serve(right)) });
    assert_eq!(outcome.errors, Errors::default(), "{:?}", outcome.first_error);
    // On a busy machine the window is not quite a second, and what was due before it may be answered in it. A closed
    // loop would make many thousand requests.
    let all = outcome.requests + outcome.unsent;
    assert!((100..=300).contains(&all), "{all} requests of 200");
}

#[test]
fn an_open_loop_counts_a_stall_for_everyone_it_delays() {
    const STALL: Duration = Duration::from_millis(400);
    let (lock, stalled) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
    let address = serve(move |stream| {
        let _served_one_by_one = lock.lock().unwrap();
        if !stalled.swap(true, Ordering::Relaxed) {
            thread::sleep(STALL);
        }
        right(stream)
    });
    let window = Options { warmup: Duration::ZERO, timeout: Duration::from_secs(5), ..options(address) };
    let outcome = load(&Options { rate: Some(400.0), seconds: Duration::from_secs(1), ..window });
    assert_eq!(outcome.errors, Errors::default(), "{:?}", outcome.first_error);
    // 160 of 400 requests were due in the stall, each waiting for its end: a generator that counted only the four that
    // were under way would have a 99th percentile near nothing.
    assert!(outcome.latency.p99_us > 200_000.0, "p99 {} us", outcome.latency.p99_us);
}

#[test]
fn what_goes_wrong_is_counted_by_kind() {
    type Pick = fn(&Errors) -> u64;
    let reply = |bytes: &'static [u8]| serve(move |stream| stream.write_all(bytes).is_ok());
    let closing = serve(|stream| {
        right(stream);
        false
    });
    let silent = serve(|_| true);
    for (why, address, pick) in [
        ("another status", reply(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nhi"), (|e| e.wrong) as Pick),
        ("another body", reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nho"), |e| e.wrong),
        (
            "an answer too many",
            reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".repeat(2).leak()),
            |e| e.wrong,
        ),
        ("closed after an answer", closing, |e| e.closed + e.io),
        ("no answer", silent, |e| e.timeout),
    ] {
        let outcome = load(&Options { seconds: Duration::from_millis(700), ..options(address) });
        assert!(pick(&outcome.errors) > 0, "{why}: {:?}", outcome.errors);
        assert_eq!(pick(&outcome.errors), outcome.errors.total(), "{why}: {:?}", outcome.errors);
        assert!(outcome.first_error.is_some(), "{why}");
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let nobody = corelane_benches::server::free_address().unwrap();
    assert!(run(&options(nobody), |_| {}).is_err());
}
