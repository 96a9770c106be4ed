//! The client over real sockets: against our own server, and against peers that do what no server should.

mod basics;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use corelane_http::app::App;
use corelane_http::server::{Running, Server};

/// No test takes this long; a hang fails instead of stopping the run.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the client's side on a core of the driver under test.
fn on_core<F: Future>(client: F) -> F::Output {
    corelane_runtime::block_on(async {
        match corelane_runtime::time::timeout(PATIENCE, client).await {
            Ok(output) => output,
            Err(_) => panic!("the client hangs"),
        }
    })
}

/// Our own server on a free port, on one core.
fn start(factory: impl Fn() -> App + Send + Sync + 'static) -> (Running, String) {
    let running = Server::bind("127.0.0.1:0").cores(1).driver(super::driver()).start(factory).unwrap();
    let base = format!("http://{}", running.address());
    (running, base)
}

/// A server that does what it is told with each connection, by a thread for each.
struct Peer {
    address: SocketAddr,
}

impl Peer {
    /// `serve` gets each connection and its number, from 0.
    fn start(serve: impl Fn(&mut Wire, usize) + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (serve, count) = (Arc::new(serve), AtomicUsize::new(0));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(&mut Wire { stream, unread: Vec::new() }, number));
            }
        });
        Peer { address }
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }
}

/// A connection as a [`Peer`] sees it.
struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    /// The next request's head; `None` at the end of the stream.
    fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.unread.split_off(end + 4);
                let head = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8(head).unwrap());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    fn fill(&mut self) -> bool {
        let mut part = [0; 64 * 1024];
        match self.stream.read(&mut part) {
            Ok(0) | Err(_) => false,
            Ok(len) => {
                self.unread.extend_from_slice(&part[..len]);
                true
            }
        }
    }

    /// Sends; false if the client is gone.
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }
}

/// Value of a field of a head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// An answer with a body.
fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
