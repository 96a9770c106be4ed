//! The PROXY protocol over sockets. Which bytes are a header is in http/proto's `tests/it/proxy.rs`.

use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::extract::{ClientAddr, Peer, Scheme};
use corelane_http::server::{Limits, Listen, Running, Server, TrustedProxies};

use super::Client;

const LINE: &[u8] = b"PROXY TCP4 203.0.113.9 10.0.0.5 56324 443\r\n";
/// The same in version 2, with the field that HAProxy's `ssl` option adds.
const HEADER: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\xcb\0\x71\x09\x0a\0\0\x05\xdc\x04\x01\xbb\x20\0\x05\x01\0\0\0\0";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

fn start(proxies: &str, trusted: &[&str]) -> Running {
    let limits = Limits { handshake_timeout: Duration::from_millis(400), ..Limits::default() };
    let listen = Listen::tcp(([127, 0, 0, 1], 0).into());
    let listen = listen.proxy_protocol(TrustedProxies::new([proxies]).unwrap());
    Server::new(listen)
        .cores(1)
        .driver(crate::driver())
        .limits(limits)
        .trusted_proxies(trusted)
        .start(|| {
            App::new().get("/", async |ClientAddr(client): ClientAddr, Peer(peer): Peer, scheme: Scheme| {
                format!("{client} {peer} {scheme}")
            })
        })
        .unwrap()
}

#[test]
fn what_the_proxy_says_is_the_client() {
    let server = start("127.0.0.1", &["203.0.113.9"]);
    for (why, header, want) in [
        ("version 1", LINE, "203.0.113.9 203.0.113.9:56324 http"),
        ("version 2, by TLS", HEADER, "203.0.113.9 203.0.113.9:56324 https"),
    ] {
        for pause in 0..=header.len() {
            // All at once; and in two parts, cut at some places.
            if pause % 9 != 0 && pause != header.len() {
                continue;
            }
            let mut client = Client::connect(server.address());
            client.send(&header[..pause]);
            if pause > 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            client.send([&header[pause..], REQUEST].concat());
            assert_eq!(client.answer().text(), want, "{why}, cut at {pause}");
            assert_eq!(client.get("/").text(), want, "{why}: it stands for the whole connection");
        }
    }
    let mut check = Client::connect(server.address());
    check.send(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").send(REQUEST);
    let answer = check.answer();
    assert!(
        answer.text().starts_with("127.0.0.1 127.0.0.1:"),
        "a health check speaks for itself: {answer:?}"
    );

    let mut behind = Client::connect(server.address());
    behind.send(LINE).send("GET / HTTP/1.1\r\nhost: h\r\nx-forwarded-for: 198.51.100.7\r\n\r\n");
    let answer = behind.answer();
    assert!(answer.text().starts_with("198.51.100.7 203.0.113.9:"), "a trusted proxy behind it: {answer:?}");
    server.shutdown().unwrap();
}

#[test]
fn who_is_no_proxy_or_says_nothing_is_closed() {
    let server = start("127.0.0.1", &[]);
    for (why, bytes) in [
        ("a request without a header", REQUEST),
        ("half a header", &LINE[..20]),
        ("nothing", b""),
        ("a header that is none", b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
    ] {
        let began = Instant::now();
        let mut client = Client::connect(server.address());
        client.send(bytes);
        assert!(client.is_closed(), "{why}");
        assert!(began.elapsed() < Duration::from_secs(10), "{why}: {:?}", began.elapsed());
    }
    server.shutdown().unwrap();

    let server = start("10.0.0.5", &[]);
    let mut client = Client::connect(server.address());
    let _ = client.try_send([LINE, REQUEST].concat());
    assert!(client.is_closed(), "a stranger is not let in, whatever it says");
    server.shutdown().unwrap();
}
