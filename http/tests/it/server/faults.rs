//! Clients that reset at every stage, and more connections than there is room for: buffers come home, the server serves on.
//! What needs a process of its own (descriptors, killed clients) is tested with the showcase.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::server::{Limits, Running};
use socket2::SockRef;

use super::{Client, start};

async fn hello() -> &'static str {
    "hello"
}

fn app() -> App {
    App::new().get("/", hello)
}

fn wait_until_leases_are_home(server: &Running) {
    let began = Instant::now();
    while server.core_stats()[0].leases_out > 0 {
        assert!(
            began.elapsed() < super::PATIENCE,
            "{} leases are still out",
            server.core_stats()[0].leases_out
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Closes with a reset, as a killed process with unread data does.
fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn resets_at_every_stage_leave_nothing_behind() {
    let server = start(Limits::default(), || {
        async fn echo(body: String) -> String {
            body
        }
        App::new().get("/", hello).post("/", echo).get("/large", async || "x".repeat(1 << 22))
    });
    assert_eq!(Client::connect(server.address()).get("/").status, 200);
    wait_until_leases_are_home(&server);
    let stages: [&[u8]; 6] = [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET /large HTTP/1.1\r\nhost: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe",
    ];
    for round in 0..50 {
        for stage in stages {
            let mut client = Client::connect(server.address());
            client.send(stage);
            if round % 2 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            reset(&client.stream);
        }
    }
    assert_eq!(Client::connect(server.address()).get("/").status, 200, "the server serves on");
    wait_until_leases_are_home(&server);
    server.shutdown().unwrap();
}

#[test]
fn the_bound_on_connections_holds() {
    for refuse_when_full in [false, true] {
        let limits = Limits { connections_per_core: 2, refuse_when_full, ..Limits::default() };
        let server = start(limits, app);
        let mut first = Client::connect(server.address());
        let mut second = Client::connect(server.address());
        assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
        let mut third = Client::connect(server.address());
        if refuse_when_full {
            let answer = third.answer();
            assert_eq!((answer.status, answer.closes()), (503, true), "{answer:?}");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        } else {
            third.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
            third.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            assert!(
                std::io::Read::read(&mut third.stream, &mut [0]).is_err(),
                "nobody answers while it is full"
            );
            third.stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
            drop(first);
            assert_eq!(third.answer().status, 200, "and it is served once there is room");
        }
        assert_eq!(second.get("/").status, 200);
        server.shutdown().unwrap();
    }
}
