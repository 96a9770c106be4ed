//! What a peer can make the server hold: output, input, connections, buffers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::body::BodyError;
use corelane_http::request::Request;
use corelane_http::response::{Response, StatusCode};
use corelane_http::router::post;
use corelane_http::server::Limits;

use super::{Client, start};

async fn hello() -> &'static str {
    "hello"
}

#[test]
fn answers_held_back_are_bounded_in_bytes() {
    const LARGE: usize = 4 << 20;
    let made = Arc::new(AtomicUsize::new(0));
    let seen = made.clone();
    let server = start(Limits::default(), move || {
        let made = made.clone();
        App::new().get("/", async move || {
            made.fetch_add(1, Ordering::Relaxed);
            vec![b'x'; LARGE]
        })
    });
    let mut client = Client::connect(server.address());
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(20));
    std::thread::sleep(Duration::from_millis(300));
    let before = seen.load(Ordering::Relaxed);
    assert!((1..=4).contains(&before), "{before} answers of 4 MiB are held for a peer that reads none");
    for _ in 0..20 {
        assert_eq!(client.answer().body.len(), LARGE);
    }
    server.shutdown().unwrap();
}

#[test]
fn a_flood_of_pipelined_requests_is_answered() {
    let server = start(Limits::default(), || {
        App::new().get("/{n}", async |request: Request| request.path().to_owned())
    });
    let mut client = Client::connect(server.address());
    let padding = "p".repeat(5000);
    const COUNT: usize = 600;
    let flood: String =
        (0..COUNT).map(|n| format!("GET /{n} HTTP/1.1\r\nhost: h\r\nx-padding: {padding}\r\n\r\n")).collect();
    let mut writer = client.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, flood.as_bytes()));
    for n in 0..COUNT {
        assert_eq!(client.answer().text(), format!("/{n}"));
    }
    writing.join().unwrap().unwrap();
    server.shutdown().unwrap();
}

#[test]
fn trailers_cut_anywhere_behind_a_large_body_are_read() {
    async fn len(body: bytes::Bytes) -> String {
        body.len().to_string()
    }
    let server = start(Limits::default(), || App::new().get("/", hello).post("/", len));
    let mut client = Client::connect(server.address());
    let trailers: String = (0..7).map(|n| format!("x-{n}: {}\r\n", "t".repeat(1000))).collect();
    for size in (64 * 1024 - 8000..64 * 1024).step_by(500) {
        // Many large chunks first, so that the connection receives as much at once as it can.
        let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
        client.send(format!(
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n{trailers}\r\n{}",
            chunk.repeat(8),
            "GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(100)
        ));
        assert_eq!(client.answer().text(), (8 * size).to_string());
        for _ in 0..100 {
            assert_eq!(client.answer().text(), "hello");
        }
    }
    server.shutdown().unwrap();
}

#[test]
fn a_body_that_is_sent_back_keeps_the_limit_however_it_arrives() {
    async fn echo(request: Request) -> Response {
        Response::new(request.into_body())
    }
    let server = start(Limits::default(), || App::new().route("/", post(echo).body_limit(10)));
    for at_once in [true, false] {
        for len in [10, 11] {
            let mut client = Client::connect(server.address());
            let request =
                format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {len}\r\n\r\n{}", "x".repeat(len));
            let (first, second) = request.split_at(request.len() - if at_once { 0 } else { 5 });
            client.send(first);
            std::thread::sleep(Duration::from_millis(30));
            let _ = client.try_send(second);
            let want = if len == 10 { 200 } else { 413 };
            assert_eq!(client.answer().status, want, "{len} bytes, at once: {at_once}");
        }
    }
    server.shutdown().unwrap();
}

#[test]
fn bounds_of_zero_do_not_hang_a_core() {
    let limits = Limits { pipeline_max: 0, connections_per_core: 0, body_rate_min: 0, ..Limits::default() };
    let server = start(limits, || App::new().get("/", hello));
    let mut client = Client::connect(server.address());
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(client.get("/").text(), "hello");
    server.shutdown().unwrap();
}

#[test]
fn a_core_full_of_idle_connections_drains_at_once() {
    let server =
        start(Limits { connections_per_core: 2, ..Limits::default() }, || App::new().get("/", hello));
    let mut clients = [(); 2].map(|()| Client::connect(server.address()));
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let began = Instant::now();
    server.shutdown().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn connections_that_were_refused_do_not_count_as_served_ones() {
    let limits = Limits { connections_per_core: 1, refuse_when_full: true, ..Limits::default() };
    let server = start(limits, || App::new().get("/", hello));
    let mut first = Client::connect(server.address());
    assert_eq!(first.get("/").status, 200);
    // They keep their side open, so the server waits a moment for them before it closes.
    let refused: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = Client::connect(server.address());
            assert_eq!(client.answer().status, 503);
            client
        })
        .collect();
    drop(first);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(Client::connect(server.address()).get("/").status, 200, "the place is free again");
    drop(refused);
    server.shutdown().unwrap();
}

#[test]
fn fields_up_to_their_bound_are_sent() {
    async fn fields(request: Request) -> Result<Response, StatusCode> {
        let len: usize = request.query().unwrap_or("0").parse().map_err(|_| StatusCode::BAD_REQUEST)?;
        Response::new("ok").with_header("x", "v".repeat(len)).map_err(|_| StatusCode::INSUFFICIENT_STORAGE)
    }
    let server = start(Limits::default(), || App::new().get("/", fields));
    let mut client = Client::connect(server.address());
    let bound = 32 * 1024 - "x: \r\n".len();
    for (len, status) in [(bound, 200), (bound + 1, 507), (100_000, 507), (4096, 200)] {
        let answer = client.get(&format!("/?{len}"));
        assert_eq!(answer.status, status, "{len}");
        assert_eq!(answer.header("x").map_or(0, str::len), if status == 200 { len } else { 0 });
    }
    server.shutdown().unwrap();
}

/// Holds every chunk in the buffer that it came in.
async fn hoard(request: Request) -> Result<String, BodyError> {
    let mut body = request.into_body();
    let mut chunks = Vec::new();
    while let Some(chunk) = body.chunk().await {
        chunks.push(chunk?);
    }
    Ok(chunks.len().to_string())
}

#[test]
fn handlers_that_hold_all_buffers_and_wait_for_more_are_freed_by_their_deadlines() {
    let limits = Limits {
        buffer_bytes_per_core: 4 << 20,
        body_grace: Duration::from_millis(300),
        // What has come buys no time.
        body_rate_min: u32::MAX,
        ..Limits::default()
    };
    let server = start(limits, || App::new().get("/", hello).post("/", hoard));
    let mut clients = [(); 8].map(|()| Client::connect(server.address()));
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2000000\r\n\r\n");
    }
    // More than there are buffers for; what does not fit stays in the kernel.
    let sending = clients.map(|mut client| {
        std::thread::spawn(move || {
            let _stopped = client.try_send(vec![b'x'; 1_900_000]);
            client
        })
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(Client::connect(server.address()).get("/").text(), "hello", "the buffers are free again");
    for client in sending {
        drop(client.join().unwrap());
    }
    server.shutdown().unwrap();
}
