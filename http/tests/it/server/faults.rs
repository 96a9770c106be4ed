//! Clients that reset at every stage, and more connections than there is room for: buffers come home, the server serves on.
//! What needs a process of its own (descriptors, killed clients) is tested with the showcase.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::body::Body;
use corelane_http::request::Request;
use corelane_http::response::{Response, Upgraded};
use corelane_http::router::post;
use corelane_http::server::{Limits, Running, Server};
use corelane_runtime::{spawn, time};
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

#[test]
fn resets_while_something_waits_leave_no_task_behind() {
    async fn nap() -> &'static str {
        time::sleep(Duration::from_millis(60)).await;
        "late"
    }
    async fn ticks() -> Body {
        Body::from_fn(async || {
            time::sleep(Duration::from_millis(5)).await;
            Some(Ok::<_, std::io::Error>("tick "))
        })
    }
    async fn flood() -> Body {
        Body::from_fn(async || Some(Ok::<_, std::io::Error>(vec![b'x'; 10_000])))
    }
    async fn echo(request: Request) -> Response {
        Response::new(request.into_body())
    }
    async fn task(request: Request) -> &'static str {
        let body = request.into_body();
        let _read = spawn(body.bytes()).await;
        "read"
    }
    async fn upgrade() -> Response {
        let serve =
            async |mut upgraded: Upgraded| while upgraded.stream.recv().await.is_ok_and(|l| !l.is_empty()) {};
        Response::upgrade("null", serve).unwrap()
    }
    let server = start(Limits::default(), || {
        App::new()
            .get("/", hello)
            .get("/nap", nap)
            .get("/ticks", ticks)
            .get("/flood", flood)
            .get("/upgrade", upgrade)
            .post("/echo", echo)
            .post("/task", task)
    });
    assert_eq!(Client::connect(server.address()).get("/").status, 200);
    wait_until_leases_are_home(&server);
    let stages: [&str; 9] = [
        "GET /nap HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET /ticks HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET /flood HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET /upgrade HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: null\r\n\r\nearly",
        "POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nhalf",
        "POST /echo HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n",
        "POST /task HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nhalf",
        "POST /task HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n",
        "nonsense\r\n\r\n",
    ];
    let mut open = Vec::new();
    for round in 0..12 {
        for stage in stages {
            let mut client = Client::connect(server.address());
            client.send(stage);
            std::thread::sleep(Duration::from_millis(round % 4));
            open.push(client);
        }
        // Half of them reset, half close in order; some after the watch for gone clients has begun.
        if round % 3 == 2 {
            std::thread::sleep(Duration::from_millis(70));
            for (n, client) in open.drain(..).enumerate() {
                if n % 2 == 0 {
                    reset(&client.stream);
                }
            }
        }
    }
    assert_eq!(Client::connect(server.address()).get("/").status, 200, "the server serves on");
    wait_until_leases_are_home(&server);
    let began = Instant::now();
    let resting = Server::bind("127.0.0.1:0").cores(1).driver(crate::driver()).start(app).unwrap();
    // The watch for gone clients is a task too, on drivers that have it.
    while server.core_stats()[0].tasks > resting.core_stats()[0].tasks + 1 {
        assert!(began.elapsed() < super::PATIENCE, "{} tasks are left", server.core_stats()[0].tasks);
        std::thread::sleep(Duration::from_millis(5));
    }
    resting.shutdown().unwrap();
    server.shutdown().unwrap();
}

#[test]
fn a_connection_that_never_rests_leaves_the_others_their_turn() {
    async fn flood() -> Body {
        Body::from_fn(async || Some(Ok::<_, std::io::Error>(vec![b'x'; 30_000])))
    }
    async fn sink(request: Request) -> &'static str {
        let mut body = request.into_body();
        while let Some(Ok(_)) = body.chunk().await {}
        "all"
    }
    let server = start(Limits::default(), || {
        App::new().get("/", hello).get("/flood", flood).route("/sink", post(sink).body_limit(u64::MAX))
    });
    let mut reader = Client::connect(server.address());
    reader.send("GET /flood HTTP/1.1\r\nhost: h\r\n\r\n");
    let mut writer = Client::connect(server.address());
    writer.send("POST /sink HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000000000\r\n\r\n");
    let done = Arc::new(AtomicBool::new(false));
    let busy = [
        std::thread::spawn({
            let done = done.clone();
            move || {
                while !done.load(Ordering::Relaxed) && reader.fill() {
                    reader.unread.clear();
                }
            }
        }),
        std::thread::spawn({
            let done = done.clone();
            move || while !done.load(Ordering::Relaxed) && writer.try_send([b'x'; 60_000]).is_ok() {}
        }),
    ];
    std::thread::sleep(Duration::from_millis(100));
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(Client::connect(server.address()).get("/").text(), "hello");
        slowest = slowest.max(began.elapsed());
    }
    done.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().unwrap();
    }
    assert!(slowest < Duration::from_secs(5), "one request took {slowest:?}");
    server.shutdown().unwrap();
}
