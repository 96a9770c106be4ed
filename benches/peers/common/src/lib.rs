//! What all peers share, so that they differ in nothing but the framework.

use std::net::{SocketAddr, TcpListener};

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

/// Body of `/plaintext`.
pub const PLAINTEXT: &str = "Hello, World!";

/// The object behind `/json`, built and serialised anew for each request.
#[derive(Serialize)]
pub struct Message {
    pub message: &'static str,
}

impl Message {
    /// The one object everybody serialises.
    pub fn hello() -> Self {
        Self { message: PLAINTEXT }
    }
}

/// The address given by `--listen ADDR`, `127.0.0.1:8080` without it.
///
/// # Panics
/// If the arguments are anything else.
pub fn listen_address() -> SocketAddr {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => SocketAddr::from(([127, 0, 0, 1], 8080)),
        (Some("--listen"), Some(address)) => address.parse().expect("--listen takes IP:PORT"),
        _ => panic!("usage: --listen IP:PORT"),
    }
}

/// A listener on [`listen_address`] with `TCP_NODELAY` set, which accepted connections inherit on Linux:
/// some frameworks have no option of their own for it.
///
/// # Panics
/// If the address cannot be bound.
pub fn listener() -> TcpListener {
    let address = listen_address();
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).expect("socket");
    socket.set_reuse_address(true).expect("SO_REUSEADDR");
    socket.set_tcp_nodelay(true).expect("TCP_NODELAY");
    socket.set_nonblocking(true).expect("O_NONBLOCK");
    socket.bind(&address.into()).expect("bind");
    socket.listen(4096).expect("listen");
    socket.into()
}
