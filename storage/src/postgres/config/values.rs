//! The values that settings may have.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::build::DEFAULT_SOCKET_FOLDER;
use super::error::ConfigError;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Host {
    /// Where it is.
    pub name: HostName,
    /// Its port; part of the name of a Unix socket. Default 5432.
    pub port: u16,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostName {
    /// Reached by TCP.
    Tcp {
        /// A name or an address: what the certificate has to be for.
        name: String,
        /// Where to connect, if the name is not to be resolved (`hostaddr`).
        address: Option<IpAddr>,
    },
    /// Reached by the socket `.s.PGSQL.<port>` in this folder.
    Unix(PathBuf),
}

impl Host {
    /// A server by name or address.
    pub fn tcp(name: impl Into<String>, port: u16) -> Host {
        Host { name: HostName::Tcp { name: name.into(), address: None }, port }
    }

    /// A server by the folder of its Unix socket.
    pub fn unix(folder: impl Into<PathBuf>, port: u16) -> Host {
        Host { name: HostName::Unix(folder.into()), port }
    }

    /// The path of the socket, or `None` for TCP.
    pub(in crate::postgres) fn socket(&self) -> Option<PathBuf> {
        match &self.name {
            HostName::Unix(folder) => Some(folder.join(format!(".s.PGSQL.{}", self.port))),
            HostName::Tcp { .. } => None,
        }
    }

    /// How the password file names it: the default socket is `localhost` there.
    pub(super) fn passfile_name(&self) -> String {
        match &self.name {
            HostName::Tcp { name, .. } => name.clone(),
            HostName::Unix(folder) if folder == Path::new(DEFAULT_SOCKET_FOLDER) => "localhost".to_owned(),
            HostName::Unix(folder) => folder.display().to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            HostName::Tcp { name, .. } if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            HostName::Tcp { name, .. } => write!(f, "{name}:{}", self.port),
            HostName::Unix(folder) => write!(f, "{}/.s.PGSQL.{}", folder.display(), self.port),
        }
    }
}

macro_rules! words {
    (
        $(#[$doc:meta])* $name:ident, $key:literal, $($(#[$attribute:meta])* $variant:ident = $word:literal),+ $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub enum $name {
            $($(#[$attribute])* $variant),+
        }

        impl $name {
            pub(super) fn from_word(word: &str) -> Result<$name, ConfigError> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(ConfigError::new(
                        $key,
                        concat!("is none of", $(" ", $word),+),
                    )),
                }
            }
        }
    };
}

words! {
    /// Whether the connection is encrypted, and how much is checked
    /// ([libpq's table](https://www.postgresql.org/docs/17/libpq-ssl.html#LIBPQ-SSL-PROTECTION)). Only the last two
    /// keep out somebody who is in between.
    SslMode, "sslmode",
    /// Never encrypted.
    Disable = "disable",
    /// Encrypted if the server refuses otherwise.
    Allow = "allow",
    /// Encrypted if the server can. Without the feature `tls`: not encrypted.
    #[default]
    Prefer = "prefer",
    /// Encrypted, with whoever is there. With a file of roots its chain is checked, as in `VerifyCa`.
    Require = "require",
    /// Encrypted, and the certificate leads to a trusted root. The roots have to be given: anybody
    /// gets a certificate that leads to one of the system's.
    VerifyCa = "verify-ca",
    /// And it is for the host that was asked for.
    VerifyFull = "verify-full",
}

words! {
    /// How TLS begins.
    SslNegotiation, "sslnegotiation",
    /// By PostgreSQL's own request. Every server knows it.
    #[default]
    Postgres = "postgres",
    /// At once, with the application protocol `postgresql`: a round trip less, and proxies understand it. From
    /// PostgreSQL 17 on; needs [`SslMode::Require`] at least.
    Direct = "direct",
}

words! {
    /// Whether SCRAM is bound to the TLS connection, so that nobody in between can pass it on.
    ChannelBinding, "channel_binding",
    /// Not.
    Disable = "disable",
    /// If the server offers it.
    #[default]
    Prefer = "prefer",
    /// Else the connection fails, whatever else the server asks for.
    Require = "require",
}

words! {
    /// What the session has to be like; hosts that are not are passed over.
    TargetSession, "target_session_attrs",
    /// As it comes.
    #[default]
    Any = "any",
    /// Writing is allowed: no standby, and not read-only by default.
    ReadWrite = "read-write",
    /// Writing is not allowed.
    ReadOnly = "read-only",
    /// No standby.
    Primary = "primary",
    /// A standby.
    Standby = "standby",
    /// A standby, or whatever there is if none is.
    PreferStandby = "prefer-standby",
}

words! {
    /// In what order hosts, and the addresses of a host, are tried.
    LoadBalance, "load_balance_hosts",
    /// As they are given.
    #[default]
    Disable = "disable",
    /// In a random one, anew for each connection.
    Random = "random",
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Roots {
    /// The system's.
    #[default]
    System,
    /// These, as PEM.
    Pem(Vec<u8>),
}

/// Methods of authentication (`require_auth`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthMethods {
    /// A bit per method.
    allowed: u8,
    /// `password` was named, not only not excluded.
    names_password: bool,
}

const METHODS: [(&str, u8); 4] = [("password", 1), ("md5", 2), ("scram-sha-256", 4), ("none", 8)];

impl AuthMethods {
    /// Reads libpq's list: names by comma, those allowed, or with `!` those refused. `password`, `md5`,
    /// `scram-sha-256`, and `none` for a server that asks for nothing (or for a certificate only).
    ///
    /// # Errors
    /// [`ConfigError`] of `require_auth`.
    pub fn parse(text: &str) -> Result<AuthMethods, ConfigError> {
        let wrong = |problem: &'static str| Err(ConfigError::new("require_auth", problem));
        let mut named = 0;
        let mut refuses = None;
        for word in text.split(',').map(str::trim) {
            let (word, refused) = match word.strip_prefix('!') {
                Some(word) => (word, true),
                None => (word, false),
            };
            if *refuses.get_or_insert(refused) != refused {
                return wrong("mixes methods with and without `!`");
            }
            match METHODS.iter().find(|(name, _)| *name == word) {
                Some((_, bit)) => named |= bit,
                // Never offered here, so to refuse them changes nothing.
                None if refused && matches!(word, "gss" | "sspi") => {}
                None => return wrong("has a method other than password, md5, scram-sha-256 and none"),
            }
        }
        Ok(match refuses {
            Some(true) => AuthMethods { allowed: 15 & !named, names_password: false },
            _ => AuthMethods { allowed: named, names_password: named & 1 != 0 },
        })
    }

    /// Whether a method, by its name here, is allowed.
    pub(in crate::postgres) fn allow(self, name: &str) -> bool {
        METHODS.iter().any(|(method, bit)| *method == name && self.allowed & bit != 0)
    }

    pub(in crate::postgres) fn names_password(self) -> bool {
        self.names_password
    }
}

impl Default for AuthMethods {
    /// All; clear text where nobody can listen.
    fn default() -> AuthMethods {
        AuthMethods { allowed: 15, names_password: false }
    }
}

impl fmt::Debug for AuthMethods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(METHODS.iter().filter(|(_, bit)| self.allowed & bit != 0).map(|(name, _)| name))
            .finish()
    }
}
