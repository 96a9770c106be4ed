//! Datagrams to one peer.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::{PeerAddr, Stream};
use crate::buf::{Chunk, Lease};

/// A UDP socket that is connected to one address: the kernel drops what others send to it.
///
/// Its port is picked by the kernel at random. It belongs to the core it was made on.
///
/// ```
/// use corelane_runtime::{self as runtime, net::UdpSocket};
///
/// let server = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let address = server.local_addr()?;
/// // On a thread of its own: what is sent leaves when the core has its turn, and a core that is kept waiting has none.
/// let echo = std::thread::spawn(move || {
///     let mut datagram = [0; 16];
///     let (len, peer) = server.recv_from(&mut datagram)?;
///     server.send_to(&datagram[..len], peer)
/// });
/// runtime::block_on(async {
///     let mut client = UdpSocket::connect(address)?;
///     client.send("ping").await?;
///     assert_eq!(&client.recv().await?[..], b"ping");
///     std::io::Result::Ok(())
/// })?;
/// assert_eq!(echo.join().unwrap()?, 4);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    /// A connected socket of datagrams receives and sends as one of a stream does, each datagram by itself.
    socket: Stream,
}

impl UdpSocket {
    /// A socket that talks to `peer` only. Nothing is sent yet.
    ///
    /// # Errors
    /// What the kernel says: no route, no descriptor.
    ///
    /// # Panics
    /// If the caller is not on a core.
    pub fn connect(peer: SocketAddr) -> io::Result<UdpSocket> {
        let (family, any): (_, SocketAddr) = match peer {
            SocketAddr::V4(_) => (AddressFamily::INET, (Ipv4Addr::UNSPECIFIED, 0).into()),
            SocketAddr::V6(_) => (AddressFamily::INET6, (Ipv6Addr::UNSPECIFIED, 0).into()),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(family, SocketType::DGRAM, flags, None)?;
        bind(&fd, &any)?;
        connect(&fd, &peer)?;
        Ok(UdpSocket { socket: Stream::adopt(fd, PeerAddr::Tcp(peer))? })
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// What the kernel says, also of an earlier datagram: [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if
    /// nobody listens there.
    ///
    /// # Cancellation
    /// If dropped, the datagram may have been sent.
    pub async fn send(&mut self, datagram: impl Into<Chunk>) -> io::Result<()> {
        self.socket.send(datagram).await
    }

    /// Receives one datagram; what is longer than 4 KiB is cut off. An empty datagram, and so an empty lease, ends the
    /// socket: make another.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancellation
    /// May be dropped at any time: no datagram is lost.
    pub async fn recv(&mut self) -> io::Result<Lease> {
        self.socket.recv().await
    }
}
