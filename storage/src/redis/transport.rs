//! The bytes under the protocol.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use corelane_runtime::blocking;
use corelane_runtime::net::Stream;

use super::config::{Config, Endpoint};
use super::error::Cause;

/// How a connection is encrypted. Without the feature `tls` there is no way to make one that is.
#[derive(Clone, Default)]
pub(super) struct Encryption {
    #[cfg(feature = "tls")]
    connector: Option<corelane_runtime::tls::Connector>,
}

impl Encryption {
    /// What `config` asks for.
    ///
    /// # Errors
    /// If it is not to be had, or its settings are wrong; a sentence for whoever configured it.
    #[cfg(feature = "tls")]
    pub(super) fn new(config: &Config) -> Result<Encryption, String> {
        if !config.tls {
            return Ok(Encryption::default());
        }
        let mut builder = corelane_runtime::tls::Connector::builder();
        if let Some(roots) = &config.tls_roots {
            builder = builder.roots(roots);
        }
        let connector = builder.build().map_err(|error| format!("TLS to redis: {error}"))?;
        Ok(Encryption { connector: Some(connector) })
    }

    /// What `config` asks for.
    ///
    /// # Errors
    /// If it asks for TLS; a sentence for whoever configured it.
    #[cfg(not(feature = "tls"))]
    pub(super) fn new(config: &Config) -> Result<Encryption, String> {
        if config.tls {
            return Err("TLS to redis needs the feature `tls` of corelane-storage (of corelane)".to_owned());
        }
        Ok(Encryption::default())
    }

    /// Encrypts `stream` if that was asked for.
    ///
    /// # Errors
    /// The handshake's.
    pub(super) async fn wrap(&self, stream: Stream, endpoint: &Endpoint) -> Result<Stream, Cause> {
        #[cfg(feature = "tls")]
        if let (Some(connector), Endpoint::Tcp { host, .. }) = (&self.connector, endpoint) {
            return connector.connect(stream, host).await.map_err(|error| Cause::io(io::Error::other(error)));
        }
        let _plain = endpoint;
        Ok(stream)
    }
}

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
