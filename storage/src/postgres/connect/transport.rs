//! The bytes under the protocol: sockets, names, TLS.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use bytes::BytesMut;
use corelane_runtime::blocking;
use corelane_runtime::net::Stream;
use postgres_protocol::message::frontend;

#[cfg(feature = "tls")]
use corelane_runtime::tls::{Connector, Verify};

use super::{Address, Failure};
#[cfg(feature = "tls")]
use crate::postgres::config::Roots;
use crate::postgres::config::{Config, Host, HostName, SslMode, SslNegotiation};
use crate::postgres::error::Cause;

/// What one try does about TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tls {
    Off,
    IfOffered,
    Needed,
}

/// How connections are encrypted. Without the feature `tls` there is no way to make one that is.
pub(super) struct Encryption {
    #[cfg(feature = "tls")]
    connector: Option<Connector>,
}

impl Encryption {
    /// What `config` asks for.
    ///
    /// # Errors
    /// If its settings are wrong; a sentence for whoever configured it.
    #[cfg(feature = "tls")]
    pub(super) fn new(config: &Config) -> Result<Encryption, String> {
        let is_local = config.hosts.iter().all(|host| host.socket().is_some());
        if config.ssl_mode == SslMode::Disable || is_local {
            return Ok(Encryption { connector: None });
        }
        let roots = match &config.ssl_roots {
            Roots::Pem(pem) => Some(pem),
            Roots::System => None,
        };
        let verify = match config.ssl_mode {
            SslMode::VerifyFull => Verify::Full,
            SslMode::VerifyCa if roots.is_none() => {
                return Err("PostgreSQL setting `sslrootcert` is needed with sslmode=verify-ca".to_owned());
            }
            SslMode::VerifyCa => Verify::Chain,
            SslMode::Require if roots.is_some() => Verify::Chain,
            // With less than `require` whoever is in between has it without TLS if they like.
            _ => Verify::Off,
        };
        let mut builder = Connector::builder().verify(verify).alpn("postgresql");
        if let Some(pem) = roots {
            builder = builder.roots(pem);
        }
        if let Some((certificate, key)) = &config.ssl_identity {
            builder = builder.identity(certificate, key.danger_reveal().as_bytes());
        }
        match builder.build() {
            Ok(connector) => Ok(Encryption { connector: Some(connector) }),
            Err(error) => {
                Err(format!("TLS to PostgreSQL (`sslmode`, `sslrootcert`, `sslcert`, `sslkey`): {error}"))
            }
        }
    }

    /// What `config` asks for.
    ///
    /// # Errors
    /// If it insists on TLS; a sentence for whoever configured it.
    #[cfg(not(feature = "tls"))]
    pub(super) fn new(config: &Config) -> Result<Encryption, String> {
        let is_local = config.hosts.iter().all(|host| host.socket().is_some());
        match config.ssl_mode {
            SslMode::Disable | SslMode::Allow | SslMode::Prefer => Ok(Encryption {}),
            _ if is_local => Ok(Encryption {}),
            _ => Err(
                "PostgreSQL setting `sslmode`: TLS needs the feature `tls` of corelane-storage (of corelane)"
                    .to_owned(),
            ),
        }
    }

    /// Whether there is a way to encrypt.
    pub(super) fn is_there(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.connector.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Encrypts a new stream, as `tls` says.
    ///
    /// # Errors
    /// The handshake's, or the server's refusal.
    pub(super) async fn secure(
        &self,
        mut stream: Stream,
        config: &Config,
        host: &Host,
        tls: Tls,
    ) -> Result<Stream, Failure> {
        if tls == Tls::Off {
            return Ok(stream);
        }
        let is_direct = config.ssl_negotiation == SslNegotiation::Direct;
        if !is_direct && !is_offered(&mut stream).await? {
            if tls == Tls::IfOffered {
                return Ok(stream);
            }
            let refusal = "it does not speak TLS, and sslmode asks for it";
            return Err(Failure { cause: Cause::Auth(refusal.into()), is_before_authentication: true });
        }
        self.shake_hands(stream, host, is_direct).await
    }

    #[cfg(feature = "tls")]
    async fn shake_hands(&self, stream: Stream, host: &Host, is_direct: bool) -> Result<Stream, Failure> {
        let (Some(connector), HostName::Tcp { name, .. }) = (&self.connector, &host.name) else {
            return Ok(stream);
        };
        let stream = connector
            .connect(stream, name)
            .await
            .map_err(|error| Failure { cause: Cause::io(error.into()), is_before_authentication: true })?;
        let agreed = stream.tls().and_then(|tls| tls.alpn());
        if is_direct && agreed.as_deref() != Some(b"postgresql") {
            return Err(
                Cause::NotPostgres("it speaks TLS and does not know the protocol `postgresql`").into()
            );
        }
        Ok(stream)
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_async, reason = "as it is with the feature")]
    async fn shake_hands(&self, stream: Stream, host: &Host, _is_direct: bool) -> Result<Stream, Failure> {
        let (HostName::Tcp { .. } | HostName::Unix(_)) = &host.name;
        Ok(stream)
    }
}

/// Asks for TLS; the server answers with one byte
/// ([SSL Session Encryption](https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-SSL)).
async fn is_offered(stream: &mut Stream) -> Result<bool, Cause> {
    let mut out = BytesMut::new();
    frontend::ssl_request(&mut out);
    stream.send(out.freeze()).await.map_err(Cause::io)?;
    let answer = stream.recv().await.map_err(Cause::io)?;
    match &answer[..] {
        b"S" => Ok(true),
        b"N" => Ok(false),
        [] => Err(Cause::Eof),
        // Whoever is in between could put them there, and they would pass for what came through TLS (CVE-2021-23222).
        [b'S' | b'N', ..] => Err(Cause::Unexpected("bytes behind the answer to the request for TLS")),
        // Not read on: nobody has proved who they are, and the text would be shown.
        [b'E', ..] => Err(Cause::NotPostgres("it answers the request for TLS with an error")),
        _ => Err(Cause::NotPostgres("it answers the request for TLS with neither S nor N")),
    }
}

/// Whether a stream is encrypted.
pub(super) fn is_encrypted(stream: &Stream) -> bool {
    #[cfg(feature = "tls")]
    return stream.tls().is_some();
    #[cfg(not(feature = "tls"))]
    {
        let _plain = stream;
        false
    }
}

/// The certificate that the server has shown, DER.
pub(super) fn peer_certificate(stream: &Stream) -> Option<Vec<u8>> {
    #[cfg(feature = "tls")]
    return stream.tls().and_then(|tls| tls.peer_certificate());
    #[cfg(not(feature = "tls"))]
    {
        let _plain = stream;
        None
    }
}

/// Connects.
///
/// # Errors
/// What the kernel says.
///
/// # Cancellation
/// May be dropped at any time.
pub(super) async fn connect(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Unix(path) => Stream::connect_unix(path).await,
        Address::Tcp(address) => Stream::connect(*address).await,
    }
}

/// An address needs no resolver; a name goes to libc's, on a thread that may block.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    let resolved = blocking::run(move || (host.as_str(), port).to_socket_addrs().map(Vec::from_iter)).await;
    resolved.map_err(io::Error::other)?
}
