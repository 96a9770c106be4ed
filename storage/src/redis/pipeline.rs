//! Several commands in one call.

use super::proto::{Command, FromReply, Value};
use super::{Call, Redis, Request};

/// Commands that are sent together, with nobody else's in between, and answered together.
///
/// What one turn of a core issues is pipelined anyway. This is for commands that one caller issues at once without a
/// future for each. It is no transaction: other clients' commands may be executed in between.
///
/// ```no_run
/// # use corelane_storage::redis::{Pipeline, Redis, RedisError};
/// # async fn example(redis: Redis) -> Result<(), RedisError> {
/// let mut pipeline = Pipeline::new();
/// pipeline.push(redis.incr("visits"));
/// pipeline.push(redis.get("name"));
/// let (visits, name): (i64, Option<String>) = redis.pipeline(pipeline).to().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default, Clone)]
#[must_use = "a pipeline does nothing until it is sent"]
pub struct Pipeline {
    commands: Vec<Command>,
}

impl Pipeline {
    /// Without commands.
    pub fn new() -> Pipeline {
        Pipeline::default()
    }

    /// Adds a command, or a call that was not polled.
    pub fn push(&mut self, command: impl Into<Command>) {
        self.commands.push(command.into());
    }

    pub(super) fn into_commands(self) -> Vec<Command> {
        self.commands
    }

    /// Commands in it.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

impl<T: FromReply> From<Call<'_, T>> for Command {
    /// # Panics
    /// If the call is a pipeline itself.
    #[track_caller]
    fn from(call: Call<'_, T>) -> Command {
        call.into_command()
    }
}

impl Redis {
    /// Sends the commands of a pipeline; their replies come as a list, in order, an error where one failed.
    ///
    /// Asked [`to`](Call::to) a tuple or a `Vec` of something else, the first error among them is the call's.
    pub fn pipeline(&self, pipeline: Pipeline) -> Call<'_, Vec<Value>> {
        Call::new(self, Request::Many(pipeline.commands.into()))
    }
}
