//! The server's side.

use std::fmt;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::error::{Kind, TlsError};
use super::identities::Identities;
use super::pem;
use super::provider;
use super::session::{self, Session};
use crate::buf::Lease;
use crate::net::Stream;

/// Takes TLS connections as a server. Cheap to clone; shared by all cores.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
}

impl Acceptor {
    /// Begins without a certificate, which has to be given.
    pub fn builder() -> AcceptorBuilder {
        AcceptorBuilder { identity: None, identities: None, client_roots: Vec::new(), alpn: Vec::new() }
    }

    /// Shakes hands over `stream`.
    ///
    /// It waits as long as the peer lets it: set a receive deadline on the stream, or put a
    /// [`timeout`](crate::time::timeout) around it.
    ///
    /// # Errors
    /// If the peer does not speak TLS, shares no version or cipher, shows no certificate that was asked for, or goes
    /// away. The stream is closed.
    ///
    /// # Cancellation
    /// Dropping the future closes the stream.
    pub async fn accept(&self, stream: Stream) -> Result<Stream, TlsError> {
        self.accept_begun(stream, None).await
    }

    /// As [`accept`](Self::accept), if bytes of the peer have been received already: those behind a header of the PROXY
    /// protocol, for one.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    ///
    /// # Cancellation
    /// Dropping the future closes the stream.
    pub async fn accept_begun(&self, stream: Stream, unread: Option<Lease>) -> Result<Stream, TlsError> {
        let connection = ServerConnection::new(Arc::clone(&self.config))?;
        let session = Session::new(connection.into());
        if let Some(unread) = unread.filter(|unread| !unread.is_empty()) {
            session.received(unread);
        }
        session::shake_hands(stream, session).await
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

/// Settings of an [`Acceptor`].
#[must_use = "`build` makes the acceptor"]
pub struct AcceptorBuilder {
    identity: Option<(Vec<u8>, Vec<u8>)>,
    identities: Option<Identities>,
    client_roots: Vec<Vec<u8>>,
    alpn: Vec<Vec<u8>>,
}

impl AcceptorBuilder {
    /// The server's certificate (PEM, the chain behind it) and its key (PEM).
    pub fn identity(mut self, chain: &[u8], key: &[u8]) -> AcceptorBuilder {
        self.identity = Some((chain.to_vec(), key.to_vec()));
        self
    }

    /// Several of them, by the name that the client asks for, and replaceable. They take the place of
    /// [`identity`](Self::identity).
    pub fn identities(mut self, identities: Identities) -> AcceptorBuilder {
        self.identities = Some(identities);
        self
    }

    /// Asks clients for a certificate of one of these roots (PEM), and refuses those without.
    pub fn client_roots(mut self, pem: &[u8]) -> AcceptorBuilder {
        self.client_roots.push(pem.to_vec());
        self
    }

    /// Speaks an application protocol (RFC 7301); the first named is preferred.
    pub fn alpn(mut self, protocol: &str) -> AcceptorBuilder {
        self.alpn.push(protocol.as_bytes().to_vec());
        self
    }

    /// Makes the acceptor.
    ///
    /// # Errors
    /// [`is_settings`](TlsError::is_settings), with what is wrong; else a key that does not fit its certificate.
    pub fn build(self) -> Result<Acceptor, TlsError> {
        let identities = match self.identities {
            Some(identities) => identities,
            None => Identities::new(self.identity)?,
        };
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if self.client_roots.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for pem in &self.client_roots {
                for certificate in pem::certificates(pem)? {
                    roots.add(certificate).map_err(|_| TlsError::new(Kind::Pem("root certificate")))?;
                }
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|_| TlsError::new(Kind::NoRoots))?;
            builder.with_client_cert_verifier(verifier)
        };
        let mut config = builder.with_cert_resolver(Arc::new(identities));
        config.alpn_protocols = self.alpn;
        Ok(Acceptor { config: Arc::new(config) })
    }
}

impl fmt::Debug for AcceptorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptorBuilder").finish_non_exhaustive()
    }
}
