//! From a URL to a connection.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use corelane_runtime::blocking;
use corelane_runtime::net::Stream;

use super::Client;
use super::connection::Connection;
use super::error::{ClientError, Kind};
use super::url::Url;

/// The way to the server of a URL.
pub(super) struct Route<'a> {
    url: &'a Url,
}

impl<'a> Route<'a> {
    pub(super) fn new(url: &'a Url) -> Route<'a> {
        Route { url }
    }

    /// What connections that may serve the same requests have in common.
    pub(super) fn key(&self) -> &str {
        self.url.origin()
    }

    /// True if the request's target is the whole URL, as a proxy wants it (RFC 9112 §3.2.2).
    pub(super) fn is_absolute(&self) -> bool {
        false
    }
}

/// Opens a connection.
///
/// # Cancellation
/// May be dropped at any time: what was opened is closed.
pub(super) async fn open(client: &Client, route: &Route<'_>) -> Result<Connection, ClientError> {
    if route.url.is_https() {
        #[cfg(not(feature = "tls"))]
        return Err(ClientError::new(Kind::NoTls));
    }
    let stream = connect(route.url.host(), route.url.port()).await?;
    Ok(Connection::new(stream, client.settings().send_stall, true))
}

async fn connect(host: &str, port: u16) -> Result<Stream, ClientError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in resolve(host, port).await.map_err(|error| ClientError::new(Kind::Resolve(error.into())))? {
        match Stream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(ClientError::new(Kind::Connect(last)))
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
