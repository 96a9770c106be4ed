//! SIGTERM drains, a second signal ends at once, and a taken port is an error that says so.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::{PATIENCE, Showcase};

#[test]
fn sigterm_lets_requests_finish() {
    let mut showcase = Showcase::start(&[]);
    let mut busy = TcpStream::connect(showcase.address).unwrap();
    busy.set_read_timeout(Some(PATIENCE)).unwrap();
    busy.write_all(b"GET /sleep/1000 HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    showcase.signal("-TERM");
    let mut answer = String::new();
    busy.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("connection: close") && answer.ends_with("slept 1000 ms\n"), "{answer}");
    assert!(showcase.wait().success());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut showcase = Showcase::start(&[]);
    let mut busy = TcpStream::connect(showcase.address).unwrap();
    busy.write_all(b"GET /sleep/60000 HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    showcase.signal("-TERM");
    std::thread::sleep(Duration::from_millis(200));
    assert!(showcase.child.try_wait().unwrap().is_none(), "the first signal waits for the request");
    showcase.signal("-INT");
    showcase.wait();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_taken_port_is_an_error_that_says_so() {
    let showcase = Showcase::start(&[]);
    let program = format!("/proc/{}/exe", showcase.child.id());
    let second = Command::new(program).args(["--listen", &showcase.address.to_string()]).output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("in use"), "{said}");
}
