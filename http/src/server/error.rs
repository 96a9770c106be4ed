//! Why a server could not be started.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::TrustError;
use crate::app::HookError;

/// A server that did not start, or a core that did not end as it should.
#[derive(Debug)]
pub struct ServerError {
    kind: Kind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug)]
enum Kind {
    Address,
    NoAddress,
    InUse(SocketAddr),
    Listen(SocketAddr),
    PathInUse(PathBuf),
    NoSocket(PathBuf),
    Path(PathBuf),
    NotPassed(Box<str>),
    Trust(TrustError),
    Runtime,
    Factory(Box<str>),
    Hook,
    HookTimeout,
    Stopped,
    Command(Box<str>),
}

impl ServerError {
    pub(crate) fn address(source: io::Error) -> ServerError {
        ServerError { kind: Kind::Address, source: Some(source.into()) }
    }

    pub(crate) fn no_address() -> ServerError {
        ServerError { kind: Kind::NoAddress, source: None }
    }

    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> ServerError {
        let in_use = source.kind() == io::ErrorKind::AddrInUse;
        let kind = if in_use { Kind::InUse(address) } else { Kind::Listen(address) };
        ServerError { kind, source: Some(source.into()) }
    }

    pub(crate) fn unix(path: &Path, source: io::Error) -> ServerError {
        let kind = match source.kind() {
            io::ErrorKind::AddrInUse => Kind::PathInUse,
            io::ErrorKind::AlreadyExists => Kind::NoSocket,
            _ => Kind::Path,
        };
        ServerError { kind: kind(path.to_owned()), source: Some(source.into()) }
    }

    pub(crate) fn not_passed(place: &str) -> ServerError {
        ServerError { kind: Kind::NotPassed(place.into()), source: None }
    }

    pub(crate) fn trust(error: TrustError) -> ServerError {
        ServerError { kind: Kind::Trust(error), source: None }
    }

    pub(crate) fn runtime(source: io::Error) -> ServerError {
        ServerError { kind: Kind::Runtime, source: Some(source.into()) }
    }

    pub(crate) fn hook(source: HookError) -> ServerError {
        ServerError { kind: Kind::Hook, source: Some(source.into()) }
    }

    /// What the factory's panic said.
    pub(crate) fn factory(payload: &(dyn Any + Send)) -> ServerError {
        let fixed = payload.downcast_ref::<&str>().copied();
        let text = fixed.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        ServerError { kind: Kind::Factory(text.unwrap_or("it panicked").into()), source: None }
    }

    pub(crate) fn command(word: &str) -> ServerError {
        ServerError { kind: Kind::Command(word.into()), source: None }
    }

    pub(crate) fn stopped() -> ServerError {
        ServerError { kind: Kind::Stopped, source: None }
    }

    pub(crate) fn hook_timeout() -> ServerError {
        ServerError { kind: Kind::HookTimeout, source: None }
    }

    /// True if a start hook failed. The source is a [`HookError`].
    pub fn is_hook(&self) -> bool {
        matches!(self.kind, Kind::Hook)
    }

    /// True if the start hooks took longer than [`Limits::start_timeout`](super::Limits::start_timeout).
    pub fn is_hook_timeout(&self) -> bool {
        matches!(self.kind, Kind::HookTimeout)
    }

    /// True if somebody else listens on the address already.
    pub fn is_address_in_use(&self) -> bool {
        matches!(self.kind, Kind::InUse(_) | Kind::PathInUse(_))
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
            Kind::PathInUse(path) => {
                write!(
                    f,
                    "unix:{} is in use: stop what listens there, or listen on another path",
                    path.display()
                )
            }
            Kind::NoSocket(path) => {
                write!(f, "{} is no socket: remove it, or listen on another path", path.display())
            }
            Kind::Path(path) => write!(f, "cannot listen on unix:{}", path.display()),
            Kind::NotPassed(place) => write!(
                f,
                "no socket was passed for `{place}`: start this by its socket unit; `systemctl status` shows names and numbers"
            ),
            Kind::Trust(error) => error.fmt(f),
            Kind::Factory(message) => write!(f, "the application could not be built: {message}"),
            Kind::Hook => f.write_str("a start hook failed"),
            Kind::HookTimeout => f.write_str(
                "the hooks took longer than they may: see `Limits::start_timeout` and `Limits::stop_timeout`",
            ),
            Kind::Command(word) => {
                write!(
                    f,
                    "CORELANE_COMMAND is `{word}`: unset it to serve, or set `routes`, `routes-json` or `check`"
                )
            }
            Kind::Stopped => f.write_str("a core was stopped while the server started"),
            Kind::Runtime => f.write_str("a core could not be started or did not end well"),
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
