//! [Publish and subscribe](https://redis.io/docs/latest/develop/interact/pubsub/).
//!
//! [`Redis::subscriber`] gives two things: a [`Subscriber`], with which any task of the core subscribes and unsubscribes,
//! and the [`Messages`] that come. They have a connection of their own, made with the first subscription.
//!
//! ```no_run
//! use corelane_storage::redis::pubsub::Event;
//! # use corelane_storage::redis::{Redis, RedisError};
//! # async fn example(redis: Redis) -> Result<(), RedisError> {
//! let (subscriber, mut messages) = redis.subscriber();
//! subscriber.subscribe(["news", "weather"]).await?;
//! subscriber.psubscribe(["user:*"]).await?;
//! redis.publish("news", "hello").await?;
//! loop {
//!     match messages.next().await {
//!         Event::Message(message) => println!("{:?}: {:?}", message.channel, message.payload),
//!         Event::Missed(missed) => println!("read anew what you derive from messages: {missed:?}"),
//!         Event::Ended(ended) => println!("{:?} is no longer subscribed to: {}", ended.name, ended.error),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! # What is promised
//!
//! Redis delivers a message at most once, and so does this. What it adds is that **nothing is missed silently**:
//!
//! | what happens | what is told |
//! | --- | --- |
//! | the connection is lost | it is made again and everything is subscribed to again; then comes [`Event::Missed`] with `reconnected` |
//! | the server refuses a subscription that it had before | [`Event::Ended`] |
//! | messages come faster than they are taken | the oldest go, and [`Event::Missed`] stands in their place with `dropped` |
//! | a message is larger than [`Config::reply_limits`](super::Config::reply_limits) | as a lost connection |
//! | nothing is heard for [`Config::silence_max`](super::Config::silence_max), `PING`s included | as a lost connection |
//!
//! `Missed` comes after all is subscribed to again, so that what is read then is not older than the messages that follow.
//!
//! In a cluster, [`subscribe`](Subscriber::subscribe) and [`publish`](Redis::publish) work over any node. A shard channel belongs to the node of its slot:
//! for [`ssubscribe`](Subscriber::ssubscribe) connect to that one, else the server answers `MOVED`.

mod connection;
mod event;
mod state;
#[cfg(test)]
mod tests;
mod topic;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use corelane_runtime::time;
use futures_core::Stream;

use self::connection::{Shared, start};
pub use self::event::{Ended, Event, Message, Missed};
use self::topic::{Family, Topic};
use super::Redis;
use super::error::{Kind, RedisError};
use super::exclusive::Target;

/// Subscribes and unsubscribes. Clones share the connection, which lasts as long as its [`Messages`].
///
/// Subscriptions are a set, as on the server: subscribing twice is subscribing once, and one unsubscribing ends it.
#[derive(Clone)]
pub struct Subscriber {
    shared: Rc<Shared>,
}

/// What comes, in order. Dropping it ends the connection.
///
/// It is also a [`Stream`], which never ends.
#[must_use = "dropping it ends the subscriptions"]
pub struct Messages {
    shared: Rc<Shared>,
}

/// What a subscriber has done so far. Totals since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriberStats {
    /// Messages received.
    pub messages: u64,
    /// Those of them that were thrown away because nobody took them in time.
    pub dropped: u64,
    /// Pushes of a kind that is not known, thrown away.
    pub unknown: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Connections made. One less is how often it reconnected.
    pub connects: u64,
    /// Tries to connect that failed.
    pub connect_failures: u64,
}

impl Redis {
    /// A connection for subscriptions. It is made when there is something to subscribe to.
    pub fn subscriber(&self) -> (Subscriber, Messages) {
        subscriber(self.target())
    }
}

/// A connection for subscriptions to this target.
pub(super) fn subscriber(target: Target) -> (Subscriber, Messages) {
    let shared = start(target);
    (Subscriber { shared: Rc::clone(&shared) }, Messages { shared })
}

impl Subscriber {
    /// [`SUBSCRIBE`](https://redis.io/docs/latest/commands/subscribe/): returns when the server has confirmed all of
    /// them: what is published from then on comes.
    ///
    /// # Errors
    /// [`RedisError`]: the server is away or refuses, no confirmation within [`Config::deadline`](super::Config::deadline), more than
    /// [`Config::topics_max`](super::Config::topics_max), or the [`Messages`] are gone. Channels that were confirmed stay subscribed to.
    ///
    /// # Cancellation
    /// May be dropped at any time. Channels that nobody else asked for and that were not confirmed are not subscribed to.
    pub async fn subscribe(
        &self,
        channels: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), RedisError> {
        self.change(Family::Channel, true, channels).await
    }

    /// [`UNSUBSCRIBE`](https://redis.io/docs/latest/commands/unsubscribe/): returns when the server has confirmed.
    /// Messages that had come before are still in the queue. What is not subscribed to is no error.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe). While the server is away there is none.
    ///
    /// # Cancellation
    /// May be dropped at any time once it was polled; the channels are unsubscribed from.
    pub async fn unsubscribe(
        &self,
        channels: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), RedisError> {
        self.change(Family::Channel, false, channels).await
    }

    /// [`PSUBSCRIBE`](https://redis.io/docs/latest/commands/psubscribe/): all channels that match a glob.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancellation
    /// As [`subscribe`](Self::subscribe).
    pub async fn psubscribe(
        &self,
        patterns: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), RedisError> {
        self.change(Family::Pattern, true, patterns).await
    }

    /// [`PUNSUBSCRIBE`](https://redis.io/docs/latest/commands/punsubscribe/): ends subscriptions by these patterns.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    ///
    /// # Cancellation
    /// As [`unsubscribe`](Self::unsubscribe).
    pub async fn punsubscribe(
        &self,
        patterns: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), RedisError> {
        self.change(Family::Pattern, false, patterns).await
    }

    /// [`SSUBSCRIBE`](https://redis.io/docs/latest/commands/ssubscribe/) (Redis 7): shard channels, to which
    /// [`Redis::spublish`] publishes.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancellation
    /// As [`subscribe`](Self::subscribe).
    pub async fn ssubscribe(
        &self,
        channels: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), RedisError> {
        self.change(Family::Shard, true, channels).await
    }

    /// [`SUNSUBSCRIBE`](https://redis.io/docs/latest/commands/sunsubscribe/): ends subscriptions of shard channels.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    ///
    /// # Cancellation
    /// As [`unsubscribe`](Self::unsubscribe).
    pub async fn sunsubscribe(
        &self,
        channels: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), RedisError> {
        self.change(Family::Shard, false, channels).await
    }

    async fn change(
        &self,
        family: Family,
        on: bool,
        names: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), RedisError> {
        let topics: Vec<Topic> = names
            .into_iter()
            .map(|name| Topic { family, name: Bytes::copy_from_slice(name.as_ref()) })
            .collect();
        let patience = self.shared.target.config.deadline;
        let id = self.shared.with(|state| state.submit(on, &topics))?;
        let mut waiting = Waiting { shared: &self.shared, topics: &topics, id: Some(id) };
        let outcome = poll_fn(|cx| waiting.poll(cx));
        match time::timeout(patience, outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(RedisError::new(Kind::Deadline { after: patience, sent: true })),
        }
    }

    /// Channels and patterns that are subscribed to, or are to be.
    pub fn topics(&self) -> usize {
        self.shared.look(|state| state.topics())
    }

    /// True if there is a connection, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.shared.look(|state| state.is_up())
    }

    /// Events that nobody has taken yet, and the bytes of their messages.
    pub fn queued(&self) -> (usize, usize) {
        self.shared.look(|state| state.depth())
    }

    /// What it has done.
    pub fn stats(&self) -> SubscriberStats {
        self.shared.look(|state| state.stats)
    }
}

/// A call whose topics are given up when this is dropped before its outcome.
struct Waiting<'a> {
    shared: &'a Shared,
    topics: &'a [Topic],
    id: Option<usize>,
}

impl Waiting<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RedisError>> {
        let Some(id) = self.id else { unreachable!("not polled after its outcome") };
        let polled = self.shared.with(|state| state.poll_call(id, cx));
        if polled.is_ready() {
            self.id = None;
        }
        polled
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.with(|state| state.give_up(id, self.topics));
        }
    }
}

impl Messages {
    /// The next event. Waits for ever if none comes.
    ///
    /// # Cancellation
    /// May be dropped at any time: nothing is lost.
    pub async fn next(&mut self) -> Event {
        poll_fn(|cx| self.shared.with(|state| state.poll_next(cx))).await
    }

    /// The next event if one is here.
    pub fn try_next(&mut self) -> Option<Event> {
        self.shared.with(|state| state.try_next())
    }
}

impl Stream for Messages {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.shared.with(|state| state.poll_next(cx)).map(Some)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.shared.with(|state| state.close());
    }
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber").field("topics", &self.topics()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}
