//! The server over real sockets: a blocking client in the test's thread, the server on cores of its own.

mod bodies;
mod bounds;
mod deadlines;
mod endings;
mod faults;
mod files;
mod handover;
mod hooks;
mod lifecycle;
mod listening;
mod persistence;
mod proxy;
mod random;
mod sse;
mod strictness;
mod surface;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
mod trust;
mod upgrade;
mod uploads;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use corelane_http::app::App;
use corelane_http::server::{Limits, Running, Server};

/// No answer of these tests takes this long; a hang fails instead of stopping the run.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts an application on a free port, on one core.
fn start(limits: Limits, factory: impl Fn() -> App + Send + Sync + 'static) -> Running {
    let server = Server::bind("127.0.0.1:0").cores(1).limits(limits).driver(super::driver());
    server.start(factory).unwrap()
}

/// A client that writes what it is told and reads answers as they are.
struct Client {
    stream: TcpStream,
    /// Received and not yet part of an answer.
    unread: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

impl Client {
    fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, unread: Vec::new() }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends to a peer that may have closed already.
    fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    fn get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n")).answer()
    }

    /// Reads more; false at the end of the stream.
    fn fill(&mut self) -> bool {
        let mut part = [0; 64 * 1024];
        match self.stream.read(&mut part) {
            Ok(0) => false,
            Ok(len) => {
                self.unread.extend_from_slice(&part[..len]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}; so far: {:?}", String::from_utf8_lossy(&self.unread)),
        }
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        while self.unread.len() < len {
            assert!(self.fill(), "the connection ended inside an answer");
        }
        self.unread.drain(..len).collect()
    }

    fn take_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len());
            }
            assert!(self.fill(), "the connection ended: {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// Reads a head that has no body.
    fn interim(&mut self) -> Answer {
        let head = String::from_utf8(self.take_until(b"\r\n\r\n")).unwrap();
        let status = head[9..12].parse().unwrap();
        Answer { status, head, body: Vec::new() }
    }

    /// Reads an answer with its body, by its framing.
    fn answer(&mut self) -> Answer {
        let mut answer = self.interim();
        if let Some(len) = answer.header("content-length") {
            let len = len.parse().unwrap();
            answer.body = self.take(len);
        } else if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = String::from_utf8(self.take_until(b"\r\n")).unwrap();
                let len = usize::from_str_radix(line.trim_end(), 16).unwrap();
                let data = self.take(len + 2);
                assert_eq!(&data[len..], b"\r\n", "a chunk ends with a line end");
                if len == 0 {
                    break;
                }
                answer.body.extend_from_slice(&data[..len]);
            }
        } else if answer.closes() {
            while self.fill() {}
            answer.body = std::mem::take(&mut self.unread);
        }
        answer
    }

    /// True if the server closes without sending anything more.
    fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && !self.fill()
    }
}
