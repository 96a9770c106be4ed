//! What can go wrong.

use std::error::Error;
use std::fmt;
use std::io;

/// TLS could not be set up: settings that do not fit, or a handshake that failed.
#[derive(Debug)]
pub struct TlsError {
    kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A PEM text does not hold what it should.
    Pem(&'static str),
    /// No root certificate to trust was given or found.
    NoRoots,
    /// No certificate and key for a server.
    NoIdentity,
    /// The name is neither a DNS name nor an address.
    Name,
    /// What rustls says of settings or of the peer.
    Tls(rustls::Error),
    /// The connection failed meanwhile.
    Io(io::Error),
}

impl TlsError {
    pub(super) const fn new(kind: Kind) -> TlsError {
        TlsError { kind }
    }

    /// The peer's certificate is not trusted: unknown issuer, expired, or for another name.
    pub fn is_certificate(&self) -> bool {
        matches!(
            self.kind,
            Kind::Tls(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
        )
    }

    /// The settings are at fault, not the peer: bad PEM, no roots, no identity, a name that is none.
    pub fn is_settings(&self) -> bool {
        matches!(self.kind, Kind::Pem(_) | Kind::NoRoots | Kind::NoIdentity | Kind::Name)
    }

    /// The connection failed or was closed during the handshake.
    pub fn is_io(&self) -> bool {
        matches!(self.kind, Kind::Io(_))
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Pem(what) => write!(f, "the PEM text holds no usable {what}"),
            Kind::NoRoots => f.write_str(
                "no root certificates to trust: give some with `roots`, or install the system's (Debian: ca-certificates)",
            ),
            Kind::NoIdentity => f.write_str("a server needs a certificate and its key, and takes 256 at most: give them with `identity`"),
            Kind::Name => f.write_str("the server's name is neither a DNS name nor an IP address"),
            Kind::Tls(error) => write!(f, "TLS: {error}"),
            Kind::Io(error) => write!(f, "the connection failed during the TLS handshake: {error}"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Tls(error) => Some(error),
            Kind::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> TlsError {
        TlsError::new(Kind::Tls(error))
    }
}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> TlsError {
        TlsError::new(Kind::Io(error))
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> io::Error {
        match error.kind {
            Kind::Io(error) => error,
            Kind::Tls(_) => io::Error::new(io::ErrorKind::InvalidData, error),
            _ => io::Error::new(io::ErrorKind::InvalidInput, error),
        }
    }
}
