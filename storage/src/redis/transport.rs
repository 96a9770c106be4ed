//! The bytes under the protocol.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use corelane_runtime::blocking;
use corelane_runtime::net::Stream;

use super::config::Endpoint;

/// Connects. A name is resolved off the core and each of its addresses tried in turn.
///
/// # Errors
/// What the kernel or the resolver says about the last address.
///
/// # Cancellation
/// May be dropped at any time.
pub(super) async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    match endpoint {
        Endpoint::Unix(path) => Stream::connect_unix(path).await,
        Endpoint::Tcp { host, port } => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in resolve(host, *port).await? {
                match Stream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
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
