//! [Client-side caching](https://redis.io/docs/latest/develop/use/client-side-caching/): the server tells which
//! keys have changed, so that values may be kept in the process.
//!
//! ```no_run
//! use corelane_storage::redis::tracking::{Invalidation, Tracking};
//! # use corelane_storage::redis::{Redis, RedisError};
//! # async fn example(redis: Redis) -> Result<(), RedisError> {
//! let mut invalidations = redis.track(Tracking::prefixes(["user:"])).await?;
//! loop {
//!     match invalidations.next().await {
//!         Invalidation::Keys(keys) => println!("forget {keys:?}"),
//!         Invalidation::All => println!("forget everything"),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! # What is promised
//!
//! Once a key of which a value was read has changed, [`Invalidations`] says so, or says [`Invalidation::All`]: when
//! the connection is lost, when the server's databases are flushed, and when more keys wait than [`KEYS_MAX`]. After a
//! reconnect the server is told to track before any command is sent, so that nothing falls in between.
//!
//! A reply and the invalidation of its key may come in the same turn. Who keeps values notes that a key is being read before
//! the command is sent, and forgets this note when the key is invalidated; a value whose note is gone is not kept.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;

use super::config::Protocol;
use super::error::{Kind, RedisError};
use super::node::Node;
use super::proto::{Command, ToArg, Value};
use super::{Redis, Servers, cmd};

/// Keys that wait to be taken. Then all are forgotten, which is always right.
pub const KEYS_MAX: usize = 10_000;

/// Bytes of those keys (1 MiB).
pub const KEYS_BYTES_MAX: usize = 1 << 20;

/// Which keys the server is to tell of.
#[derive(Debug, Clone)]
#[must_use = "give it to `Redis::track`"]
pub struct Tracking {
    command: Command,
}

impl Tracking {
    /// Every key that this client reads: the server remembers them.
    pub fn reads() -> Tracking {
        Tracking { command: cmd("CLIENT TRACKING").arg("ON") }
    }

    /// Every key that begins with one of these, whether it was read or not (`BCAST`): the server remembers nothing. The
    /// prefixes must not begin with one another.
    pub fn prefixes(prefixes: impl IntoIterator<Item = impl ToArg>) -> Tracking {
        let command = cmd("CLIENT TRACKING").arg(("ON", "BCAST"));
        Tracking {
            command: prefixes.into_iter().fold(command, |command, prefix| command.arg(("PREFIX", prefix))),
        }
    }

    /// Not of changes that this client makes itself (`NOLOOP`).
    pub fn no_loop(mut self) -> Tracking {
        self.command.push(b"NOLOOP");
        self
    }
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation {
    /// These keys, since the last time.
    Keys(Vec<Bytes>),
    /// Perhaps every key.
    All,
}

/// Which keys have changed. Dropping it ends the tracking.
///
/// It is also a [`Stream`], which never ends.
#[must_use = "dropping it ends the tracking"]
pub struct Invalidations {
    node: Node,
}

impl Redis {
    /// Has the server tell which keys have changed, for as long as the [`Invalidations`] live. It needs RESP3, and
    /// concerns what is read over the shared connection: all but blocking commands and the reads of a `watch`.
    ///
    /// # Errors
    /// As [`Call`](super::Call); also if this client is being told already, speaks RESP2, or is one of a cluster.
    ///
    /// # Cancellation
    /// May be dropped at any time; nothing is tracked then.
    pub async fn track(&self, tracking: Tracking) -> Result<Invalidations, RedisError> {
        if self.config().protocol == Protocol::Resp2 {
            return Err(RedisError::new(Kind::Misuse(
                "tracking needs RESP3: the configuration asks for RESP2",
            )));
        }
        let Servers::One { node, .. } = &self.inner.servers else {
            return Err(RedisError::new(Kind::Misuse(
                "tracking works with single servers only: each node of a cluster would have to be told",
            )));
        };
        let node = node.clone();
        if !node.tracked(|pushes| pushes.begin(&tracking.command)) {
            return Err(RedisError::new(Kind::Misuse(
                "this client tracks keys already: drop the other stream first",
            )));
        }
        // From here on a reconnect tracks as well, and a drop ends it.
        let invalidations = Invalidations { node };
        self.run::<()>(tracking.command).await?;
        Ok(invalidations)
    }
}

impl Invalidations {
    /// What has changed since the last time. Waits if nothing has.
    ///
    /// # Cancellation
    /// May be dropped at any time: nothing is lost.
    pub async fn next(&mut self) -> Invalidation {
        poll_fn(|cx| self.node.tracked(|pushes| pushes.poll(cx))).await
    }
}

impl Stream for Invalidations {
    type Item = Invalidation;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Invalidation>> {
        self.node.tracked(|pushes| pushes.poll(cx)).map(Some)
    }
}

impl Drop for Invalidations {
    fn drop(&mut self) {
        self.node.tracked(Pushes::end);
        self.node.send_and_forget(cmd("CLIENT TRACKING").arg("OFF"));
    }
}

impl std::fmt::Debug for Invalidations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invalidations").finish_non_exhaustive()
    }
}

/// Where pushes of a shared connection go.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    /// What has the server track, while somebody listens.
    command: Option<Command>,
    keys: VecDeque<Bytes>,
    /// Of those keys.
    bytes: usize,
    /// All keys, instead of those in the queue.
    all: bool,
    waker: Option<Waker>,
}

impl Pushes {
    /// False if somebody listens already.
    fn begin(&mut self, command: &Command) -> bool {
        if self.command.is_some() {
            return false;
        }
        *self = Pushes { command: Some(command.clone()), ..Pushes::default() };
        true
    }

    fn end(&mut self) {
        *self = Pushes::default();
    }

    /// What a new connection has to send first.
    pub(super) fn command(&self) -> Option<Command> {
        self.command.clone()
    }

    /// Takes a push; false if it is for nobody. Whom to wake is added to `wakes`.
    pub(super) fn take(&mut self, items: Vec<Value>, wakes: &mut Vec<Waker>) -> bool {
        let mut items = items.into_iter();
        let is_invalidation = items.next().is_some_and(|kind| kind.as_bytes() == Some(b"invalidate"));
        if !is_invalidation || self.command.is_none() {
            return false;
        }
        match items.next() {
            Some(Value::Array(keys)) => {
                keys.into_iter().filter_map(|key| key.into_bytes().ok()).for_each(|key| {
                    self.bytes += key.len();
                    self.keys.push_back(key);
                })
            }
            // Null when a database was flushed; anything else is best understood like that too.
            _ => self.all = true,
        }
        if self.all || self.keys.len() > KEYS_MAX || self.bytes > KEYS_BYTES_MAX {
            self.forget_all();
        }
        wakes.extend(self.waker.take());
        true
    }

    fn forget_all(&mut self) {
        self.all = true;
        self.keys = VecDeque::new();
        self.bytes = 0;
    }

    /// The connection is over: what changes now is not told.
    pub(super) fn on_lost(&mut self, wakes: &mut Vec<Waker>) {
        if self.command.is_some() {
            self.forget_all();
            wakes.extend(self.waker.take());
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Invalidation> {
        if std::mem::take(&mut self.all) {
            return Poll::Ready(Invalidation::All);
        }
        if self.keys.is_empty() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.bytes = 0;
        Poll::Ready(Invalidation::Keys(std::mem::take(&mut self.keys).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalidate(keys: Value) -> Vec<Value> {
        vec!["invalidate".into(), keys]
    }

    fn next(pushes: &mut Pushes) -> Option<Invalidation> {
        match pushes.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(invalidation) => Some(invalidation),
            Poll::Pending => None,
        }
    }

    #[test]
    fn keys_are_told_once_and_all_when_in_doubt() {
        let keys = |keys: &[&'static str]| Value::Array(keys.iter().map(|key| Value::from(*key)).collect());
        let many = |count| Value::Array(vec!["key".into(); count]);
        let large = Value::Array(vec![Value::Bulk(vec![b'x'; KEYS_BYTES_MAX + 1].into())]);
        let told =
            |keys: &[&'static str]| Some(Invalidation::Keys(keys.iter().map(|key| (*key).into()).collect()));
        let mut wakes = Vec::new();
        for (why, pushed, want) in [
            ("one", vec![keys(&["a"])], told(&["a"])),
            ("several pushes", vec![keys(&["a"]), keys(&["b", "c"])], told(&["a", "b", "c"])),
            ("a flush", vec![keys(&["a"]), Value::Null], Some(Invalidation::All)),
            ("keys after a flush are among all", vec![Value::Null, keys(&["a"])], Some(Invalidation::All)),
            ("too many", vec![many(KEYS_MAX), keys(&["a"])], Some(Invalidation::All)),
            ("too large", vec![large], Some(Invalidation::All)),
            ("not understood", vec![Value::Int(1)], Some(Invalidation::All)),
        ] {
            let mut pushes = Pushes::default();
            assert!(!pushes.take(invalidate(keys(&["z"])), &mut wakes), "{why}: nobody listens yet");
            assert!(pushes.begin(&cmd("X")) && !pushes.begin(&cmd("X")));
            for push in pushed {
                assert!(pushes.take(invalidate(push), &mut wakes), "{why}");
            }
            assert!(!pushes.take(vec!["monitor".into()], &mut wakes), "{why}: another kind");
            assert_eq!(next(&mut pushes), want, "{why}");
            assert_eq!(next(&mut pushes), None, "{why}: once");
            pushes.on_lost(&mut wakes);
            assert_eq!(next(&mut pushes), Some(Invalidation::All), "{why}");
            pushes.end();
            pushes.on_lost(&mut wakes);
            assert_eq!(next(&mut pushes), None, "{why}: nobody listens any more");
        }
    }
}
