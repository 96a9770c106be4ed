//! The commands by name, one file a family. Each is a method of [`Redis`](super::Redis) and gives a
//! [`Call`](super::Call); its documentation links the page that says what it does. For others
//! there is [`Redis::run`](super::Redis::run) with [`cmd`](super::cmd).
//!
//! ```no_run
//! # use corelane_storage::redis::{Redis, RedisError};
//! # async fn example(redis: Redis) -> Result<(), RedisError> {
//! redis.zadd_all("scores", [(12.0, "ada"), (9.5, "grace")]).await?;
//! let best: Vec<String> = redis.zrevrange("scores", 0, 9).to().await?;
//! # Ok(())
//! # }
//! ```

mod bitmaps;
mod functions;
mod geo;
mod hashes;
mod hyperloglog;
mod keys;
mod lists;
mod publish;
mod scan;
mod scripts;
mod sets;
mod sorted_sets;
mod streams;
mod strings;

pub use self::bitmaps::BitOp;
pub use self::functions::{FunctionInfo, Library, LibraryInfo};
pub use self::lists::ListEnd;
pub use self::scan::Scan;
pub use self::scripts::Script;
pub use self::streams::{Entries, Entry};

use std::time::Duration;

use super::{Command, ToArg};

/// Milliseconds as Redis takes them. It refuses zero, so less than one is one.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Seconds as the blocking commands take them. Zero would be for ever, so less than a millisecond is one.
fn seconds(time: Duration) -> f64 {
    time.as_secs_f64().max(0.001)
}

/// Adds each of several keys.
fn each_key(command: Command, keys: impl IntoIterator<Item = impl ToArg>) -> Command {
    keys.into_iter().fold(command, Command::key)
}
