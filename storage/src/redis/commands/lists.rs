//! [Lists](https://redis.io/docs/latest/commands/?group=list).

use std::time::Duration;

use bytes::Bytes;

use super::{each_key, seconds};
use crate::redis::{Call, Redis, ToArg, cmd};

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEnd {
    /// The front.
    Left,
    /// The back.
    Right,
}

impl ListEnd {
    fn word(self) -> &'static str {
        match self {
            ListEnd::Left => "LEFT",
            ListEnd::Right => "RIGHT",
        }
    }
}

/// # Lists
impl Redis {
    /// [`LPUSH`](https://redis.io/docs/latest/commands/lpush/): puts values in front, the last one foremost; the new length.
    pub fn lpush(&self, key: impl ToArg, values: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(cmd("LPUSH").key(key).args(values))
    }

    /// [`RPUSH`](https://redis.io/docs/latest/commands/rpush/): puts values at the end; the new length.
    pub fn rpush(&self, key: impl ToArg, values: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(cmd("RPUSH").key(key).args(values))
    }

    /// [`LPOP`](https://redis.io/docs/latest/commands/lpop/): takes the first value.
    pub fn lpop(&self, key: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("LPOP").key(key))
    }

    /// [`RPOP`](https://redis.io/docs/latest/commands/rpop/): takes the last value.
    pub fn rpop(&self, key: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("RPOP").key(key))
    }

    /// [`LPOP`](https://redis.io/docs/latest/commands/lpop/): takes up to `count` values from the front.
    pub fn lpop_many(&self, key: impl ToArg, count: u64) -> Call<'_, Option<Vec<Bytes>>> {
        self.run(cmd("LPOP").key(key).arg(count))
    }

    /// [`RPOP`](https://redis.io/docs/latest/commands/rpop/): takes up to `count` values from the end, the last one first.
    pub fn rpop_many(&self, key: impl ToArg, count: u64) -> Call<'_, Option<Vec<Bytes>>> {
        self.run(cmd("RPOP").key(key).arg(count))
    }

    /// [`LLEN`](https://redis.io/docs/latest/commands/llen/): the length.
    pub fn llen(&self, key: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("LLEN").key(key).read_only())
    }

    /// [`LRANGE`](https://redis.io/docs/latest/commands/lrange/): values `start` to `end`, both included; negative ones count from the end.
    pub fn lrange(&self, key: impl ToArg, start: i64, end: i64) -> Call<'_, Vec<Bytes>> {
        self.run(cmd("LRANGE").key(key).arg(start).arg(end).read_only())
    }

    /// [`LINDEX`](https://redis.io/docs/latest/commands/lindex/): one value.
    pub fn lindex(&self, key: impl ToArg, index: i64) -> Call<'_, Option<Bytes>> {
        self.run(cmd("LINDEX").key(key).arg(index).read_only())
    }

    /// [`LSET`](https://redis.io/docs/latest/commands/lset/): replaces one value; an error beyond the end.
    pub fn lset(&self, key: impl ToArg, index: i64, value: impl ToArg) -> Call<'_, ()> {
        self.run(cmd("LSET").key(key).arg(index).arg(value))
    }

    /// [`LREM`](https://redis.io/docs/latest/commands/lrem/): removes `count` values that equal `value`, from the end if it is negative, all if it is 0; how many.
    pub fn lrem(&self, key: impl ToArg, count: i64, value: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("LREM").key(key).arg(count).arg(value))
    }

    /// [`LTRIM`](https://redis.io/docs/latest/commands/ltrim/): keeps values `start` to `end`.
    pub fn ltrim(&self, key: impl ToArg, start: i64, end: i64) -> Call<'_, ()> {
        self.run(cmd("LTRIM").key(key).arg(start).arg(end))
    }

    /// [`LMOVE`](https://redis.io/docs/latest/commands/lmove/): takes a value from an end of one list and puts it at an end of another.
    pub fn lmove(
        &self,
        key: impl ToArg,
        to: impl ToArg,
        from_end: ListEnd,
        to_end: ListEnd,
    ) -> Call<'_, Option<Bytes>> {
        self.run(cmd("LMOVE").key(key).key(to).arg(from_end.word()).arg(to_end.word()))
    }
}

/// # Lists, with waiting
///
/// These take a connection of their own for as long as they wait, of which there are
/// [`Config::exclusive_max`](crate::redis::Config::exclusive_max).
impl Redis {
    /// [`BLPOP`](https://redis.io/docs/latest/commands/blpop/): the first value of the first list that has one, and that
    /// list's key; waits for up to `wait` if none has.
    pub fn blpop(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
        wait: Duration,
    ) -> Call<'_, Option<(String, Bytes)>> {
        self.run(each_key(cmd("BLPOP"), keys).arg(seconds(wait)).blocking()).patient(wait)
    }

    /// [`BRPOP`](https://redis.io/docs/latest/commands/brpop/): as [`blpop`](Self::blpop), from the other end.
    pub fn brpop(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
        wait: Duration,
    ) -> Call<'_, Option<(String, Bytes)>> {
        self.run(each_key(cmd("BRPOP"), keys).arg(seconds(wait)).blocking()).patient(wait)
    }
}
