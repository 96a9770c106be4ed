//! [Streams](https://redis.io/docs/latest/commands/?group=stream).

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::millis;
use crate::redis::{Call, Redis, ToArg, cmd};

/// One entry of a stream: its id, and its fields.
pub type Entry = (String, HashMap<String, Bytes>);

/// Entries of several streams, by key. `None` if there are none.
pub type Entries = Option<Vec<(String, Vec<Entry>)>>;

/// # Streams
impl Redis {
    /// [`XADD`](https://redis.io/docs/latest/commands/xadd/): appends an entry under an id that the server chooses; the id.
    pub fn xadd(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Call<'_, String> {
        self.run(cmd("XADD").key(key).arg("*").args(fields))
    }

    /// [`XADD … MAXLEN`](https://redis.io/docs/latest/commands/xadd/): as [`xadd`](Self::xadd), and keeps about `length_max` entries.
    pub fn xadd_capped(
        &self,
        key: impl ToArg,
        length_max: u64,
        fields: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Call<'_, String> {
        self.run(cmd("XADD").key(key).arg(("MAXLEN", "~", length_max, "*")).args(fields))
    }

    /// [`XLEN`](https://redis.io/docs/latest/commands/xlen/): how many entries there are.
    pub fn xlen(&self, key: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("XLEN").key(key).read_only())
    }

    /// [`XRANGE`](https://redis.io/docs/latest/commands/xrange/): entries from id `start` to `end`, both included, `count` at most; `-` and `+` are the first and the last.
    pub fn xrange(
        &self,
        key: impl ToArg,
        start: impl ToArg,
        end: impl ToArg,
        count: u64,
    ) -> Call<'_, Vec<Entry>> {
        self.run(cmd("XRANGE").key(key).arg(start).arg(end).arg(("COUNT", count)).read_only())
    }

    /// [`XREVRANGE`](https://redis.io/docs/latest/commands/xrevrange/): as [`xrange`](Self::xrange) from the end: from `end` down to `start`.
    pub fn xrevrange(
        &self,
        key: impl ToArg,
        end: impl ToArg,
        start: impl ToArg,
        count: u64,
    ) -> Call<'_, Vec<Entry>> {
        self.run(cmd("XREVRANGE").key(key).arg(end).arg(start).arg(("COUNT", count)).read_only())
    }

    /// [`XREAD`](https://redis.io/docs/latest/commands/xread/): entries of a stream behind an id, `count` at most.
    pub fn xread(&self, key: impl ToArg, after: impl ToArg, count: u64) -> Call<'_, Entries> {
        self.run(cmd("XREAD").arg(("COUNT", count, "STREAMS")).key(key).arg(after).read_only())
    }

    /// [`XDEL`](https://redis.io/docs/latest/commands/xdel/): removes entries; how many there were.
    pub fn xdel(&self, key: impl ToArg, ids: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(cmd("XDEL").key(key).args(ids))
    }

    /// [`XTRIM`](https://redis.io/docs/latest/commands/xtrim/): keeps the last `length_max` entries; how many went.
    pub fn xtrim(&self, key: impl ToArg, length_max: u64) -> Call<'_, u64> {
        self.run(cmd("XTRIM").key(key).arg(("MAXLEN", length_max)))
    }

    /// [`XGROUP CREATE`](https://redis.io/docs/latest/commands/xgroup-create/): makes a consumer group that begins behind `after` (`$` is the end), and the stream if there is none. An error (`BUSYGROUP`) if there is such a group.
    pub fn xgroup_create(&self, key: impl ToArg, group: impl ToArg, after: impl ToArg) -> Call<'_, ()> {
        self.run(cmd("XGROUP CREATE").key(key).arg(group).arg(after).arg("MKSTREAM"))
    }

    /// [`XGROUP DESTROY`](https://redis.io/docs/latest/commands/xgroup-destroy/): removes a group; false if there is none.
    pub fn xgroup_destroy(&self, key: impl ToArg, group: impl ToArg) -> Call<'_, bool> {
        self.run(cmd("XGROUP DESTROY").key(key).arg(group))
    }

    /// [`XREADGROUP`](https://redis.io/docs/latest/commands/xreadgroup/): entries that no consumer of the group has had, `count` at most; they are this consumer's until they are acknowledged.
    pub fn xreadgroup(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
        count: u64,
    ) -> Call<'_, Entries> {
        self.run(
            cmd("XREADGROUP")
                .arg(("GROUP", group, consumer))
                .arg(("COUNT", count, "STREAMS"))
                .key(key)
                .arg(">"),
        )
    }

    /// [`XACK`](https://redis.io/docs/latest/commands/xack/): acknowledges entries; how many were pending.
    pub fn xack(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        ids: impl IntoIterator<Item = impl ToArg>,
    ) -> Call<'_, u64> {
        self.run(cmd("XACK").key(key).arg(group).args(ids))
    }

    /// [`XAUTOCLAIM`](https://redis.io/docs/latest/commands/xautoclaim/): takes over entries that others have had for `idle` without acknowledging, from id `start` on, `count` at most: where to go on (`0-0` at the end), the entries, and the ids of those that are gone.
    pub fn xautoclaim(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
        idle: Duration,
        start: impl ToArg,
        count: u64,
    ) -> Call<'_, (String, Vec<Entry>, Vec<String>)> {
        self.run(
            cmd("XAUTOCLAIM")
                .key(key)
                .arg(group)
                .arg(consumer)
                .arg(millis(idle))
                .arg(start)
                .arg(("COUNT", count)),
        )
    }
}

/// # Streams, with waiting
///
/// These take a connection of their own for as long as they wait.
impl Redis {
    /// [`XREAD … BLOCK`](https://redis.io/docs/latest/commands/xread/): as [`xread`](Self::xread); waits for up to `wait` if
    /// there is nothing. `$` for `after` is what comes from now on.
    pub fn xread_wait(
        &self,
        key: impl ToArg,
        after: impl ToArg,
        count: u64,
        wait: Duration,
    ) -> Call<'_, Entries> {
        let command =
            cmd("XREAD").arg(("COUNT", count, "BLOCK", millis(wait))).arg("STREAMS").key(key).arg(after);
        self.run(command.blocking()).patient(wait)
    }

    /// [`XREADGROUP … BLOCK`](https://redis.io/docs/latest/commands/xreadgroup/): as [`xreadgroup`](Self::xreadgroup);
    /// waits for up to `wait` if there is nothing.
    pub fn xreadgroup_wait(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
        count: u64,
        wait: Duration,
    ) -> Call<'_, Entries> {
        let command =
            cmd("XREADGROUP").arg(("GROUP", group, consumer)).arg(("COUNT", count, "BLOCK", millis(wait)));
        self.run(command.arg("STREAMS").key(key).arg(">").blocking()).patient(wait)
    }
}
