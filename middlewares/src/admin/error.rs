//! Why there is no admin listener.

use std::net::SocketAddr;
use std::{fmt, io};

use corelane_http::server::ServerError;
use corelane_profiling::sampler::SamplerError;
use corelane_profiling::watch::WatchError;

/// Why the admin listener did not start.
#[derive(Debug)]
pub struct AdminError {
    kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Address(io::Error),
    NoAddress,
    NoToken(SocketAddr),
    EmptyToken,
    Sampler(SamplerError),
    Watch(WatchError),
    Server(ServerError),
}

impl AdminError {
    pub(super) fn new(kind: Kind) -> AdminError {
        AdminError { kind }
    }

    /// True if the address is not loopback and there is no token, or an empty one.
    pub fn is_unprotected(&self) -> bool {
        matches!(self.kind, Kind::NoToken(_) | Kind::EmptyToken)
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Address(_) => f.write_str("the admin listener's address cannot be resolved"),
            Kind::NoAddress => f.write_str("the admin listener's address names no host"),
            Kind::NoToken(address) => {
                write!(
                    f,
                    "the admin listener's address {address} is not loopback: set a token, or listen on 127.0.0.1"
                )
            }
            Kind::EmptyToken => f.write_str("the admin listener's token is empty"),
            Kind::Sampler(_) => f.write_str("the admin listener cannot keep a history of profiles"),
            Kind::Watch(_) => f.write_str("the admin listener cannot watch the cores"),
            Kind::Server(_) => f.write_str("the admin listener cannot start"),
        }
    }
}

impl std::error::Error for AdminError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Address(error) => Some(error),
            Kind::NoAddress | Kind::NoToken(_) | Kind::EmptyToken => None,
            Kind::Sampler(error) => Some(error),
            Kind::Watch(error) => Some(error),
            Kind::Server(error) => Some(error),
        }
    }
}
