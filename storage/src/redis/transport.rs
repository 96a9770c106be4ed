//! The bytes under the protocol: a socket, in halves that work at the same time.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use corelane_runtime::blocking;
use corelane_runtime::buf::{Chunk, Chunks, Lease};
use corelane_runtime::net::{CloseHandle, Shutdown, Stream};

use super::config::Endpoint;

/// A connection that nobody has split yet.
pub(super) enum Transport {
    /// Bytes go over the socket as they are.
    Plain(Stream),
}

impl Transport {
    /// Connects. A name is resolved off the core and each of its addresses tried in turn.
    ///
    /// # Errors
    /// What the kernel or the resolver says about the last address.
    pub(super) async fn connect(endpoint: &Endpoint) -> io::Result<Transport> {
        match endpoint {
            Endpoint::Unix(path) => Stream::connect_unix(path).await.map(Transport::Plain),
            Endpoint::Tcp { host, port } => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in resolve(host, *port).await? {
                    match Stream::connect(address).await {
                        Ok(stream) => return Ok(Transport::Plain(stream)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    pub(super) async fn recv(&mut self) -> io::Result<Lease> {
        match self {
            Transport::Plain(stream) => stream.recv().await,
        }
    }

    pub(super) async fn send(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Transport::Plain(stream) => stream.send(bytes).await,
        }
    }

    /// Takes it apart, so that one task may receive while another sends.
    pub(super) fn split(self) -> io::Result<(Receiver, Sender)> {
        match self {
            Transport::Plain(stream) => {
                let sender = Sender::Plain(stream.duplicate()?);
                Ok((Receiver::Plain(stream), sender))
            }
        }
    }
}

/// An address needs no resolver; a name goes to libc's, on a thread that may block.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    let resolved = blocking::run(move || (host.as_str(), port).to_socket_addrs().map(Vec::from_iter)).await;
    resolved.map_err(io::Error::other)?
}

/// The half that receives.
pub(super) enum Receiver {
    Plain(Stream),
}

impl Receiver {
    pub(super) async fn recv(&mut self) -> io::Result<Lease> {
        match self {
            Receiver::Plain(stream) => stream.recv().await,
        }
    }

    /// What ends both halves from elsewhere.
    pub(super) fn closer(&self) -> Closer {
        match self {
            Receiver::Plain(stream) => Closer(stream.close_handle()),
        }
    }
}

/// The half that sends.
pub(super) enum Sender {
    Plain(Stream),
}

impl Sender {
    /// Sends all chunks.
    pub(super) async fn send(&mut self, mut chunks: Chunks) -> io::Result<()> {
        match self {
            Sender::Plain(stream) => match chunks.len() {
                1 => stream.send(chunks.pop().unwrap_or(Chunk::Static(b""))).await,
                _ => stream.send_vectored(chunks).await,
            },
        }
    }
}

/// Ends a connection, so that both halves notice.
#[derive(Debug, Clone)]
pub(super) struct Closer(CloseHandle);

impl Closer {
    pub(super) fn close(&self) {
        // An error means that it had ended already.
        let _ended = self.0.shutdown(Shutdown::Both);
    }
}
