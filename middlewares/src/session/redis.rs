//! Sessions in Redis.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use corelane_storage::redis::commands::Script;
use corelane_storage::redis::{Pipeline, Redis, RedisError, cmd};

use super::store::{Saved, SessionStore, StoreError, StoreKey, Stored, millis_of};

/// What keys begin with, unless said otherwise.
pub const REDIS_PREFIX: &str = "session:";

/// Bytes in front of a session's data: its version, most significant byte first.
const VERSION_BYTES: usize = 8;

/// Writes only over the version that was read. `ARGV`: that version, or nothing for a new session; what to write, version
/// in front; how long to keep it, in milliseconds.
const SAVE: &str = "local found = redis.call('GETRANGE', KEYS[1], 0, 7) \
    if found ~= ARGV[1] then if found == '' then return 'gone' else return 'conflict' end end \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 'done'";

/// Sessions in Redis: found from every core and every process, and there after a restart.
///
/// Made on each core, in the factory, of the core's client:
///
/// ```no_run
/// use corelane_http::app::App;
/// use corelane_middlewares::session::{RedisStore, Sessions};
/// use corelane_storage::redis::{Config, Redis};
///
/// let config = Config::from_url("redis://127.0.0.1:6379/0").expect("a Redis URL");
/// let factory = move || {
///     let redis = Redis::lazy(config.clone()).expect("one server");
///     App::new().with(Sessions::new(RedisStore::new(redis)))
/// };
/// # let _ = factory;
/// ```
///
/// One string a session, under [`REDIS_PREFIX`] and the [`StoreKey`]; Redis removes it when its time is up. Loading is one round trip, and so is saving,
/// by a script. Give Redis a `maxmemory` and an eviction policy of the `volatile` kind: at its bound, sessions that were
/// not used for long go.
///
/// While Redis is away a request that needs its session is answered with 503, at once. What Redis had and has not
/// written to its disk is gone when it is killed; those clients have no session then.
///
/// With [`ReadFrom::Replica`](corelane_storage::redis::ReadFrom) sessions are read from primaries all the same: what was
/// saved a moment ago has to be found.
#[derive(Clone)]
pub struct RedisStore {
    redis: Redis,
    prefix: Rc<str>,
    save: Rc<Script>,
}

impl RedisStore {
    /// A store in the database of this client.
    pub fn new(redis: Redis) -> RedisStore {
        RedisStore { redis, prefix: REDIS_PREFIX.into(), save: Rc::new(Script::new(SAVE)) }
    }

    /// What keys begin with ([`REDIS_PREFIX`]), where several applications share a database.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> RedisStore {
        self.prefix = prefix.into();
        self
    }

    fn key(&self, key: &StoreKey) -> String {
        format!("{}{key}", self.prefix)
    }
}

fn failed(error: RedisError) -> StoreError {
    StoreError::new(error)
}

impl SessionStore for RedisStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let key = self.key(key);
        let mut pipeline = Pipeline::new();
        // Not marked as reads, which could go to a replica that lags behind.
        pipeline.push(cmd("GET").key(&key));
        pipeline.push(cmd("PTTL").key(&key));
        let (value, ttl): (Option<Bytes>, i64) = self.redis.pipeline(pipeline).to().await.map_err(failed)?;
        let Some(value) = value else { return Ok(None) };
        let expires_in = match ttl {
            // It has expired in between.
            -2 => return Ok(None),
            // Somebody has taken its time away, by `PERSIST`.
            -1 => Duration::MAX,
            ttl => Duration::from_millis(u64::try_from(ttl).unwrap_or(0)),
        };
        match value.split_first_chunk::<VERSION_BYTES>() {
            Some((version, data)) => {
                Ok(Some(Stored::new(data.to_vec(), u64::from_be_bytes(*version), expires_in)))
            }
            None => Err(StoreError::new(Malformed { key })),
        }
    }

    async fn save(
        &self,
        key: &StoreKey,
        data: Vec<u8>,
        version: Option<u64>,
        ttl: Duration,
    ) -> Result<Saved, StoreError> {
        let found = version.map_or_else(Vec::new, |version| version.to_be_bytes().to_vec());
        let next = version.map_or(0, |version| version.wrapping_add(1));
        let mut value = Vec::with_capacity(VERSION_BYTES + data.len());
        value.extend_from_slice(&next.to_be_bytes());
        value.extend_from_slice(&data);
        let args = [found, value, millis_of(ttl).to_string().into_bytes()];
        let saved: String = self.redis.script(&self.save, [self.key(key)], args).await.map_err(failed)?;
        Ok(match saved.as_str() {
            "done" => Saved::Done,
            "gone" => Saved::Gone,
            _ => Saved::Conflict,
        })
    }

    async fn touch(&self, key: &StoreKey, ttl: Duration) -> Result<bool, StoreError> {
        let ttl = Duration::from_millis(millis_of(ttl));
        self.redis.expire(self.key(key), ttl).await.map_err(failed)
    }

    async fn delete(&self, key: &StoreKey) -> Result<(), StoreError> {
        self.redis.del(self.key(key)).to::<()>().await.map_err(failed)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("redis", &self.redis)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// What is under a session's key was not written by this.
#[derive(Debug)]
struct Malformed {
    key: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the value of the Redis key {} is no session: does another program use this prefix?",
            self.key
        )
    }
}

impl std::error::Error for Malformed {}
