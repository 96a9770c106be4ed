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
mod cluster;
pub mod commands;
mod config;
mod error;
mod exclusive;
mod finder;
mod flight;
mod keep;
mod mux;
mod node;
mod pipeline;
mod pool;
pub mod pubsub;
mod sentinel;
mod stats;
pub mod tracking;
mod transaction;
mod transport;
mod url;

use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime::buf::LocalBoxFuture;
use corelane_runtime::time;
use corelane_storage_proto::resp as proto;

pub use self::call::Call;
pub use self::config::{Config, Endpoint, Protocol, ReadFrom, Secret, Topology};
pub use self::error::RedisError;
pub use self::pipeline::Pipeline;
pub use self::proto::{Command, ConvertError, ErrorReply, FromReply, Limits, ToArg, Value};
pub use self::stats::{LATENCY_BUCKETS, Stats};
pub use self::transaction::{WATCH_ATTEMPTS, Watched};
pub use self::url::UrlError;

use self::cluster::{Cluster, Member};
use self::error::Kind;
use self::exclusive::{Exclusive, Target};
use self::flight::Outcome;
use self::mux::{Depth, Request};
use self::node::Node;
use self::pool::Pool;
use self::sentinel::{Sentinels, Wanted, Watch};
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
    config: Rc<Config>,
    servers: Servers,
}

/// What a client is connected to.
enum Servers {
    /// One, which may be another one after a failover.
    One {
        node: Node,
        pool: Rc<Pool>,
        sentinel: Option<Sentinel>,
    },
    Cluster(Rc<Cluster>),
}

/// What comes with sentinels.
struct Sentinel {
    /// For commands that only read, if that was asked for.
    replica: Option<Node>,
    _watch: Watch,
}

/// The way of a request.
enum Route<'a> {
    /// The only shared connection there is.
    Node(&'a Node),
    /// The shared connection to one server of a cluster.
    Member(Rc<Member>),
    /// One that takes more than one step.
    Boxed(LocalBoxFuture<'a, Result<Value, RedisError>>),
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
        let (config, encryption) = Redis::check(config)?;
        let unavailable = |cause| RedisError::new(Kind::Unavailable(cause));
        let servers = match config.topology {
            Topology::Single => {
                let target = Target::first(&config, &encryption);
                let ready = target.open().await.map_err(unavailable)?;
                Servers::one(target, Some(ready))
            }
            Topology::Sentinel { .. } => {
                let sentinels = Sentinels::new(Rc::clone(&config), encryption);
                let ready = sentinels.open(Wanted::Primary).await.map_err(unavailable)?;
                Servers::watched(&sentinels, Some(ready))
            }
            Topology::Cluster => {
                let cluster = Cluster::connect(Rc::clone(&config), encryption).await;
                Servers::Cluster(Rc::new(cluster.map_err(unavailable)?))
            }
        };
        Ok(Redis { inner: Rc::new(Inner { config, servers }) })
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
        let (config, encryption) = Redis::check(config)?;
        let servers = match config.topology {
            Topology::Single => Servers::one(Target::first(&config, &encryption), None),
            Topology::Cluster => Servers::Cluster(Rc::new(Cluster::lazy(Rc::clone(&config), encryption))),
            Topology::Sentinel { .. } => {
                Servers::watched(&Sentinels::new(Rc::clone(&config), encryption), None)
            }
        };
        Ok(Redis { inner: Rc::new(Inner { config, servers }) })
    }

    fn check(config: Config) -> Result<(Rc<Config>, Encryption), RedisError> {
        if config.endpoints.is_empty() {
            return Err(RedisError::new(Kind::Misuse("the configuration names no endpoint")));
        }
        if config.topology == Topology::Cluster && config.database != 0 {
            return Err(RedisError::new(Kind::Misuse("a cluster has only database 0")));
        }
        let encryption = Encryption::new(&config).map_err(|what| RedisError::new(Kind::Settings(what)))?;
        Ok((Rc::new(config), encryption))
    }

    /// Sends a command; its reply becomes what the caller asks for.
    #[inline]
    pub fn run<T: FromReply>(&self, command: Command) -> Call<'_, T> {
        Call::new(self, Request::One(command))
    }

    /// Sends a command to every primary of a cluster, or to the only server there is: `CONFIG SET`, `INFO`. Gives each one's
    /// reply.
    ///
    /// # Errors
    /// The first failure among them, as of a [`Call`]. Other servers may have executed it.
    ///
    /// # Cancellation
    /// May be dropped at any time; any of the servers may have executed it.
    pub async fn each_primary<T: FromReply>(
        &self,
        command: Command,
    ) -> Result<Vec<(Endpoint, T)>, RedisError> {
        let Some(cluster) = self.cluster() else {
            let endpoint = self.config().endpoints[0].clone();
            return Ok(vec![(endpoint, self.run(command).await?)]);
        };
        let replies = cluster.on_each(&command, time::now() + self.config().deadline).await?;
        let each = replies.into_iter().map(|(member, reply)| match reply {
            Value::Error(error) => Err(RedisError::new(Kind::Server(error))),
            reply => Ok((member.endpoint().clone(), T::from_reply(reply)?)),
        });
        each.collect()
    }

    /// What this client has done, with all servers together.
    pub fn stats(&self) -> Stats {
        match &self.inner.servers {
            Servers::One { node, sentinel, .. } => {
                let mut stats = node.stats();
                if let Some(Sentinel { replica: Some(replica), .. }) = sentinel {
                    stats.add(&replica.stats());
                }
                stats
            }
            Servers::Cluster(cluster) => cluster.stats(),
        }
    }

    /// Replies that are owed by the server, those that nobody waits for any more included.
    pub fn in_flight(&self) -> usize {
        self.depth().in_flight
    }

    /// Commands that wait for room or for the connection.
    pub fn waiting(&self) -> usize {
        self.depth().waiting
    }

    /// Bytes of commands that the kernel has not taken.
    pub fn queued_bytes(&self) -> usize {
        self.depth().queued_bytes
    }

    fn depth(&self) -> Depth {
        match &self.inner.servers {
            Servers::One { node, .. } => node.depth(),
            Servers::Cluster(cluster) => cluster.depth(),
        }
    }

    /// True if there is a connection, as far as is known; in a cluster, to every server that was used so far.
    pub fn is_connected(&self) -> bool {
        match &self.inner.servers {
            Servers::One { node, .. } => node.is_up(),
            Servers::Cluster(cluster) => cluster.is_connected(),
        }
    }

    fn config(&self) -> &Config {
        &self.inner.config
    }

    fn cluster(&self) -> Option<&Cluster> {
        match &self.inner.servers {
            Servers::Cluster(cluster) => Some(cluster),
            Servers::One { .. } => None,
        }
    }

    /// Where a connection for other uses is to go: to some server, found anew each time if there are several.
    fn target(&self) -> Target {
        match &self.inner.servers {
            Servers::One { node, .. } => node.target().clone(),
            Servers::Cluster(cluster) => cluster.target(None),
        }
    }

    /// The way of a request.
    #[inline]
    fn route(&self, request: &Request, patience: Duration, deadline: Instant) -> Route<'_> {
        if request.commands().is_empty() {
            return Route::Boxed(LocalBoxFuture::new(async { Ok(Value::Array(Vec::new())) }));
        }
        match &self.inner.servers {
            Servers::One { node, sentinel, .. } => {
                if let Some(Sentinel { replica: Some(replica), .. }) = sentinel
                    && request.commands().iter().all(Command::is_read_only)
                {
                    return Route::Boxed(LocalBoxFuture::new(read(replica, node, request.clone(), deadline)));
                }
                if request.commands().iter().any(Command::is_blocking) {
                    return Route::Boxed(LocalBoxFuture::new(exclusively(self, request.clone(), patience)));
                }
                Route::Node(node)
            }
            Servers::Cluster(cluster) => self.route_in(cluster, request, patience, deadline),
        }
    }

    fn route_in<'a>(
        &'a self,
        cluster: &'a Cluster,
        request: &Request,
        patience: Duration,
        deadline: Instant,
    ) -> Route<'a> {
        if request.commands().iter().any(Command::is_blocking) {
            return Route::Boxed(LocalBoxFuture::new(exclusively(self, request.clone(), patience)));
        }
        if let Request::One(command) = request
            && let Some(member) = cluster.direct(command)
        {
            return Route::Member(member);
        }
        let request = request.clone();
        Route::Boxed(LocalBoxFuture::new(async move { cluster.request(&request, deadline).await }))
    }
}

/// Asks a replica, and the primary if that one cannot answer.
async fn read(replica: &Node, primary: &Node, request: Request, deadline: Instant) -> Outcome {
    let outcome = flight::one(replica.clone(), request.clone(), deadline).await;
    let is_of_use = match &outcome {
        Ok(Value::Error(error)) => !matches!(error.code(), "LOADING" | "MASTERDOWN"),
        Ok(_) => true,
        Err(error) => error.is_deadline(),
    };
    if is_of_use { outcome } else { flight::one(primary.clone(), request, deadline).await }
}

impl Servers {
    fn one(target: Target, ready: Option<Exclusive>) -> Servers {
        let pool = Pool::new(target.clone());
        Servers::One { node: Node::start(target, ready), pool, sentinel: None }
    }

    fn watched(sentinels: &Rc<Sentinels>, ready: Option<Exclusive>) -> Servers {
        let target = sentinels.target(Wanted::Primary);
        let wants_replica = target.config.read_from == ReadFrom::Replica;
        let replica = wants_replica.then(|| Node::start(sentinels.target(Wanted::Replica), None));
        let (pool, node) = (Pool::new(target.clone()), Node::start(target, ready));
        let watch = Watch::start(Rc::clone(sentinels), node.clone(), Rc::clone(&pool));
        Servers::One { node, pool, sentinel: Some(Sentinel { replica, _watch: watch }) }
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let endpoints: Vec<String> = self.config().endpoints.iter().map(Endpoint::to_string).collect();
        f.debug_struct("Redis")
            .field("endpoints", &endpoints)
            .field("connected", &self.is_connected())
            .finish()
    }
}
