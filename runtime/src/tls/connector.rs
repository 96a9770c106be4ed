//! The client's side.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::error::{Kind, TlsError};
use super::pem::{self, Identity};
use super::provider;
use super::session::{self, Session};
use super::verify::AnyName;
use crate::net::Stream;

/// How much of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// The chain up to a trusted root, and the name.
    #[default]
    Full,
    /// The chain only: whoever has a certificate of a trusted root may pose as the server. PostgreSQL's `verify-ca`.
    Chain,
    /// Nothing: safe from who listens, not from who interferes. PostgreSQL's `require`.
    Off,
}

/// Makes TLS connections as a client. Cheap to clone; shared by all cores.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
}

impl Connector {
    /// Begins with the system's roots and [`Verify::Full`].
    pub fn builder() -> ConnectorBuilder {
        ConnectorBuilder { roots: Vec::new(), identity: None, verify: Verify::Full, alpn: Vec::new() }
    }

    /// Shakes hands over `stream`. `name` is what the certificate has to be for, a DNS name or an address.
    ///
    /// It waits as long as the peer lets it: set a receive deadline on the stream, or put a
    /// [`timeout`](crate::time::timeout) around it.
    ///
    /// # Errors
    /// [`is_settings`](TlsError::is_settings) for a bad name, [`is_certificate`](TlsError::is_certificate) for a peer that
    /// is not trusted, [`is_io`](TlsError::is_io) if the connection fails. The stream is closed.
    ///
    /// # Cancellation
    /// Dropping the future closes the stream.
    pub async fn connect(&self, stream: Stream, name: &str) -> Result<Stream, TlsError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::new(Kind::Name))?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name)?;
        session::shake_hands(stream, Session::new(connection.into())).await
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// Settings of a [`Connector`].
#[must_use = "`build` makes the connector"]
pub struct ConnectorBuilder {
    roots: Vec<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    verify: Verify,
    alpn: Vec<Vec<u8>>,
}

impl ConnectorBuilder {
    /// Trusts the certificates in this PEM text, instead of the system's roots. May be called again for more.
    pub fn roots(mut self, pem: &[u8]) -> ConnectorBuilder {
        self.roots.push(pem.to_vec());
        self
    }

    /// Shows the server this certificate (PEM, the chain behind it) and proves it with this key (PEM).
    pub fn identity(mut self, chain: &[u8], key: &[u8]) -> ConnectorBuilder {
        self.identity = Some((chain.to_vec(), key.to_vec()));
        self
    }

    /// How much of the server's certificate is checked.
    pub fn verify(mut self, verify: Verify) -> ConnectorBuilder {
        self.verify = verify;
        self
    }

    /// Offers an application protocol (RFC 7301), such as `http/1.1`; the first offered is preferred.
    pub fn alpn(mut self, protocol: &str) -> ConnectorBuilder {
        self.alpn.push(protocol.as_bytes().to_vec());
        self
    }

    /// Makes the connector. Reads the system's roots from disk if it needs them, so call it at start.
    ///
    /// # Errors
    /// [`is_settings`](TlsError::is_settings), with what is wrong.
    pub fn build(self) -> Result<Connector, TlsError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let verifier = || -> Result<_, TlsError> {
            let roots = Arc::new(self.trusted()?);
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|_| TlsError::new(Kind::NoRoots))
        };
        let any_name = |chain| Arc::new(AnyName { chain, provider: Arc::clone(&provider) });
        let builder = match self.verify {
            Verify::Full => builder.with_webpki_verifier(verifier()?),
            Verify::Chain => {
                builder.dangerous().with_custom_certificate_verifier(any_name(Some(verifier()?)))
            }
            Verify::Off => builder.dangerous().with_custom_certificate_verifier(any_name(None)),
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let Identity { chain, key } = pem::identity(chain, key)?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        config.alpn_protocols = self.alpn;
        Ok(Connector { config: Arc::new(config) })
    }

    fn trusted(&self) -> Result<RootCertStore, TlsError> {
        let mut store = RootCertStore::empty();
        for pem in &self.roots {
            for certificate in pem::certificates(pem)? {
                store.add(certificate).map_err(|_| TlsError::new(Kind::Pem("root certificate")))?;
            }
        }
        if self.roots.is_empty() {
            // Some of a system's roots may be too old to parse: those are passed over.
            let _counts = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if store.is_empty() { Err(TlsError::new(Kind::NoRoots)) } else { Ok(store) }
    }
}

impl fmt::Debug for ConnectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorBuilder").field("verify", &self.verify).finish_non_exhaustive()
    }
}
