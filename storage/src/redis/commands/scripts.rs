//! [Scripts](https://redis.io/docs/latest/develop/interact/programmability/eval-intro/) in Lua.

use std::fmt::Write;

use sha1::{Digest, Sha1};

use crate::redis::proto::{Command, FromReply, ToArg};
use crate::redis::{Redis, RedisError, cmd};

/// A script, known to the server by its digest.
///
/// It is sent by digest (`EVALSHA`), and in full (`EVAL`) when the server does not know it: after its first use it costs
/// forty bytes, and a restart of the server is no error.
///
/// ```no_run
/// # use corelane_storage::redis::{Redis, RedisError};
/// use corelane_storage::redis::commands::Script;
///
/// # async fn example(redis: Redis) -> Result<(), RedisError> {
/// let take = Script::new("local n = tonumber(redis.call('GET', KEYS[1]) or '0') \
///                         if n > 0 then redis.call('DECR', KEYS[1]) end return n");
/// let before: i64 = redis.script(&take, ["stock"], [(); 0]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Script {
    source: String,
    digest: String,
    read_only: bool,
}

impl Script {
    /// A script of this source.
    pub fn new(source: impl Into<String>) -> Script {
        let source = source.into();
        let digest = Sha1::digest(source.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _written = write!(hex, "{byte:02x}");
            hex
        });
        Script { source, digest, read_only: false }
    }

    /// Says that it only reads (`EVALSHA_RO`, Redis 7), so that it may be sent again and to a replica.
    #[must_use]
    pub fn read_only(mut self) -> Script {
        self.read_only = true;
        self
    }

    /// The SHA-1 of the source, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn command<K: ToArg, A: ToArg>(&self, name: &str, script: &str, keys: &[K], args: &[A]) -> Command {
        let command = cmd(name).arg(script).arg(keys.len());
        let command = keys.iter().fold(command, |command, key| command.key(key)).args(args);
        if self.read_only { command.read_only() } else { command }
    }
}

/// # Scripts
impl Redis {
    /// Runs a script with keys (`KEYS`) and arguments (`ARGV`).
    ///
    /// # Errors
    /// As [`Call`](crate::redis::Call); an error that the script raises is the server's.
    ///
    /// # Cancellation
    /// May be dropped at any time; the script may be executed.
    pub async fn script<T: FromReply, K: ToArg, A: ToArg>(
        &self,
        script: &Script,
        keys: impl AsRef<[K]>,
        args: impl AsRef<[A]>,
    ) -> Result<T, RedisError> {
        let (keys, args) = (keys.as_ref(), args.as_ref());
        let (by_digest, in_full) =
            if script.read_only { ("EVALSHA_RO", "EVAL_RO") } else { ("EVALSHA", "EVAL") };
        match self.run(script.command(by_digest, &script.digest, keys, args)).await {
            // Refused before anything was executed.
            Err(error) if error.code() == "NOSCRIPT" => {
                self.run(script.command(in_full, &script.source, keys, args)).await
            }
            outcome => outcome,
        }
    }
}
