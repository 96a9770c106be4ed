//! Where the server is, who we are to it, and what a connection may cost.

mod build;
mod environment;
mod error;
mod keys;
mod passfile;
#[cfg(test)]
mod tests;
mod text;
mod values;

use std::time::Duration;

pub use self::environment::Environment;
pub use self::error::ConfigError;
pub(super) use self::passfile::PassFile;
pub use self::values::{
    AuthMethods, ChannelBinding, Host, HostName, LoadBalance, Roots, SslMode, SslNegotiation, TargetSession,
};
use crate::Secret;
use crate::postgres::options::Options;
use crate::postgres::pool::PoolConfig;

/// All that a client is told. Made from a [connection string](Config::parse), then changed field by field.
///
/// ```
/// use corelane_storage::postgres::Config;
/// use std::time::Duration;
///
/// let mut config = Config::parse("postgres://app:swordfish@10.0.0.5/shop?sslmode=require")?;
/// config.connect_timeout = Duration::from_secs(2);
/// assert_eq!(config.database, "shop");
/// assert!(!format!("{config:?}").contains("swordfish"));
/// # Ok::<(), corelane_storage::postgres::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The servers, in the order in which they are tried. Never empty.
    pub hosts: Vec<Host>,
    /// Who we are to the database.
    pub user: String,
    /// The password; without one the password file is looked into, host by host.
    pub password: Option<Secret>,
    /// The database. Default: the name of the user.
    pub database: String,
    /// Shown in `pg_stat_activity`. Default `corelane`.
    pub application_name: Option<String>,
    /// Settings for the session, as on the server's command line: `-c statement_timeout=5s`. A space within a value is `\ `.
    pub options: Option<String>,
    /// Whether the connection is encrypted, and how much of the server's certificate is checked. Over a Unix
    /// socket it never is. Default [`SslMode::Prefer`], as with libpq: ask for more.
    pub ssl_mode: SslMode,
    /// How TLS begins. Default [`SslNegotiation::Postgres`].
    pub ssl_negotiation: SslNegotiation,
    /// Whose certificates are trusted. Default: the file `~/.postgresql/root.crt` if it is there, else the system's.
    pub ssl_roots: Roots,
    /// Our own certificate with those that lead to its root, and its key, as PEM. Default: the files
    /// `~/.postgresql/postgresql.crt` and `.key` if they are there.
    pub ssl_identity: Option<(Vec<u8>, Secret)>,
    /// Whether SCRAM is bound to the TLS connection (RFC 5929). Default [`ChannelBinding::Prefer`].
    pub channel_binding: ChannelBinding,
    /// By which methods we let ourselves be authenticated. Default: any, but a password in clear text over TCP
    /// without TLS only if `password` is named here.
    pub require_auth: AuthMethods,
    /// What the session has to be like. Default [`TargetSession::Any`].
    pub target_session: TargetSession,
    /// In what order the hosts are tried. Default [`LoadBalance::Disable`].
    pub load_balance: LoadBalance,
    /// Longest wait for one host: resolving its name, connecting, TLS and authentication. Default 5 s. libpq waits
    /// for ever unless told otherwise; nothing here does.
    pub connect_timeout: Duration,
    /// What a connection may do, and for how long.
    pub connection: Options,
    /// Bounds of the pool of connections that a [`Postgres`](super::Postgres) has.
    pub pool: PoolConfig,
    passfile: PassFile,
}

impl Config {
    /// Reads a connection string, a URL or keys with values, as
    /// [libpq does](https://www.postgresql.org/docs/17/libpq-connect.html#LIBPQ-CONNSTRING):
    ///
    /// * `postgres://[user[:password]@][host[:port][,…]][/database][?key=value[&…]]`, also `postgresql://`, all parts
    ///   percent-decoded; a host that begins with `/` (`%2Frun%2Fpostgresql`) is the folder of a Unix socket;
    /// * `host=… port=… user=… password='two words' …`.
    ///
    /// What it does not give comes from the `PG*` variables, and then from the files in the home folder; see
    /// [`Environment`]. The keys are libpq's: `host`, `hostaddr`, `port`, `dbname`, `user`, `password`, `passfile`,
    /// `application_name`, `options`, `connect_timeout`, `target_session_attrs`, `load_balance_hosts`, `sslmode`,
    /// `sslnegotiation`, `sslrootcert`, `sslcert`, `sslkey`, `channel_binding`, `require_auth`. Others that
    /// libpq knows are errors that say what to do instead: to pass over one would be to do something else than was asked.
    ///
    /// Files are read here, once: call it at start.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse_in(text, &Environment::of_process())
    }

    /// As [`parse`](Self::parse), with other surroundings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting.
    pub fn parse_in(text: &str, environment: &Environment) -> Result<Config, ConfigError> {
        build::build(text::parse(text)?, environment)
    }

    /// What the `PG*` variables say.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting.
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::parse("")
    }

    /// The password for one of the hosts.
    pub(super) fn password_for(&self, host: &Host) -> Option<Secret> {
        self.password
            .clone()
            .or_else(|| self.passfile.find(&host.passfile_name(), host.port, &self.database, &self.user))
    }

    /// Why the password file gave none, if it is there.
    pub(super) fn passfile_refusal(&self) -> Option<String> {
        self.passfile.refusal()
    }
}
