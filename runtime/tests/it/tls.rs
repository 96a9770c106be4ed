//! TLS over streams: against itself, and against Python's, which is OpenSSL.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use corelane_runtime::buf::{Chunk, Chunks};
use corelane_runtime::fs::File;
use corelane_runtime::net::{Shutdown, Stream, duplex};
use corelane_runtime::tls::{Acceptor, Connector, TlsError, Verify};
use corelane_runtime::{JoinHandle, spawn, time};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{on_each_driver, tcp_pair};

/// An authority of our own, and what it has signed.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `name`, and its key.
    fn identity(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn acceptor(&self, name: &str) -> Acceptor {
        let (chain, key) = self.identity(name);
        Acceptor::builder().identity(chain.as_bytes(), key.as_bytes()).build().unwrap()
    }

    fn connector(&self) -> Connector {
        Connector::builder().roots(self.pem.as_bytes()).build().unwrap()
    }
}

/// Both sides of a handshake over a pair of streams.
async fn shake(
    acceptor: &Acceptor,
    connector: &Connector,
    name: &str,
    (near, far): (Stream, Stream),
) -> (Result<Stream, TlsError>, Result<Stream, TlsError>) {
    let acceptor = acceptor.clone();
    let server = spawn(async move { acceptor.accept(far).await });
    let client = connector.connect(near, name).await;
    (client, server.await.unwrap())
}

/// A client, and a task that serves the other side. In a pair that holds less than a server's session tickets the
/// handshake of a server ends only once its client receives.
async fn served<F, T>(
    (near, far): (Stream, Stream),
    serve: impl FnOnce(Stream) -> F + 'static,
) -> (Stream, JoinHandle<T>)
where
    F: Future<Output = T>,
    T: 'static,
{
    let authority = Authority::new();
    let acceptor = authority.acceptor("db.internal");
    let server = spawn(async move { serve(acceptor.accept(far).await.unwrap()).await });
    (authority.connector().connect(near, "db.internal").await.unwrap(), server)
}

async fn secured(pair: (Stream, Stream)) -> (Stream, Stream) {
    let authority = Authority::new();
    let (client, server) =
        shake(&authority.acceptor("db.internal"), &authority.connector(), "db.internal", pair).await;
    (client.unwrap(), server.unwrap())
}

const BYTES: usize = 3 << 20;

#[test]
fn bytes_go_both_ways_at_once_and_the_end_is_told() {
    on_each_driver(|| async {
        let (client, server) = secured(tcp_pair().await).await;
        let echo = spawn(async move {
            let (mut receiver, mut sender) = server.split().unwrap();
            loop {
                let bytes = receiver.recv().await?;
                if bytes.is_empty() {
                    break;
                }
                sender.send(bytes).await?;
            }
            sender.end().await
        });
        let (mut receiver, mut sender) = client.split().unwrap();
        let sending = spawn(async move {
            for block in 0..BYTES / 100_000 {
                sender.send(vec![block as u8; 100_000]).await?;
            }
            sender.end().await
        });
        let mut got = 0;
        loop {
            let bytes = receiver.recv().await.unwrap();
            if bytes.is_empty() {
                break;
            }
            assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == ((got + at) / 100_000) as u8));
            got += bytes.len();
        }
        assert_eq!(got, BYTES / 100_000 * 100_000);
        sending.await.unwrap().unwrap();
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn records_may_arrive_a_few_bytes_at_a_time() {
    on_each_driver(|| async {
        let (mut client, serving) = served(duplex(7), async |mut server| {
            let chunks = ["one ", "", "two ", "three"].map(Chunk::from);
            server.send_vectored(Chunks::from_iter(chunks)).await?;
            server.recv().await
        })
        .await;
        let mut all = Vec::new();
        while all.len() < 13 {
            all.extend_from_slice(&client.recv().await.unwrap());
        }
        assert_eq!(all, b"one two three");
        client.end().await.unwrap();
        assert!(serving.await.unwrap().unwrap().is_empty());
    });
}

#[test]
fn receives_that_are_dropped_lose_nothing() {
    on_each_driver(|| async {
        let sent: Vec<u8> = (0..5000u32).map(|n| (n % 251) as u8).collect();
        let copy = sent.clone();
        let (mut client, sending) = served(duplex(7), async move |mut server| server.send(copy).await).await;
        let mut all = Vec::new();
        let mut dropped = 0;
        while all.len() < sent.len() {
            let mut receive = std::pin::pin!(client.recv());
            // One poll, then it is dropped.
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(receive.as_mut().poll(cx))).await;
            match polled {
                std::task::Poll::Ready(bytes) => all.extend_from_slice(&bytes.unwrap()),
                std::task::Poll::Pending => {
                    dropped += 1;
                    corelane_runtime::yield_now().await;
                }
            }
        }
        assert_eq!(all, sent);
        assert!(dropped > 100, "{dropped} receives were dropped");
        sending.await.unwrap().unwrap();
    });
}

#[test]
fn a_send_that_is_dropped_breaks_the_stream() {
    on_each_driver(|| async {
        let (mut client, _server) = secured(duplex(4096)).await;
        assert!(time::timeout(Duration::from_millis(5), client.send(vec![0; 1 << 20])).await.is_err());
        assert_eq!(client.send("more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn certificates_are_checked_as_far_as_is_asked() {
    let ours = Authority::new();
    let theirs = Authority::new();
    let with = |roots: &Authority, verify| {
        Connector::builder().roots(roots.pem.as_bytes()).verify(verify).build().unwrap()
    };
    for (why, connector, name, trusted) in [
        ("all in order", with(&ours, Verify::Full), "db.internal", true),
        ("another name", with(&ours, Verify::Full), "web.internal", false),
        ("another root", with(&theirs, Verify::Full), "db.internal", false),
        ("chain only: another name", with(&ours, Verify::Chain), "web.internal", true),
        ("chain only: another root", with(&theirs, Verify::Chain), "db.internal", false),
        ("nothing checked", with(&theirs, Verify::Off), "web.internal", true),
        ("an address instead of the name", with(&ours, Verify::Full), "127.0.0.1", false),
    ] {
        let acceptor = ours.acceptor("db.internal");
        corelane_runtime::block_on(async move {
            let (client, server) = shake(&acceptor, &connector, name, duplex(4096)).await;
            match client {
                Ok(stream) => {
                    assert!(trusted, "{why}");
                    assert_eq!(stream.tls().unwrap().version(), "TLSv1.3");
                    assert!(stream.tls().unwrap().peer_certificate().is_some());
                }
                Err(error) => {
                    assert!(!trusted && error.is_certificate(), "{why}: {error}");
                    assert!(server.is_err(), "{why}: the server is told");
                }
            }
        });
    }
}

#[test]
fn a_server_may_ask_for_a_certificate_and_both_agree_on_a_protocol() {
    corelane_runtime::block_on(async {
        let authority = Authority::new();
        let (chain, key) = authority.identity("db.internal");
        let acceptor = Acceptor::builder()
            .identity(chain.as_bytes(), key.as_bytes())
            .client_roots(authority.pem.as_bytes())
            .alpn("postgresql")
            .build()
            .unwrap();
        let (own, own_key) = authority.identity("app");
        let builder = || Connector::builder().roots(authority.pem.as_bytes()).alpn("postgresql");
        let known = builder().identity(own.as_bytes(), own_key.as_bytes()).build().unwrap();
        let (client, server) = shake(&acceptor, &known, "db.internal", duplex(4096)).await;
        assert_eq!(client.unwrap().tls().unwrap().alpn().as_deref(), Some(&b"postgresql"[..]));
        assert!(server.unwrap().tls().unwrap().peer_certificate().is_some());

        let stranger = builder().build().unwrap();
        let (client, server) = shake(&acceptor, &stranger, "db.internal", duplex(4096)).await;
        assert!(server.unwrap_err().is_certificate());
        // TLS 1.3: the client hears of it when it next receives.
        assert!(client.unwrap().recv().await.is_err());
    });
}

#[test]
fn settings_that_do_not_fit_are_named() {
    let authority = Authority::new();
    let (chain, key) = authority.identity("x");
    let (_, other_key) = authority.identity("x");
    let server = |chain: &str, key: &str| {
        Acceptor::builder().identity(chain.as_bytes(), key.as_bytes()).build().map(|_| ())
    };
    for (why, made, wanted) in [
        ("no identity", Acceptor::builder().build().map(|_| ()), "needs a certificate"),
        ("no certificate", server(&key, &key), "no usable certificate"),
        ("no key", server(&chain, &chain), "no usable private key"),
        ("a key of another", server(&chain, &other_key), "TLS: "),
        ("no roots", Connector::builder().roots(b"none").build().map(|_| ()), "no usable certificate"),
    ] {
        let error = made.expect_err(why);
        assert!(error.to_string().contains(wanted), "{why}: {error}");
    }
    corelane_runtime::block_on(async {
        let refused = authority.connector().connect(duplex(1).0, "not a name").await.unwrap_err();
        assert!(refused.is_settings() && !refused.is_io(), "{refused}");
    });
}

#[test]
fn an_end_without_notice_is_an_error() {
    on_each_driver(|| async {
        let (mut client, mut server) = secured(tcp_pair().await).await;
        server.send("half an answ").await.unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(&client.recv().await.unwrap()[..], b"half an answ");
        for _ in 0..2 {
            assert_eq!(client.recv().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
        // With notice it is an end, and stays one.
        let (mut client, mut server) = secured(tcp_pair().await).await;
        server.end().await.unwrap();
        drop(server);
        for _ in 0..2 {
            assert!(client.recv().await.unwrap().is_empty());
        }
    });
}

#[test]
fn garbage_and_silence_end_a_handshake() {
    on_each_driver(|| async {
        let authority = Authority::new();
        let connector = authority.connector();
        let (near, mut far) = tcp_pair().await;
        far.send("HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let error = connector.connect(near, "db.internal").await.unwrap_err();
        assert!(!error.is_io() && !error.is_certificate() && !error.is_settings(), "{error}");

        let (near, far) = tcp_pair().await;
        drop(far);
        assert!(connector.connect(near, "db.internal").await.unwrap_err().is_io());

        let (near, _far) = tcp_pair().await;
        near.set_recv_deadline(Some(time::now() + Duration::from_millis(20)));
        let error = io::Error::from(connector.connect(near, "db.internal").await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn deadlines_close_handles_and_files_work_as_without() {
    on_each_driver(|| async {
        let (mut client, mut server) = secured(tcp_pair().await).await;
        let path = std::env::temp_dir().join(format!("corelane-tls-{}", std::process::id()));
        let wanted: Vec<u8> = (0..300_000u32).map(|n| (n % 253) as u8).collect();
        std::fs::write(&path, &wanted).unwrap();
        let file = File::open(&path).await.unwrap();
        let sending = spawn(async move {
            server.send_file(&file, 5, 299_995).await.unwrap();
            server
        });
        let mut all = Vec::new();
        while all.len() < 299_995 {
            all.extend_from_slice(&client.recv().await.unwrap());
        }
        assert_eq!(all, wanted[5..]);
        std::fs::remove_file(&path).unwrap();

        client.set_recv_deadline(Some(time::now() + Duration::from_millis(10)));
        assert_eq!(client.recv().await.unwrap_err().kind(), ErrorKind::TimedOut);

        let server = sending.await.unwrap();
        let handle = server.close_handle();
        handle.shutdown(Shutdown::Both).unwrap();
        server.closed().await;
    });
}

/// A TLS server of another make.
struct Python {
    child: Child,
    address: SocketAddr,
}

const PYTHON: &str = r#"
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
if sys.argv[3] == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
with context.wrap_socket(listener, server_side=True) as secured:
    connection, _ = secured.accept()
    while True:
        data = connection.recv(65536)
        if not data:
            break
        connection.sendall(data)
    connection.unwrap()
"#;

impl Python {
    fn start(directory: &std::path::Path, chain: &str, key: &str, version: &str) -> Python {
        std::fs::write(directory.join("chain.pem"), chain).unwrap();
        std::fs::write(directory.join("key.pem"), key).unwrap();
        let mut child = Command::new("python3")
            .args(["-c", PYTHON])
            .args([directory.join("chain.pem"), directory.join("key.pem")])
            .arg(version)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed: sudo apt-get install python3");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = format!("127.0.0.1:{}", line.trim()).parse().unwrap();
        Python { child, address }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn openssl_understands_us_in_both_versions() {
    for version in ["1.2", "1.3"] {
        let directory = std::env::temp_dir().join(format!("corelane-tls-{version}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let authority = Authority::new();
        let (chain, key) = authority.identity("db.internal");
        let server = Python::start(&directory, &chain, &key, version);
        let connector = authority.connector();
        let address = server.address;
        corelane_runtime::block_on(async move {
            let stream = Stream::connect(address).await.unwrap();
            let mut client = connector.connect(stream, "db.internal").await.unwrap();
            assert_eq!(client.tls().unwrap().version(), format!("TLSv{version}"));
            for size in [1, 1000, 16_384, 16_385, 60_000] {
                client.send(vec![7; size]).await.unwrap();
                let mut got = 0;
                while got < size {
                    got += client.recv().await.unwrap().len();
                }
                assert_eq!(got, size);
            }
            client.end().await.unwrap();
            assert!(client.recv().await.unwrap().is_empty(), "OpenSSL says that it ends, too");
        });
        drop(server);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
