//! The server under the clients.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::host;
use crate::server::free_address;

/// A `redis-server` of its own on a free port, without persistence. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts one pinned to `core`, and waits until it answers.
    ///
    /// # Errors
    /// If there is none, or it does not answer within ten seconds.
    pub fn start(core: usize) -> io::Result<Server> {
        let address = free_address()?;
        let mut command = Command::new("redis-server");
        command.args(["--port", &address.port().to_string(), "--save", "", "--appendonly", "no"]);
        command.stdin(Stdio::null()).stdout(File::create("/dev/null")?);
        let child = host::spawn_pinned(&mut command, core).map_err(|error| {
            io::Error::other(format!("redis-server: {error}; sudo apt-get install redis-server"))
        })?;
        let server = Server { child, address };
        let until = Instant::now() + Duration::from_secs(10);
        while !answers(address) {
            if Instant::now() > until {
                return Err(io::Error::other("redis-server does not answer"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = [0; 7];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"+PONG\r\n"
}
