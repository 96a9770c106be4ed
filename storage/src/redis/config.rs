//! Where the server is, and what a client may cost.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::proto::Limits;
pub use crate::secret::Secret;

/// One server's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A host, by name or address, and a port.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => path.display().fmt(f),
        }
    }
}

/// What kind of deployment the endpoints belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topology {
    /// One server.
    Single,
    /// A cluster; the endpoints are some of its nodes.
    Cluster,
    /// Sentinels, which know where the primary of a service is.
    Sentinel {
        /// The name the sentinels have for it.
        service: String,
    },
}

/// Which version of the protocol to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RESP3, or RESP2 with a server that does not know it (before Redis 6).
    #[default]
    Best,
    /// RESP2.
    Resp2,
}

/// Who is asked by commands that only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// The primary: what was written is read.
    #[default]
    Primary,
    /// A replica, each in its turn; the primary if there is none or it cannot answer. What was written a moment ago may not
    /// be there yet.
    Replica,
}

/// All that a client is told. Made from a [URL](Config::from_url), then changed field by field.
///
/// ```
/// use corelane_storage::redis::Config;
/// use std::time::Duration;
///
/// let mut config = Config::from_url("redis://app:secret@10.0.0.5:6380/2")?;
/// config.deadline = Duration::from_millis(250);
/// assert_eq!(config.database, 2);
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), corelane_storage::redis::UrlError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The server, or the first ones to ask. Never empty.
    pub endpoints: Vec<Endpoint>,
    /// What they are.
    pub topology: Topology,
    /// TLS was asked for (`rediss://`).
    pub tls: bool,
    /// With TLS: certificates to trust, as PEM, instead of the system's. Default: the system's.
    pub tls_roots: Option<Vec<u8>>,
    /// User of the access control list; `None` is the default user.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// User of the sentinels; `None` is their default user.
    pub sentinel_username: Option<String>,
    /// Password of the sentinels. Default none: `password` is for the servers they watch over.
    pub sentinel_password: Option<Secret>,
    /// Database to select. Default 0.
    pub database: u32,
    /// Name shown in `CLIENT LIST`. Default `corelane`.
    pub client_name: Option<String>,
    /// Protocol version. Default [`Protocol::Best`].
    pub protocol: Protocol,
    /// Longest wait for a reply, from when the command is first polled. Default 5 s: far above any
    /// healthy reply, below what people wait for a page. Lower it for a cache.
    pub deadline: Duration,
    /// Longest wait for a connection, handshake included. Default 5 s.
    pub connect_timeout: Duration,
    /// Longest silence of a server that owes replies; then the connection is given up. Default 10 s,
    /// above [`deadline`](Self::deadline): a slow command should fail alone, a dead peer takes the connection with it.
    pub silence_max: Duration,
    /// Commands sent and not answered, per connection. Default 8,192. Further ones wait.
    pub in_flight_max: usize,
    /// Bytes of commands not yet taken by the kernel, per connection. Default 4 MiB. Further
    /// commands wait; a single one may be larger.
    pub queued_bytes_max: usize,
    /// Commands that wait for room or for the connection. Default 10,000. Further ones fail at once.
    pub waiting_max: usize,
    /// Connections of their own for blocking commands and watched transactions, per core and server. Default 16.
    pub exclusive_max: usize,
    /// Channels and patterns that one [subscriber](super::Redis::subscriber) may have. Default 100,000. Further ones are
    /// refused.
    pub topics_max: usize,
    /// Messages of a subscriber that nobody has taken yet. Default 10,000. Then the oldest go, which is told.
    pub messages_max: usize,
    /// Bytes of those messages. Default 16 MiB; one message alone may be larger. Then the oldest go, which is told.
    pub messages_bytes_max: usize,
    /// Who is asked by commands that only read, in a cluster and behind sentinels. Default [`ReadFrom::Primary`].
    pub read_from: ReadFrom,
    /// How often a command follows a redirection of a cluster, or is sent again because the cluster says "not now". Default
    /// 8: a healthy cluster needs one, two while it moves slots.
    pub redirects_max: u32,
    /// In a cluster or behind sentinels: where a server is reached, by what it calls itself. For servers that announce
    /// addresses of a network the client is not in. Default empty.
    pub address_map: HashMap<Endpoint, Endpoint>,
    /// Bounds of one reply.
    pub reply_limits: Limits,
}

impl Config {
    /// The defaults, for these endpoints.
    pub(super) fn new(endpoints: Vec<Endpoint>, topology: Topology) -> Config {
        Config {
            endpoints,
            topology,
            tls: false,
            tls_roots: None,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            database: 0,
            client_name: Some("corelane".to_owned()),
            protocol: Protocol::Best,
            deadline: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            silence_max: Duration::from_secs(10),
            in_flight_max: 8 * 1024,
            queued_bytes_max: 4 * 1024 * 1024,
            waiting_max: 10_000,
            exclusive_max: 16,
            topics_max: 100_000,
            messages_max: 10_000,
            messages_bytes_max: 16 * 1024 * 1024,
            read_from: ReadFrom::Primary,
            redirects_max: 8,
            address_map: HashMap::new(),
            reply_limits: Limits::default(),
        }
    }

    /// Reads a URL:
    ///
    /// | form | what |
    /// | --- | --- |
    /// | `redis://[user[:password]@]host[:port][/database]` | one server; `rediss://` for TLS |
    /// | `redis+unix:///path/to/socket?db=N` | a Unix socket |
    /// | `redis-cluster://host[:port],host[:port]…` | a cluster, by some of its nodes; `rediss-cluster://` for TLS |
    /// | `redis-sentinel://host[:port],…/service[/database]` | a primary, found by sentinels; `rediss-sentinel://` for TLS |
    ///
    /// A password without a user is `redis://:password@host`. User and password are percent-decoded. Parameters: `db`,
    /// `client_name`, `protocol` (2 or 3), `read_from` (`primary` or `replica`). Ports default to 6379, those of sentinels to 26379.
    ///
    /// # Errors
    /// [`UrlError`](super::UrlError) that says which part is wrong; unknown schemes and parameters are errors.
    pub fn from_url(url: &str) -> Result<Config, super::url::UrlError> {
        super::url::parse(url)
    }
}
