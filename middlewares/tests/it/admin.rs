//! The admin listener beside a server.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use corelane_http::app::App;
use corelane_middlewares::admin::Admin;

use crate::support::Site;

/// Status and body of an answer.
fn ask(address: SocketAddr, path: &str, fields: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let host = if fields.contains("host:") { String::new() } else { format!("host: {address}\r\n") };
    write!(stream, "GET {path} HTTP/1.1\r\n{host}connection: close\r\n{fields}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[inline(never)]
fn planted_work() -> u64 {
    (0..200_000u64).fold(0, |sum, round| black_box(sum ^ round))
}

async fn work() -> String {
    planted_work().to_string()
}

#[test]
fn a_profile_names_functions_and_routes_and_statistics_count_requests() {
    let site = Site::start(|| App::new().get("/work/{id}", work));
    let admin = Admin::bind("127.0.0.1:0").start().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let client = {
        let over = Arc::clone(&over);
        thread::spawn(move || {
            let mut client = site.connect();
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(client.send("GET", "/work/7", &[], "").status, 200);
                asked += 1;
            }
            (site, asked)
        })
    };
    let (status, collapsed) = ask(admin.address(), "/profile/cpu?seconds=1&hz=499&format=collapsed", "");
    assert_eq!(status, 200, "{collapsed}");
    let of_work = collapsed.lines().find(|line| line.contains("planted_work"));
    assert!(of_work.is_some_and(|line| line.contains(";GET /work/{id};")), "{collapsed}");
    let (status, svg) = ask(admin.address(), "/profile/cpu?seconds=1", "");
    assert!(status == 200 && svg.starts_with("<svg") && svg.contains("planted_work"), "{svg}");
    let (status, stats) = ask(admin.address(), "/stats", "");
    over.store(true, Ordering::Relaxed);
    let (_site, asked) = client.join().unwrap();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    let cores = stats["cores"].as_array().unwrap();
    let served: u64 = cores
        .iter()
        .filter_map(|core| core["routes"].get("GET /work/{id}"))
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert!(status == 200 && (1..=asked).contains(&served), "{served} of {asked}");
    assert_eq!(stats["process"], std::process::id());
}

#[test]
fn what_cannot_be_had_is_refused_with_its_reason() {
    let admin = Admin::bind("127.0.0.1:0").start().unwrap();
    for (path, status, says) in [
        ("/profile/cpu?seconds=0", 400, "seconds is 1 to 300"),
        ("/profile/cpu?seconds=301", 400, "seconds is 1 to 300"),
        ("/profile/cpu?hz=1000", 400, "hz is 1 to 999"),
        ("/profile/cpu?format=png", 400, "format"),
        ("/profile/cpu?second=1", 400, "second"),
        ("/profile/history", 404, "no history is kept"),
        ("/profile/diff", 404, "no history is kept"),
        ("/profile", 404, ""),
    ] {
        let (found, body) = ask(admin.address(), path, "");
        assert!(found == status && body.contains(says), "{path}: {found} {body}");
    }
}

#[test]
fn only_who_may_is_answered() {
    let open = Admin::bind("127.0.0.1:0").start().unwrap();
    assert_eq!(ask(open.address(), "/", "").0, 200);
    assert_eq!(ask(open.address(), "/", "host: evil.example\r\n").0, 403, "a name that points here");
    let closed = Admin::bind("127.0.0.1:0").token("s3cret").start().unwrap();
    for (fields, want) in [
        ("", 401),
        ("authorization: Bearer wrong\r\n", 401),
        ("authorization: Basic s3cret\r\n", 401),
        ("authorization: Bearer s3cret\r\n", 200),
        ("authorization: bearer s3cret\r\nhost: admin.example\r\n", 200),
    ] {
        assert_eq!(ask(closed.address(), "/stats", fields).0, want, "{fields}");
    }
    let error = Admin::bind("0.0.0.0:0").start().unwrap_err();
    assert!(error.is_unprotected() && error.to_string().contains("set a token"), "{error}");
    assert!(Admin::bind("0.0.0.0:0").token("").start().unwrap_err().is_unprotected());
    assert!(!Admin::bind("not an address").start().unwrap_err().is_unprotected());
    drop(Admin::bind("0.0.0.0:0").token("t").start().unwrap());
}

async fn sleeps() -> &'static str {
    thread::sleep(Duration::from_millis(120));
    "slept"
}

#[test]
fn a_handler_that_blocks_its_core_is_a_finding_with_its_route() {
    let site = Site::start(|| App::new().get("/sleeps", sleeps));
    let admin = Admin::bind("127.0.0.1:0").start().unwrap();
    // On a machine that is busy the first may be taken for a lack of CPU.
    for _ in 0..20 {
        assert_eq!(site.get("/sleeps", &[]).status, 200);
        let (status, body) = ask(admin.address(), "/findings", "");
        assert_eq!(status, 200, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let named = body["findings"].as_array().unwrap().iter().any(|finding| {
            let stack = finding["stack"].to_string();
            finding["kind"] == "blocking-call"
                && finding["route"] == "GET /sleeps"
                && stack.contains("sleeps")
        });
        if named {
            let text = ask(admin.address(), "/findings?format=text", "").1;
            assert!(text.contains("blocking-call, core 0, GET /sleeps"), "{text}");
            return;
        }
    }
    panic!("{}", ask(admin.address(), "/findings?format=text", "").1);
}
