//! A server process: started, awaited and ended.
//!
//! ```
//! let request = corelane_benches::server::request("/plaintext");
//! assert!(request.starts_with(b"GET /plaintext HTTP/1.1\r\n"));
//! ```

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::Checker;
use crate::ask::Ask;
use crate::host;

/// Longest time a server may take to answer its first request.
const START_MAX: Duration = Duration::from_secs(10);

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `command` pinned to `core` and waits until it answers what is asked on `address`.
    ///
    /// # Errors
    /// If the program does not start, ends by itself, or has not answered rightly within 10 s.
    pub fn start(command: &mut Command, address: SocketAddr, core: usize, what: &Ask) -> io::Result<Self> {
        let mut server = Self { child: host::spawn_pinned(command, core)?, address };
        let deadline = Instant::now() + START_MAX;
        loop {
            match ask(address, what) {
                Ok(()) => return Ok(server),
                Err(error) if Instant::now() > deadline || !server.is_running() => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// True while it has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The request most load is made of.
#[must_use]
pub fn request(path: &str) -> Vec<u8> {
    Ask::get(path, None).request()
}

/// Sends `batch`, which holds `count` requests, over `stream` and reads their answers.
///
/// # Errors
/// If an answer is not the expected one, or there are more of them than requests.
pub fn exchange(stream: &mut TcpStream, batch: &[u8], checker: &mut Checker, count: usize) -> io::Result<()> {
    stream.write_all(batch)?;
    let (mut input, mut answers) = (Vec::new(), 0);
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.extend_from_slice(&buffer[..length]);
        let taken = checker.take(&input).map_err(io::Error::other)?;
        answers += taken.answers;
        input.drain(..taken.bytes);
        if answers >= count {
            return if answers == count && input.is_empty() {
                Ok(())
            } else {
                Err(io::Error::other("an answer too many"))
            };
        }
    }
}

fn ask(address: SocketAddr, what: &Ask) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    exchange(&mut stream, &what.request(), &mut what.checker(), 1)
}

/// A loopback port nobody listens on now. Another process could take it before the server does; then the start fails.
///
/// # Errors
/// If no port is free.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
