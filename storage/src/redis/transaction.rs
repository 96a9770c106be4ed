//! Transactions, and commands that need a connection of their own.

use std::future::Future;
use std::time::{Duration, Instant};

use corelane_runtime::time;

use super::call::Shape;
use super::cluster::{Following, Member};
use super::error::{Kind, RedisError};
use super::mux::Request;
use super::pool::{Lent, lost};
use super::proto::{Command, FromReply, ToArg, Value};
use super::{Call, Pipeline, Redis, Servers, cmd};
use crate::backoff::Backoff;

/// How often a watched transaction is tried when others change its keys.
pub const WATCH_ATTEMPTS: u32 = 16;

/// Runs a request on a connection of its own.
pub(super) async fn exclusively(
    redis: &Redis,
    request: Request,
    patience: Duration,
) -> Result<Value, RedisError> {
    within(patience, async {
        if let Some(cluster) = redis.cluster() {
            return cluster.exclusively(&request, patience).await;
        }
        let mut lent = redis.lend(None).await?;
        match &request {
            Request::One(command) => lent.exchange(command).await.map_err(lost),
            Request::Many(commands) => lent.exchange_all(commands).await.map(Value::Array).map_err(lost),
        }
    })
    .await
}

/// The outcome, or the error of a deadline: what was under way may have been executed.
async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    match time::timeout(patience, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(RedisError::new(Kind::Deadline { after: patience, sent: true })),
    }
}

/// What the replies to `MULTI`, commands and `EXEC` say together.
pub(super) fn executed(mut replies: Vec<Value>) -> Result<Value, RedisError> {
    match replies.pop() {
        Some(Value::Array(values)) => Ok(Value::Array(values)),
        Some(Value::Null) => Err(RedisError::new(Kind::Conflict)),
        Some(Value::Error(error)) => {
            // `EXECABORT` only says that a command was refused before; that one says why.
            let first = replies.into_iter().find_map(|reply| match reply {
                Value::Error(error) => Some(error),
                _ => None,
            });
            Err(RedisError::new(Kind::Server(first.unwrap_or(error))))
        }
        _ => Err(super::ConvertError::found("the reply to EXEC", "something else").into()),
    }
}

fn wrapped(pipeline: Pipeline) -> Vec<Command> {
    let mut commands = vec![cmd("MULTI")];
    commands.extend(pipeline.into_commands());
    commands.push(cmd("EXEC"));
    commands
}

/// # Transactions
impl Redis {
    /// Executes the commands of a pipeline as one [transaction](https://redis.io/docs/latest/develop/interact/transactions/)
    /// (`MULTI`, `EXEC`): no other command comes in between, and all of them are executed or none is. A command that
    /// fails while it is executed undoes nothing; its error stands among the replies.
    ///
    /// It goes over the shared connection, in one piece.
    pub fn transaction(&self, pipeline: Pipeline) -> Call<'_, Vec<Value>> {
        Call::new(self, Request::Many(wrapped(pipeline).into())).shaped(Shape::Transaction)
    }

    /// Optimistic locking: watches `keys`, calls `attempt` to read them and say what to write, and executes that only
    /// if nobody has changed them since. If somebody has, it all begins anew, up to [`WATCH_ATTEMPTS`] times with
    /// growing pauses.
    ///
    /// An empty pipeline means that there is nothing to write.
    ///
    /// ```no_run
    /// # use corelane_storage::redis::{Pipeline, Redis, RedisError, cmd};
    /// # async fn example(redis: Redis) -> Result<(), RedisError> {
    /// let replies = redis
    ///     .watch(["stock"], async |watched| {
    ///         let stock: u64 = watched.run(cmd("GET").key("stock")).await?;
    ///         let mut pipeline = Pipeline::new();
    ///         if stock > 0 {
    ///             pipeline.push(redis.set("stock", stock - 1));
    ///         }
    ///         Ok(pipeline)
    ///     })
    ///     .await?;
    /// let sold = !replies.is_empty();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`is_conflict`](RedisError::is_conflict) if every attempt found the keys changed; else as [`Call`]. The
    /// [deadline](super::Config::deadline) is for all attempts together.
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed. If that was during the last step, the
    /// transaction may have been executed.
    pub async fn watch<K, F>(
        &self,
        keys: impl IntoIterator<Item = K>,
        attempt: F,
    ) -> Result<Vec<Value>, RedisError>
    where
        K: ToArg,
        F: AsyncFnMut(&mut Watched) -> Result<Pipeline, RedisError>,
    {
        let mut watch = cmd("WATCH");
        for key in keys {
            watch = watch.key(key);
        }
        within(self.config().deadline, self.watch_patiently(&watch, attempt)).await
    }

    async fn watch_patiently<F>(&self, watch: &Command, mut attempt: F) -> Result<Vec<Value>, RedisError>
    where
        F: AsyncFnMut(&mut Watched) -> Result<Pipeline, RedisError>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(100));
        let mut following = match self.cluster() {
            Some(cluster) => Some(cluster.follow(std::slice::from_ref(watch), self.config().deadline).await?),
            None => None,
        };
        let mut conflicts = 0;
        loop {
            let member = following.as_ref().map(Following::member).transpose()?;
            let asking = following.as_ref().and_then(Following::asking);
            let watched = Watched { lent: self.lend(member.as_deref()).await?, asking };
            let error = match watched.attempt(watch, &mut attempt).await {
                Ok(replies) => return Ok(replies),
                Err(error) => error,
            };
            if error.is_conflict() {
                conflicts += 1;
                if conflicts == WATCH_ATTEMPTS {
                    return Err(error);
                }
                time::sleep_until(Instant::now() + backoff.next_wait()).await;
            } else if let (Some(following), Some(member)) = (&mut following, &member)
                && let Some(reply) = error.server()
                && following.follow(reply, member).await?
            {
                // Nothing was executed, and it begins anew where the slot is now.
            } else {
                return Err(error);
            }
        }
    }

    /// A connection of its own, to a member or to the only server there is, unless it is known that there is none to be had.
    async fn lend(&self, member: Option<&Member>) -> Result<Lent, RedisError> {
        let (node, pool) = match (member, &self.inner.servers) {
            (Some(member), _) => (member.node(), member.pool()),
            (None, Servers::One { node, pool, .. }) => (node, pool),
            (None, Servers::Cluster(_)) => unreachable!("somebody was chosen"),
        };
        if let Some(error) = node.refusal() {
            return Err(error);
        }
        pool.take().await
    }
}

/// A connection that watches keys, for the reads of [`Redis::watch`].
pub struct Watched {
    lent: Lent,
    /// Said before each command to a server that a slot of a cluster is on its way to.
    asking: Option<Command>,
}

impl Watched {
    /// Watches, asks what to do, does it.
    async fn attempt<F>(mut self, watch: &Command, attempt: &mut F) -> Result<Vec<Value>, RedisError>
    where
        F: AsyncFnMut(&mut Watched) -> Result<Pipeline, RedisError>,
    {
        self.lent.set_clean(false);
        self.run::<()>(watch.clone()).await?;
        let pipeline = attempt(&mut self).await?;
        if pipeline.is_empty() {
            self.run::<()>(cmd("UNWATCH")).await?;
            self.lent.set_clean(true);
            return Ok(Vec::new());
        }
        let mut commands: Vec<Command> = self.asking.clone().into_iter().collect();
        commands.extend(wrapped(pipeline));
        let replies = self.lent.exchange_all(&commands).await.map_err(lost)?;
        // `EXEC` ends the watch, whatever comes of it.
        self.lent.set_clean(true);
        match executed(replies)? {
            Value::Array(values) => Ok(values),
            _ => unreachable!("`executed` gives arrays"),
        }
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancellation
    /// If dropped, the connection is closed at the end of the attempt.
    pub async fn run<T: FromReply>(&mut self, command: Command) -> Result<T, RedisError> {
        let reply = match &self.asking {
            None => self.lent.exchange(&command).await,
            Some(asking) => {
                let both = [asking.clone(), command];
                self.lent.exchange_all(&both).await.map(|mut replies| replies.pop().unwrap_or(Value::Null))
            }
        };
        match reply.map_err(lost)? {
            Value::Error(error) => Err(RedisError::new(Kind::Server(error))),
            value => Ok(T::from_reply(value)?),
        }
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}
