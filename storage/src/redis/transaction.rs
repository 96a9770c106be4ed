//! Transactions, and commands that need a connection of their own.

use std::future::Future;
use std::time::{Duration, Instant};

use corelane_runtime::time;

use super::call::Shape;
use super::error::{Kind, RedisError};
use super::mux::Request;
use super::pool::{Lent, lost};
use super::proto::{Command, FromReply, ToArg, Value};
use super::{Call, Pipeline, Redis, cmd};
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
        let mut lent = redis.lend().await?;
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
        for _ in 0..WATCH_ATTEMPTS {
            let mut watched = Watched { lent: self.lend().await? };
            watched.lent.set_clean(false);
            watched.run::<()>(watch.clone()).await?;
            let pipeline = attempt(&mut watched).await?;
            if pipeline.is_empty() {
                watched.run::<()>(cmd("UNWATCH")).await?;
                watched.lent.set_clean(true);
                return Ok(Vec::new());
            }
            let replies = watched.lent.exchange_all(&wrapped(pipeline)).await.map_err(lost)?;
            // `EXEC` ends the watch, whatever comes of it.
            watched.lent.set_clean(true);
            match executed(replies) {
                Ok(Value::Array(values)) => return Ok(values),
                Ok(_) => unreachable!("`executed` gives arrays"),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
            drop(watched);
            time::sleep_until(Instant::now() + backoff.next_wait()).await;
        }
        Err(RedisError::new(Kind::Conflict))
    }

    /// A connection of its own, unless it is known that there is none to be had.
    async fn lend(&self) -> Result<Lent, RedisError> {
        if let Some(error) = self.node().refusal() {
            return Err(error);
        }
        self.pool().take().await
    }
}

/// A connection that watches keys, for the reads of [`Redis::watch`].
pub struct Watched {
    lent: Lent,
}

impl Watched {
    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// As [`Call`].
    ///
    /// # Cancellation
    /// If dropped, the connection is closed at the end of the attempt.
    pub async fn run<T: FromReply>(&mut self, command: Command) -> Result<T, RedisError> {
        match self.lent.exchange(&command).await.map_err(lost)? {
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
