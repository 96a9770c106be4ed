//! [Hashes](https://redis.io/docs/latest/commands/?group=hash).

use std::collections::HashMap;

use bytes::Bytes;

use crate::redis::{Call, Redis, ToArg, cmd};

/// # Hashes
impl Redis {
    /// [`HGET`](https://redis.io/docs/latest/commands/hget/): one field.
    pub fn hget(&self, key: impl ToArg, field: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("HGET").key(key).arg(field).read_only())
    }

    /// [`HSET`](https://redis.io/docs/latest/commands/hset/): sets a field; 1 if it is new.
    pub fn hset(&self, key: impl ToArg, field: impl ToArg, value: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("HSET").key(key).arg(field).arg(value))
    }

    /// [`HSET`](https://redis.io/docs/latest/commands/hset/): sets several fields; how many are new.
    pub fn hset_all(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Call<'_, u64> {
        self.run(cmd("HSET").key(key).args(fields))
    }

    /// [`HSETNX`](https://redis.io/docs/latest/commands/hsetnx/): sets a field that does not exist; true if it was set.
    pub fn hset_if_absent(&self, key: impl ToArg, field: impl ToArg, value: impl ToArg) -> Call<'_, bool> {
        self.run(cmd("HSETNX").key(key).arg(field).arg(value))
    }

    /// [`HMGET`](https://redis.io/docs/latest/commands/hmget/): several fields, in their order.
    pub fn hmget(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Call<'_, Vec<Option<Bytes>>> {
        self.run(cmd("HMGET").key(key).args(fields).read_only())
    }

    /// [`HGETALL`](https://redis.io/docs/latest/commands/hgetall/): all fields; empty without a key.
    pub fn hgetall(&self, key: impl ToArg) -> Call<'_, HashMap<String, Bytes>> {
        self.run(cmd("HGETALL").key(key).read_only())
    }

    /// [`HDEL`](https://redis.io/docs/latest/commands/hdel/): removes fields; how many there were.
    pub fn hdel(&self, key: impl ToArg, fields: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(cmd("HDEL").key(key).args(fields))
    }

    /// [`HEXISTS`](https://redis.io/docs/latest/commands/hexists/): true if the field exists.
    pub fn hexists(&self, key: impl ToArg, field: impl ToArg) -> Call<'_, bool> {
        self.run(cmd("HEXISTS").key(key).arg(field).read_only())
    }

    /// [`HINCRBY`](https://redis.io/docs/latest/commands/hincrby/): adds `n` to a field; the new value.
    pub fn hincr_by(&self, key: impl ToArg, field: impl ToArg, n: i64) -> Call<'_, i64> {
        self.run(cmd("HINCRBY").key(key).arg(field).arg(n))
    }

    /// [`HINCRBYFLOAT`](https://redis.io/docs/latest/commands/hincrbyfloat/): adds `n` to a field; the new value.
    pub fn hincr_by_float(&self, key: impl ToArg, field: impl ToArg, n: f64) -> Call<'_, f64> {
        self.run(cmd("HINCRBYFLOAT").key(key).arg(field).arg(n))
    }

    /// [`HKEYS`](https://redis.io/docs/latest/commands/hkeys/): the names of the fields.
    pub fn hkeys(&self, key: impl ToArg) -> Call<'_, Vec<String>> {
        self.run(cmd("HKEYS").key(key).read_only())
    }

    /// [`HVALS`](https://redis.io/docs/latest/commands/hvals/): the values of the fields.
    pub fn hvals(&self, key: impl ToArg) -> Call<'_, Vec<Bytes>> {
        self.run(cmd("HVALS").key(key).read_only())
    }

    /// [`HLEN`](https://redis.io/docs/latest/commands/hlen/): how many fields there are.
    pub fn hlen(&self, key: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("HLEN").key(key).read_only())
    }

    /// [`HSTRLEN`](https://redis.io/docs/latest/commands/hstrlen/): the length of a field's value in bytes.
    pub fn hstrlen(&self, key: impl ToArg, field: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("HSTRLEN").key(key).arg(field).read_only())
    }

    /// [`HRANDFIELD`](https://redis.io/docs/latest/commands/hrandfield/): the name of some field.
    pub fn hrandfield(&self, key: impl ToArg) -> Call<'_, Option<String>> {
        self.run(cmd("HRANDFIELD").key(key).read_only())
    }
}
