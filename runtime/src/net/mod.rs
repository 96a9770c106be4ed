//! Sockets: listeners, and one stream type for TCP, Unix and memory.
//!
//! A stream receives into leases it takes itself and sends chunks it is given; callers lend no
//! buffer. A stream that waits holds no buffer.
//!
//! ```
//! use corelane_runtime::{self as runtime, net};
//!
//! runtime::block_on(async {
//!     let options = net::ListenOptions::default();
//!     let listener = net::TcpListener::bind("127.0.0.1:0".parse().unwrap(), &options)?;
//!     let address = listener.local_addr()?;
//!     let echo = runtime::spawn(async move {
//!         let (mut stream, _peer) = listener.accept().await?;
//!         loop {
//!             let bytes = stream.recv().await?;
//!             if bytes.is_empty() {
//!                 return std::io::Result::Ok(());
//!             }
//!             stream.send(bytes).await?;
//!         }
//!     });
//!     let mut client = net::Stream::connect(address).await?;
//!     client.send("hello").await?;
//!     assert_eq!(&client.recv().await?[..], b"hello");
//!     drop(client);
//!     echo.await.expect("the echo task does not panic")
//! })?;
//! # std::io::Result::Ok(())
//! ```

mod delivery;
mod duplex;
mod listener;

mod quiet;
mod send_file;
mod split;
mod state;
mod stream;
mod udp;
mod unix;

use std::fmt;
use std::net::SocketAddr;

pub use self::delivery::Delivery;
pub use self::duplex::duplex;
pub use self::listener::{Accepted, ListenOptions, Listener, TcpListener, UnixListener, listen_std};
pub use self::split::{RecvHalf, SendHalf};
pub use self::state::CloseHandle;
pub use self::stream::Stream;
pub use self::udp::UdpSocket;
pub use self::unix::{UnixOptions, listen_unix_std};

pub(crate) use self::state::SocketState;

/// Which half of a stream to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Receive no more: a receive that waits ends as at the end of the stream.
    Read,
    /// Send no more: the peer sees the end of the stream.
    Write,
    /// Both.
    Both,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
    /// The other end of a [`duplex`] pair.
    Memory,
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddr::Tcp(address) => address.fmt(f),
            PeerAddr::Unix => f.write_str("unix"),
            PeerAddr::Memory => f.write_str("memory"),
        }
    }
}
