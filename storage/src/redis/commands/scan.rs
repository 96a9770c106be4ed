//! [`SCAN`](https://redis.io/docs/latest/commands/scan/) and its kin: all elements, a page at a time.

use std::marker::PhantomData;

use bytes::Bytes;
use corelane_runtime::time;

use crate::redis::cluster::Walk;
use crate::redis::proto::{Command, FromReply, ToArg, Value};
use crate::redis::{Redis, RedisError, cmd};

/// Goes through elements a page at a time. Made by [`Redis::scan`] and its kin.
///
/// In a cluster `SCAN` goes through one primary after the other. A slot that moves to another server in between may be
/// missed or come twice.
///
/// As Redis says: what is there from beginning to end comes at least once, what comes or goes in between may or
/// may not, and an element may come twice. Nothing is held on the server between pages.
///
/// ```no_run
/// # use corelane_storage::redis::{Redis, RedisError};
/// # async fn example(redis: Redis) -> Result<(), RedisError> {
/// let mut keys = redis.scan("session:*", 100);
/// while let Some(page) = keys.next().await? {
///     redis.unlink(page).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is asked for before `next`"]
pub struct Scan<'a, T> {
    redis: &'a Redis,
    /// Up to where the cursor goes.
    head: Command,
    tail: Command,
    cursor: u64,
    is_done: bool,
    /// In a cluster, for `SCAN`.
    walk: Option<Walk>,
    page: PhantomData<fn() -> T>,
}

impl<'a, T: FromReply> Scan<'a, T> {
    fn new(redis: &'a Redis, head: Command, pattern: &str, page: u32) -> Scan<'a, T> {
        let tail = Command::new("MATCH").arg(pattern).arg("COUNT").arg(page);
        Scan { redis, head, tail, cursor: 0, is_done: false, walk: None, page: PhantomData }
    }

    /// Goes through all primaries, if there are several.
    fn everywhere(mut self) -> Scan<'a, T> {
        self.walk = self.redis.cluster().map(|_| Walk::default());
        self
    }

    /// The next page, which may be empty; `None` after the last.
    ///
    /// # Errors
    /// As [`Call`](crate::redis::Call); the same page can be asked for again.
    ///
    /// # Cancellation
    /// May be dropped at any time: the next call asks for the same page.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, RedisError> {
        if self.is_done {
            return Ok(None);
        }
        if let (Some(walk), Some(cluster)) = (&mut self.walk, self.redis.cluster())
            && walk.turn(cluster, self.redis.config().deadline).await?
        {
            self.cursor = 0;
        }
        let mut command = self.head.clone();
        command.push(self.cursor.to_string().as_bytes());
        let command = command.append(&self.tail).read_only();
        let at = self.walk.as_ref().and_then(Walk::member);
        let (cursor, page): (u64, Value) = match (at, self.redis.cluster()) {
            (Some(member), Some(cluster)) => {
                let deadline = time::now() + self.redis.config().deadline;
                <(u64, Value)>::from_reply(cluster.on_member(member, command, deadline).await?)?
            }
            _ => self.redis.run(command).await?,
        };
        let page = Vec::<T>::from_reply(page)?;
        self.cursor = cursor;
        self.is_done = cursor == 0 && self.walk.as_mut().is_none_or(Walk::is_last);
        Ok(Some(page))
    }

    /// All elements. Holds them all at once: for what is known to be small.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Cancellation
    /// May be dropped at any time; what was read is lost.
    pub async fn all(mut self) -> Result<Vec<T>, RedisError> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}

/// # Scans
///
/// `pattern` is a [glob](https://redis.io/docs/latest/commands/keys/), `page` how much work the server does at a time:
/// about so many elements are looked at.
impl Redis {
    /// [`SCAN`](https://redis.io/docs/latest/commands/scan/): the keys of the database.
    pub fn scan(&self, pattern: &str, page: u32) -> Scan<'_, Bytes> {
        Scan::new(self, cmd("SCAN"), pattern, page).everywhere()
    }

    /// [`HSCAN`](https://redis.io/docs/latest/commands/hscan/): the fields of a hash and their values.
    pub fn hscan(&self, key: impl ToArg, pattern: &str, page: u32) -> Scan<'_, (Bytes, Bytes)> {
        Scan::new(self, cmd("HSCAN").key(key), pattern, page)
    }

    /// [`SSCAN`](https://redis.io/docs/latest/commands/sscan/): the members of a set.
    pub fn sscan(&self, key: impl ToArg, pattern: &str, page: u32) -> Scan<'_, Bytes> {
        Scan::new(self, cmd("SSCAN").key(key), pattern, page)
    }

    /// [`ZSCAN`](https://redis.io/docs/latest/commands/zscan/): the members of a sorted set and their scores.
    pub fn zscan(&self, key: impl ToArg, pattern: &str, page: u32) -> Scan<'_, (Bytes, f64)> {
        Scan::new(self, cmd("ZSCAN").key(key), pattern, page)
    }
}
