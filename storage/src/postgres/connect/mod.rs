//! From a configuration to a connection on which the server waits for the first command.

mod auth;
mod cancel;
mod certificate;
mod startup;
mod step;
#[cfg(test)]
mod tests;
mod transport;

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::buf::Lease;
use corelane_runtime::net::Stream;
use corelane_runtime::time;

pub(super) use self::cancel::CancelToken;
use self::startup::Startup;
use self::transport::{Encryption, Tls};
use super::config::{Config, Host, HostName, LoadBalance, SslMode, TargetSession};
use super::error::{Cause, Kind, PgError};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 32;

/// A connection after authentication and the first `ReadyForQuery`.
pub(super) struct Established {
    pub(super) stream: Stream,
    /// Bytes received behind the first `ReadyForQuery`: a notification, for instance.
    pub(super) unread: Option<Lease>,
    /// The settings that the server reports, with their values.
    pub(super) parameters: Vec<(String, String)>,
    /// The server's process, or zero if it did not say.
    pub(super) process_id: i32,
    pub(super) cancel: CancelToken,
    /// The one of the hosts that it is.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the split over replicas, which is not built yet"))]
    pub(super) host: Host,
}

/// Where and how to open connections. Made once: it reads the system's roots from disk if they are needed.
pub(super) struct Target {
    config: Config,
    encryption: Encryption,
}

/// Connects once. Whoever connects more often keeps a [`Target`].
///
/// # Errors
/// As [`Target::new`] and [`Target::open`].
///
/// # Cancellation
/// As [`Target::open`].
pub(super) async fn open(config: &Config) -> Result<Established, PgError> {
    Rc::new(Target::new(config.clone())?).open().await
}

/// Where one try goes to.
#[derive(Clone, Debug)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why a try failed, and whether another one makes sense.
struct Failure {
    cause: Cause,
    /// The server, or TLS, refused before anybody was asked who they are: it may be another matter with TLS, or without.
    is_before_authentication: bool,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Failure {
        Failure { cause, is_before_authentication: false }
    }
}

impl Target {
    /// Checks what the configuration asks of TLS.
    ///
    /// # Errors
    /// Of the configuration: certificates that cannot be read, TLS without the feature `tls`.
    pub(super) fn new(config: Config) -> Result<Target, PgError> {
        if config.hosts.is_empty() {
            return Err(PgError::new(Kind::Settings("PostgreSQL setting `host` names no host".to_owned())));
        }
        let encryption = Encryption::new(&config).map_err(|problem| PgError::new(Kind::Settings(problem)))?;
        Ok(Target { config, encryption })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Tries the hosts until one lets us in and has a session of the kind that is asked for. A host that
    /// refuses the user, the password or the database ends it, as with libpq: the others would refuse them too.
    ///
    /// # Errors
    /// [`PgError::is_unavailable`], with what each host said. It takes `connect_timeout` at most for each
    /// address of each host, and twice that with [`TargetSession::PreferStandby`].
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed.
    pub(super) async fn open(self: &Rc<Self>) -> Result<Established, PgError> {
        let mut causes = Vec::new();
        let passes: &[TargetSession] = match self.config.target_session {
            TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
            ref other => std::slice::from_ref(other),
        };
        for &session in passes {
            causes.clear();
            for host in self.in_order(self.config.hosts.clone()) {
                match self.open_host(&host, session).await {
                    Ok(established) => return Ok(established),
                    Err(cause) => {
                        let is_final = cause.refuses_us();
                        causes.push((host.to_string(), cause));
                        if is_final {
                            return Err(PgError::new(Kind::Unavailable(Cause::hosts(causes))));
                        }
                    }
                }
            }
        }
        Err(PgError::new(Kind::Unavailable(Cause::hosts(causes))))
    }

    /// Tries the addresses of one host.
    async fn open_host(self: &Rc<Self>, host: &Host, session: TargetSession) -> Result<Established, Cause> {
        let limit = self.config.connect_timeout;
        let addresses = within(limit, async { self.addresses(host).await.map_err(Failure::from) })
            .await
            .map_err(|failure| failure.cause)?;
        let mut last = Cause::NotPostgres("its name has no address");
        for address in addresses {
            match self.open_address(host, &address, session, limit).await {
                Ok(established) => return Ok(established),
                Err(cause) if cause.refuses_us() => return Err(cause),
                Err(cause) => last = cause,
            }
        }
        Err(last)
    }

    /// Tries one address, with TLS and without as `sslmode` has it.
    async fn open_address(
        self: &Rc<Self>,
        host: &Host,
        address: &Address,
        session: TargetSession,
        limit: Duration,
    ) -> Result<Established, Cause> {
        let tries: &[Tls] = match (self.config.ssl_mode, address) {
            (_, Address::Unix(_)) => &[Tls::Off],
            _ if !self.encryption.is_there() => &[Tls::Off],
            (SslMode::Disable, _) => &[Tls::Off],
            (SslMode::Allow, _) => &[Tls::Off, Tls::Needed],
            (SslMode::Prefer, _) => &[Tls::IfOffered, Tls::Off],
            (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, _) => &[Tls::Needed],
        };
        let mut first_cause = None;
        for &tls in tries {
            let failure = match within(limit, self.attempt(host, address, tls, session)).await {
                Ok(established) => return Ok(established),
                Err(failure) => failure,
            };
            let again = failure.is_before_authentication;
            // What the first try was told says more than that the second did not work either.
            let cause = first_cause.get_or_insert(failure.cause).clone();
            if !again {
                return Err(cause);
            }
        }
        Err(first_cause.unwrap_or(Cause::Eof))
    }

    async fn attempt(
        self: &Rc<Self>,
        host: &Host,
        address: &Address,
        tls: Tls,
        session: TargetSession,
    ) -> Result<Established, Failure> {
        let stream = transport::connect(address).await.map_err(Cause::io)?;
        let stream = self.encryption.secure(stream, &self.config, host, tls).await?;
        let startup = Startup::new(stream, &self.config, host);
        let mut startup = startup.authenticate().await?;
        if session != TargetSession::Any {
            startup.check_session(session).await?;
        }
        let (stream, unread, server) = startup.into_parts();
        let cancel = CancelToken::new(
            Rc::clone(self),
            host.clone(),
            address.clone(),
            transport::is_encrypted(&stream),
            server.process_id,
            server.secret_key,
        );
        let process_id = server.process_id;
        Ok(Established {
            stream,
            unread,
            parameters: server.parameters,
            process_id,
            cancel,
            host: host.clone(),
        })
    }

    async fn addresses(&self, host: &Host) -> Result<Vec<Address>, Cause> {
        if let Some(path) = host.socket() {
            return Ok(vec![Address::Unix(path)]);
        }
        let HostName::Tcp { name, address } = &host.name else {
            unreachable!("a host without a socket is reached by TCP");
        };
        let mut addresses = match address {
            Some(ip) => vec![SocketAddr::new(*ip, host.port)],
            None => transport::resolve(name, host.port).await.map_err(Cause::io)?,
        };
        addresses.truncate(ADDRESSES_MAX);
        Ok(self.in_order(addresses).into_iter().map(Address::Tcp).collect())
    }

    /// As they are, or at random.
    fn in_order<T>(&self, mut items: Vec<T>) -> Vec<T> {
        if self.config.load_balance == LoadBalance::Random {
            // The standard library's hasher is seeded from the operating system: enough to spread connections.
            let random = RandomState::new();
            for at in (1..items.len()).rev() {
                let other = random.hash_one(at) % (at as u64 + 1);
                items.swap(at, usize::try_from(other).unwrap_or(at));
            }
        }
        items
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match time::timeout(limit, future).await {
        Ok(result) => result,
        Err(_) => Err(Cause::ConnectTimeout(limit).into()),
    }
}
