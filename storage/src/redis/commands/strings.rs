//! [Strings](https://redis.io/docs/latest/commands/?group=string).

use std::time::Duration;

use bytes::Bytes;

use super::{each_key, millis};
use crate::redis::{Call, Pipeline, Redis, ToArg, cmd};

/// # Strings
impl Redis {
    /// [`GET`](https://redis.io/docs/latest/commands/get/): the value of a key.
    pub fn get(&self, key: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("GET").key(key).read_only())
    }

    /// [`SET`](https://redis.io/docs/latest/commands/set/): sets a key, and removes its time to live.
    pub fn set(&self, key: impl ToArg, value: impl ToArg) -> Call<'_, ()> {
        self.run(cmd("SET").key(key).arg(value))
    }

    /// [`SET … PX`](https://redis.io/docs/latest/commands/set/): sets a key that goes away after `ttl`, in milliseconds; less than one is one.
    pub fn set_for(&self, key: impl ToArg, value: impl ToArg, ttl: Duration) -> Call<'_, ()> {
        self.run(cmd("SET").key(key).arg(value).arg("PX").arg(millis(ttl)))
    }

    /// [`SET … NX`](https://redis.io/docs/latest/commands/set/): sets a key that does not exist; true if it was set.
    pub fn set_if_absent(&self, key: impl ToArg, value: impl ToArg, ttl: Option<Duration>) -> Call<'_, bool> {
        self.run(cmd("SET").key(key).arg(value).arg("NX").arg(ttl.map(|ttl| ("PX", millis(ttl)))))
    }

    /// [`SET … GET`](https://redis.io/docs/latest/commands/set/): sets a key and gives the value it had.
    pub fn get_set(&self, key: impl ToArg, value: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("SET").key(key).arg(value).arg("GET"))
    }

    /// [`GETDEL`](https://redis.io/docs/latest/commands/getdel/): removes a key and gives its value.
    pub fn get_del(&self, key: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("GETDEL").key(key))
    }

    /// [`GETEX`](https://redis.io/docs/latest/commands/getex/): the value of a key, which then lives for `ttl`.
    pub fn get_ex(&self, key: impl ToArg, ttl: Duration) -> Call<'_, Option<Bytes>> {
        self.run(cmd("GETEX").key(key).arg("PX").arg(millis(ttl)))
    }

    /// [`MGET`](https://redis.io/docs/latest/commands/mget/): the values of several keys, in their order. In a cluster keys in
    /// different slots are read one slot after the other, not at one moment.
    pub fn mget(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, Vec<Option<Bytes>>> {
        self.run(each_key(cmd("MGET"), keys).read_only())
    }

    /// [`MSET`](https://redis.io/docs/latest/commands/mset/): sets several keys at once. In a cluster all must be in one
    /// slot; see [`set_each`](Self::set_each).
    pub fn mset(&self, pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>) -> Call<'_, ()> {
        self.run(pairs.into_iter().fold(cmd("MSET"), |command, (key, value)| command.key(key).arg(value)))
    }

    /// [`SET`](https://redis.io/docs/latest/commands/set/) for each of several pairs, sent together. Not atomic: others may
    /// see some of them set and some not, and if it fails some may be set. In a cluster keys may be in any slots.
    pub fn set_each(&self, pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>) -> Call<'_, Vec<()>> {
        let mut pipeline = Pipeline::new();
        pairs.into_iter().for_each(|(key, value)| pipeline.push(self.set(key, value)));
        self.pipeline(pipeline).to()
    }

    /// [`INCR`](https://redis.io/docs/latest/commands/incr/): adds one; the new value.
    pub fn incr(&self, key: impl ToArg) -> Call<'_, i64> {
        self.run(cmd("INCR").key(key))
    }

    /// [`INCRBY`](https://redis.io/docs/latest/commands/incrby/): adds `n`; the new value.
    pub fn incr_by(&self, key: impl ToArg, n: i64) -> Call<'_, i64> {
        self.run(cmd("INCRBY").key(key).arg(n))
    }

    /// [`INCRBYFLOAT`](https://redis.io/docs/latest/commands/incrbyfloat/): adds `n`; the new value.
    pub fn incr_by_float(&self, key: impl ToArg, n: f64) -> Call<'_, f64> {
        self.run(cmd("INCRBYFLOAT").key(key).arg(n))
    }

    /// [`DECR`](https://redis.io/docs/latest/commands/decr/): takes one off; the new value.
    pub fn decr(&self, key: impl ToArg) -> Call<'_, i64> {
        self.run(cmd("DECR").key(key))
    }

    /// [`APPEND`](https://redis.io/docs/latest/commands/append/): appends to a string; its new length in bytes.
    pub fn append(&self, key: impl ToArg, value: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("APPEND").key(key).arg(value))
    }

    /// [`STRLEN`](https://redis.io/docs/latest/commands/strlen/): the length of a string in bytes; 0 if there is none.
    pub fn strlen(&self, key: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("STRLEN").key(key).read_only())
    }

    /// [`GETRANGE`](https://redis.io/docs/latest/commands/getrange/): bytes `start` to `end`, both included; negative ones count from the end.
    pub fn get_range(&self, key: impl ToArg, start: i64, end: i64) -> Call<'_, Bytes> {
        self.run(cmd("GETRANGE").key(key).arg(start).arg(end).read_only())
    }

    /// [`SETRANGE`](https://redis.io/docs/latest/commands/setrange/): overwrites from byte `offset` on; the new length.
    pub fn set_range(&self, key: impl ToArg, offset: u64, value: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("SETRANGE").key(key).arg(offset).arg(value))
    }
}
