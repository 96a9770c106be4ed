//! Why a server could not be started.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::TrustError;

/// A server that did not start, or a core that did not end as it should.
#[derive(Debug)]
pub struct ServerError {
    kind: Kind,
    source: Option<io::Error>,
}

#[derive(Debug)]
enum Kind {
    Address,
    NoAddress,
    InUse(SocketAddr),
    Listen(SocketAddr),
    Trust(TrustError),
    Runtime,
}

impl ServerError {
    pub(crate) fn address(source: io::Error) -> ServerError {
        ServerError { kind: Kind::Address, source: Some(source) }
    }

    pub(crate) fn no_address() -> ServerError {
        ServerError { kind: Kind::NoAddress, source: None }
    }

    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> ServerError {
        let in_use = source.kind() == io::ErrorKind::AddrInUse;
        let kind = if in_use { Kind::InUse(address) } else { Kind::Listen(address) };
        ServerError { kind, source: Some(source) }
    }

    pub(crate) fn trust(error: TrustError) -> ServerError {
        ServerError { kind: Kind::Trust(error), source: None }
    }

    pub(crate) fn runtime(source: io::Error) -> ServerError {
        ServerError { kind: Kind::Runtime, source: Some(source) }
    }

    /// True if somebody else listens on the address already.
    pub fn is_address_in_use(&self) -> bool {
        matches!(self.kind, Kind::InUse(_))
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Address => f.write_str("the listen address could not be resolved; give HOST:PORT"),
            Kind::NoAddress => f.write_str("the listen address resolves to nothing; give HOST:PORT"),
            Kind::InUse(address) => {
                write!(f, "{address} is in use: stop what listens there, or listen on another port")
            }
            Kind::Listen(address) => write!(f, "cannot listen on {address}"),
            Kind::Trust(error) => error.fmt(f),
            Kind::Runtime => f.write_str("a core could not be started or did not end well"),
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
