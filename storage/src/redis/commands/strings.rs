//! [Strings](https://redis.io/docs/latest/commands/?group=string).

use std::time::Duration;

use bytes::Bytes;

use crate::redis::{Call, Redis, ToArg, cmd};

/// Milliseconds as Redis takes them. It refuses zero, so less than one is one.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// # Strings
impl Redis {
    /// [`GET`](https://redis.io/docs/latest/commands/get/): the value of a key.
    #[inline]
    pub fn get(&self, key: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("GET").key(key).read_only())
    }

    /// [`SET`](https://redis.io/docs/latest/commands/set/): sets a key, and removes its time to live.
    #[inline]
    pub fn set(&self, key: impl ToArg, value: impl ToArg) -> Call<'_, ()> {
        self.run(cmd("SET").key(key).arg(value))
    }

    /// [`SET … PX`](https://redis.io/docs/latest/commands/set/): sets a key that goes away after `ttl`, in milliseconds.
    pub fn set_for(&self, key: impl ToArg, value: impl ToArg, ttl: Duration) -> Call<'_, ()> {
        self.run(cmd("SET").key(key).arg(value).arg("PX").arg(millis(ttl)))
    }

    /// [`SET … NX`](https://redis.io/docs/latest/commands/set/): sets a key that does not exist; true if it was set.
    pub fn set_if_absent(&self, key: impl ToArg, value: impl ToArg, ttl: Option<Duration>) -> Call<'_, bool> {
        let ttl = ttl.map(|ttl| ("PX", millis(ttl)));
        self.run(cmd("SET").key(key).arg(value).arg("NX").arg(ttl))
    }

    /// [`INCR`](https://redis.io/docs/latest/commands/incr/): adds one; the new value.
    pub fn incr(&self, key: impl ToArg) -> Call<'_, i64> {
        self.run(cmd("INCR").key(key))
    }
}
