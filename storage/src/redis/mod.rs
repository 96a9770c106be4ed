//! A Redis client that belongs to a core.
//!
//! All callers of a core share one connection per server. Commands issued in one turn of the core leave in one
//! write, and their replies come back in one read: this pipelining needs no help from the caller. Commands that
//! keep a connection waiting (`BLPOP`) and transactions that watch keys take one of their own from a bounded pool.
//!
//! ```no_run
//! use corelane_storage::redis::{Redis, cmd};
//!
//! # async fn example() -> Result<(), corelane_storage::redis::RedisError> {
//! let redis = Redis::connect("redis://127.0.0.1:6379/0").await?;
//! redis.set("user:1:name", "Ada").await?;
//! let name: Option<bytes::Bytes> = redis.get("user:1:name").await?;
//! let visits: u64 = redis.incr("user:1:visits").to().await?;
//! let encoding: String = redis.run(cmd("OBJECT ENCODING").key("user:1:visits")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # When things go wrong
//!
//! | what happens | what a caller sees |
//! | --- | --- |
//! | the server answers with an error | that error, see [`RedisError::server`] |
//! | no reply by the deadline (5 s unless told) | [`is_deadline`](RedisError::is_deadline); the late reply is thrown away |
//! | the connection ends | a command that was not sent, or is read-only, is sent once more on the next one, unless this one had lasted for less than a second; others fail and say whether they [may have been executed](RedisError::is_maybe_executed) |
//! | the server cannot be reached | [`is_unavailable`](RedisError::is_unavailable), at once, until it is back |
//! | more commands than [`Config::in_flight_max`] | they wait, up to their deadline |
//! | more of those than [`Config::waiting_max`] | [`is_overloaded`](RedisError::is_overloaded), at once |
//! | the server sends what is no RESP | the connection ends; nobody gets a reply that may not be theirs |

mod call;
pub mod commands;
mod config;
mod error;
mod exclusive;
mod keep;
mod mux;
mod node;
mod pipeline;
mod pool;
pub mod pubsub;
mod stats;
mod transaction;
mod transport;
mod url;

use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::buf::LocalBoxFuture;
use corelane_storage_proto::resp as proto;

pub use self::call::Call;
pub use self::config::{Config, Endpoint, Protocol, Secret, Topology};
pub use self::error::RedisError;
pub use self::pipeline::Pipeline;
pub use self::proto::{Command, ConvertError, ErrorReply, FromReply, Limits, ToArg, Value};
pub use self::stats::{LATENCY_BUCKETS, Stats};
pub use self::transaction::{WATCH_ATTEMPTS, Watched};
pub use self::url::UrlError;

use self::error::Kind;
use self::exclusive::{Exclusive, Target};
use self::mux::Request;
use self::node::Node;
use self::pool::Pool;
use self::transaction::exclusively;
use self::transport::Encryption;

/// A command of this name, for [`Redis::run`].
pub fn cmd(name: &str) -> Command {
    Command::new(name)
}

/// A client. Clones share its connection; the last one closes it.
#[derive(Clone)]
pub struct Redis {
    inner: Rc<Inner>,
}

struct Inner {
    node: Node,
    pool: Rc<Pool>,
}

impl Redis {
    /// Connects to a [URL](Config::from_url).
    ///
    /// # Errors
    /// If the URL is wrong, or the server cannot be reached or refuses the handshake within
    /// [`Config::connect_timeout`].
    ///
    /// # Panics
    /// If the caller is not on a core.
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed.
    pub async fn connect(url: &str) -> Result<Redis, RedisError> {
        let config = Config::from_url(url).map_err(|error| RedisError::new(Kind::Url(error)))?;
        Redis::connect_with(config).await
    }

    /// Connects as `config` says.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancellation
    /// As [`connect`](Self::connect).
    pub async fn connect_with(config: Config) -> Result<Redis, RedisError> {
        let target = Redis::target(config)?;
        let ready = target.open().await.map_err(|cause| RedisError::new(Kind::Unavailable(cause)))?;
        Ok(Redis::start(target, Some(ready)))
    }

    /// A client that connects in the background, so that a program can start while its Redis is away.
    /// Commands wait for the first try to end; if it fails they fail at once until Redis is there.
    ///
    /// # Errors
    /// If the configuration asks for what there is not.
    ///
    /// # Panics
    /// If the caller is not on a core.
    pub fn lazy(config: Config) -> Result<Redis, RedisError> {
        Ok(Redis::start(Redis::target(config)?, None))
    }

    fn target(config: Config) -> Result<Target, RedisError> {
        if config.topology != Topology::Single {
            return Err(RedisError::new(Kind::Misuse("clusters and sentinels need a client of their own")));
        }
        let Some(endpoint) = config.endpoints.first().cloned() else {
            return Err(RedisError::new(Kind::Misuse("the configuration names no endpoint")));
        };
        let encryption = Encryption::new(&config).map_err(|what| RedisError::new(Kind::Settings(what)))?;
        Ok(Target { config: Rc::new(config), endpoint, encryption })
    }

    fn start(target: Target, ready: Option<Exclusive>) -> Redis {
        let pool = Pool::new(target.clone());
        Redis { inner: Rc::new(Inner { node: Node::start(target, ready), pool }) }
    }

    /// Sends a command; its reply becomes what the caller asks for.
    #[inline]
    pub fn run<T: FromReply>(&self, command: Command) -> Call<'_, T> {
        Call::new(self, Request::One(command))
    }

    /// What this client has done.
    pub fn stats(&self) -> Stats {
        self.inner.node.stats()
    }

    /// Replies that are owed by the server, those that nobody waits for any more included.
    pub fn in_flight(&self) -> usize {
        self.inner.node.depth().in_flight
    }

    /// Commands that wait for room or for the connection.
    pub fn waiting(&self) -> usize {
        self.inner.node.depth().waiting
    }

    /// Bytes of commands that the kernel has not taken.
    pub fn queued_bytes(&self) -> usize {
        self.inner.node.depth().queued_bytes
    }

    /// True if there is a connection, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.inner.node.is_up()
    }

    fn config(&self) -> &Config {
        &self.inner.node.target().config
    }

    #[inline]
    fn node(&self) -> &Node {
        &self.inner.node
    }

    /// The way of a request that does not simply go to the shared connection.
    fn route(
        &self,
        request: &Request,
        patience: Duration,
    ) -> Option<LocalBoxFuture<'_, Result<Value, RedisError>>> {
        if !request.commands().iter().any(Command::is_blocking) {
            return None;
        }
        Some(LocalBoxFuture::new(exclusively(self, request.clone(), patience)))
    }

    fn pool(&self) -> &Rc<Pool> {
        &self.inner.pool
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let endpoint = self.node().target().endpoint.to_string();
        f.debug_struct("Redis").field("endpoint", &endpoint).field("connected", &self.is_connected()).finish()
    }
}
