//! Listeners that end TLS.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::extract::{Peer, Scheme};
use corelane_http::files::Files;
use corelane_http::server::{Limits, Listen, Running, Server, Tls, TrustedProxies};
use corelane_runtime::net::Stream;
use corelane_runtime::tls::Connector;

use super::Client;

/// A folder with certificates in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("corelane-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Puts a new certificate for a name there; gives it as PEM.
    fn certify(&self, name: &str) -> String {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (pem, key) = self.pair(name);
        std::fs::write(pem, made.cert.pem()).unwrap();
        std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
        made.cert.pem()
    }

    fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.0.join(format!("{name}.pem")), self.0.join(format!("{name}.key")))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(tls: &Tls, folder: &Path, limits: Limits) -> Running {
    let listen = Listen::tcp(([127, 0, 0, 1], 0).into()).tls(tls.clone());
    let folder = folder.to_owned();
    Server::new(listen)
        .cores(1)
        .driver(crate::driver())
        .limits(limits)
        .start(move || {
            App::new()
                .get("/", async |scheme: Scheme| format!("by {scheme}"))
                .group("/files", Files::new(&folder).routes())
        })
        .unwrap()
}

/// One request over TLS to the server called `name`, whose certificate has to be `root`; everything that comes until the end.
async fn ask(server: &Running, name: &str, root: &str, target: &str) -> Result<String, String> {
    let stream = Stream::connect(server.address()).await.map_err(|error| error.to_string())?;
    talk(stream, name, root, target).await
}

async fn talk(stream: Stream, name: &str, root: &str, target: &str) -> Result<String, String> {
    let connector = Connector::builder().roots(root.as_bytes()).alpn("h2").alpn("http/1.1").build().unwrap();
    let mut stream = connector.connect(stream, name).await.map_err(|error| error.to_string())?;
    assert_eq!(stream.tls().and_then(|tls| tls.alpn()).as_deref(), Some(&b"http/1.1"[..]));
    let request = format!("GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.send(request.into_bytes()).await.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    loop {
        // An end without TLS's own notice of it is an error here.
        let lease = stream.recv().await.map_err(|error| error.to_string())?;
        if lease.is_empty() {
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
        answer.extend_from_slice(&lease);
    }
}

#[test]
fn names_have_certificates_of_their_own_which_may_change() {
    let folder = Folder::new("names");
    let (first, second) = (folder.certify("first.example"), folder.certify("*.second.example"));
    std::fs::write(folder.0.join("large.txt"), "x".repeat(300_000)).unwrap();
    let tls = Tls::from_files([folder.pair("first.example"), folder.pair("*.second.example")]).unwrap();
    let server = start(&tls, &folder.0, Limits::default());
    corelane_runtime::block_on(async {
        for (name, root) in [("first.example", &first), ("a.second.example", &second)] {
            let answer = ask(&server, name, root, "/").await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("by https"), "{answer}");
        }
        let other = ask(&server, "other.example", &first, "/").await.unwrap_err();
        assert!(other.contains("not valid for name"), "the first is shown to others: {other}");
        let file = ask(&server, "first.example", &first, "/files/large.txt").await.unwrap();
        let (_, body) = file.split_once("\r\n\r\n").unwrap();
        assert!(body.len() == 300_000 && body.bytes().all(|byte| byte == b'x'), "{} bytes", body.len());
    });

    let renewed = folder.certify("first.example");
    tls.reload().unwrap();
    std::fs::write(folder.pair("first.example").0, "no certificate").unwrap();
    let error = tls.reload().unwrap_err();
    assert!(error.to_string().contains("first.example.pem"), "{error}");
    corelane_runtime::block_on(async {
        ask(&server, "first.example", &first, "/").await.unwrap_err();
        ask(&server, "first.example", &renewed, "/").await.unwrap();
    });
    server.shutdown().unwrap();
}

#[test]
fn files_that_hold_no_certificate_are_told_by_name() {
    let folder = Folder::new("bad");
    folder.certify("a");
    folder.certify("b");
    let error = |pair| Tls::from_files([pair]).unwrap_err();
    let missing = error((folder.0.join("none.pem"), folder.pair("a").1));
    assert!(missing.is_io() && missing.to_string().contains("none.pem"), "{missing}");
    let crossed = error((folder.pair("a").0, folder.pair("b").1));
    assert!(!crossed.is_io() && crossed.to_string().contains("a.pem"), "{crossed}");
    assert!(Tls::from_files(Vec::<(PathBuf, PathBuf)>::new()).is_err(), "a pair there has to be");
}

#[test]
fn who_does_not_shake_hands_is_closed() {
    let folder = Folder::new("deadline");
    let root = folder.certify("h.example");
    let tls = Tls::from_files([folder.pair("h.example")]).unwrap();
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = start(&tls, &folder.0, limits);
    let began = Instant::now();
    let mut silent = Client::connect(server.address());
    assert!(silent.is_closed(), "nothing came");
    let mut plain = Client::connect(server.address());
    plain.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    while plain.fill() {}
    assert!(!plain.unread.starts_with(b"HTTP"), "TLS answers by an alert at most");
    // The beginning of a hello.
    let mut slow = Client::connect(server.address());
    slow.send(b"\x16\x03\x01\x02\x00\x01");
    assert!(slow.is_closed());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    corelane_runtime::block_on(async { ask(&server, "h.example", &root, "/").await.unwrap() });

    // More handshakes than there is room for: the oldest makes place.
    let limits = Limits { handshake_timeout: Duration::from_secs(600), ..Limits::default() };
    let crowded = start(&tls, &folder.0, limits);
    let mut crowd: Vec<_> = (0..1100).map(|_| Client::connect(crowded.address())).collect();
    let answer = corelane_runtime::block_on(ask_for(&crowded, &root));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(crowd[0].is_closed());
    crowded.shutdown_now().unwrap();
    server.shutdown().unwrap();
}

async fn ask_for(server: &Running, root: &str) -> String {
    ask(server, "h.example", root, "/").await.unwrap()
}

#[test]
fn the_proxy_protocol_comes_before_tls() {
    let folder = Folder::new("proxy");
    let root = folder.certify("h.example");
    let tls = Tls::from_files([folder.pair("h.example")]).unwrap();
    let listen = Listen::tcp(([127, 0, 0, 1], 0).into()).tls(tls);
    let listen = listen.proxy_protocol(TrustedProxies::new(["127.0.0.1"]).unwrap());
    let server = Server::new(listen)
        .cores(1)
        .driver(crate::driver())
        .start(|| App::new().get("/", async |Peer(peer): Peer, scheme: Scheme| format!("{peer} {scheme}")))
        .unwrap();
    let answer = corelane_runtime::block_on(async {
        let mut stream = Stream::connect(server.address()).await.unwrap();
        stream.send("PROXY TCP6 2001:db8::7 ::1 4711 443\r\n").await.unwrap();
        talk(stream, "h.example", &root, "/").await.unwrap()
    });
    assert!(answer.ends_with("[2001:db8::7]:4711 https"), "{answer}");
    server.shutdown().unwrap();
}
