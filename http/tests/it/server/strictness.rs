//! What LIMITS.md refuses, sent over a socket: each case gets its status, and the connection is closed.

use corelane_http::app::App;
use corelane_http::server::Limits;

use super::{Client, start};

async fn any() -> &'static str {
    "ok"
}

fn app() -> App {
    App::new().get("/", any).post("/", any)
}

/// Requests that could be read in two ways, or in none.
fn refused() -> Vec<(&'static str, Vec<u8>, u16)> {
    let post =
        |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: h\r\n{fields}\r\n{body}").into_bytes();
    let get = |line: &str, fields: &str| format!("{line}\r\n{fields}\r\n").into_bytes();
    let chunked = |body: &str| post("transfer-encoding: chunked\r\n", body);
    let mut table = vec![
        (
            "length and chunked together",
            post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
            400,
        ),
        (
            "chunked and length together",
            post("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n"),
            400,
        ),
        ("two lengths that differ", post("content-length: 5\r\ncontent-length: 6\r\n", "hello!"), 400),
        ("a list of lengths", post("content-length: 5, 5\r\n", "hello"), 400),
        ("a length with a sign", post("content-length: +5\r\n", "hello"), 400),
        ("a negative length", post("content-length: -5\r\n", "hello"), 400),
        ("a hexadecimal length", post("content-length: 0x5\r\n", "hello"), 400),
        ("an empty length", post("content-length:\r\n", ""), 400),
        ("a length that overflows", post("content-length: 99999999999999999999\r\n", ""), 400),
        ("chunked is not the last coding", post("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400),
        ("an unknown coding", post("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501),
        ("a coding that looks like chunked", post("transfer-encoding: xchunked\r\n", "0\r\n\r\n"), 400),
        ("chunked twice", post("transfer-encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400),
        ("space before the colon", post("content-length : 5\r\n", "hello"), 400),
        ("tab before the colon", post("transfer-encoding\t: chunked\r\n", "0\r\n\r\n"), 400),
        ("obs-fold", post("x-a: 1\r\n b\r\n", ""), 400),
        ("a line that begins with space", post(" content-length: 5\r\n", "hello"), 400),
        ("a field without a colon", post("nonsense\r\n", ""), 400),
        ("a field without a name", post(": x\r\n", ""), 400),
        ("a bare CR in a value", post("x-a: 1\r2\r\n", ""), 400),
        ("a bare LF as line end", b"GET / HTTP/1.1\nhost: h\n\n".to_vec(), 400),
        ("a bare LF after a field", b"GET / HTTP/1.1\r\nhost: h\nx: y\r\n\r\n".to_vec(), 400),
        ("NUL in a value", post("x-a: 1\x002\r\n", ""), 400),
        ("a control byte in a value", post("x-a: 1\x012\r\n", ""), 400),
        ("DEL in a value", post("x-a: 1\x7f2\r\n", ""), 400),
        ("a bad token as a name", post("x(a): 1\r\n", ""), 400),
        ("a bad token as a method", get("G(T / HTTP/1.1", "host: h\r\n"), 400),
        ("no host", get("GET / HTTP/1.1", ""), 400),
        ("two hosts", get("GET / HTTP/1.1", "host: a\r\nhost: b\r\n"), 400),
        ("two equal hosts", get("GET / HTTP/1.1", "host: a\r\nhost: a\r\n"), 400),
        ("a host that is no authority", get("GET / HTTP/1.1", "host: a/b\r\n"), 400),
        ("a host with user information", get("GET / HTTP/1.1", "host: u@a\r\n"), 400),
        ("two spaces in the request line", get("GET  / HTTP/1.1", "host: h\r\n"), 400),
        ("a tab in the request line", get("GET\t/ HTTP/1.1", "host: h\r\n"), 400),
        ("no target", get("GET HTTP/1.1", "host: h\r\n"), 400),
        ("a target that is no path", get("GET x HTTP/1.1", "host: h\r\n"), 400),
        ("a fragment in the target", get("GET /#x HTTP/1.1", "host: h\r\n"), 400),
        ("HTTP/0.9", b"GET /\r\n\r\n".to_vec(), 400),
        ("HTTP/2.0", get("GET / HTTP/2.0", "host: h\r\n"), 505),
        ("a lower-case version", get("GET / http/1.1", "host: h\r\n"), 400),
        (
            "chunked on HTTP/1.0",
            b"POST / HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            400,
        ),
        ("TLS instead of HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
    ];
    for (why, body) in [
        ("a chunk size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with spaces before", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size of 17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("an empty chunk size", "\r\nhello\r\n0\r\n\r\n"),
        ("a chunk line that ends with LF", "5\nhello\r\n0\r\n\r\n"),
        ("a chunk longer than its size", "5\r\nhello!\r\n0\r\n\r\n"),
        ("a chunk that ends with LF", "5\r\nhello\n0\r\n\r\n"),
        ("CR inside an extension", "5;a=\rb\r\nhello\r\n0\r\n\r\n"),
        ("a line of extensions over 256 bytes", &format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(300))),
    ] {
        table.push((why, chunked(body), 400));
    }
    table
}

#[test]
fn what_is_ambiguous_is_refused_and_the_connection_closed() {
    async fn reads(body: String) -> String {
        body
    }
    let server = start(Limits::default(), || App::new().get("/", any).post("/", reads));
    for (why, request, status) in refused() {
        let mut client = Client::connect(server.address());
        client.send(&request);
        let answer = client.answer();
        assert_eq!(answer.status, status, "{why}: {answer:?}");
        assert!(answer.closes(), "{why}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{why}");
        assert!(client.is_closed(), "{why}: something follows");
    }
    assert_eq!(Client::connect(server.address()).get("/").status, 200, "and the server serves on");
    server.shutdown().unwrap();
}

#[test]
fn what_follows_a_refused_request_is_never_answered() {
    let server = start(Limits::default(), app);
    for (why, request, _) in refused() {
        let mut client = Client::connect(server.address());
        let mut smuggled = request.clone();
        smuggled.extend_from_slice(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        client.send(&smuggled);
        // A handler that does not read a bad body has answered before its fault is seen.
        client.answer();
        assert!(client.is_closed(), "{why}: a second answer came");
    }
    server.shutdown().unwrap();
}

#[test]
fn limits_have_their_status() {
    let server = start(Limits::default(), app);
    let long = |len: usize| "a".repeat(len);
    let many: String = (0..101).map(|index| format!("x-{index}: 1\r\n")).collect();
    for (why, request, status) in [
        ("a head over 16 KiB", format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", long(17_000)), 431),
        ("more than 100 fields", format!("GET / HTTP/1.1\r\nhost: h\r\n{many}\r\n"), 431),
        ("a target over 8 KiB", format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", long(8200)), 414),
        ("a method without end", format!("{} / HTTP/1.1\r\nhost: h\r\n\r\n", long(100)), 501),
    ] {
        let mut client = Client::connect(server.address());
        client.send(&request);
        let answer = client.answer();
        assert_eq!(answer.status, status, "{why}: {answer:?}");
        assert!(answer.closes() && client.is_closed(), "{why}");
    }
    let mut client = Client::connect(server.address());
    let fits = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", long(16_000));
    assert_eq!(client.send(fits).answer().status, 200, "a head just under the limit, over several receives");
    server.shutdown().unwrap();
}

#[test]
fn every_cut_of_a_request_gives_the_same_answer() {
    let server = start(Limits::default(), || {
        async fn echo(body: String) -> String {
            body
        }
        App::new().post("/", echo)
    });
    let request = b"POST /?a=b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\n1\r\n!\r\n0\r\nt: 1\r\n\r\n";
    let mut client = Client::connect(server.address());
    for cut in 1..request.len() {
        client.send(&request[..cut]);
        // Long enough for the server to see the first part alone, most of the time.
        std::thread::sleep(std::time::Duration::from_millis(1));
        client.send(&request[cut..]);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "hello!"), "cut at {cut}");
    }
    server.shutdown().unwrap();
}
