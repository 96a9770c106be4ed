//! [Keys](https://redis.io/docs/latest/commands/?group=generic).

use std::time::Duration;

use bytes::Bytes;

use super::{each_key, millis};
use crate::redis::{Call, Redis, ToArg, cmd};

/// # Keys
impl Redis {
    /// [`PING`](https://redis.io/docs/latest/commands/ping/): success if the server answers.
    pub fn ping(&self) -> Call<'_, ()> {
        self.run(cmd("PING").read_only())
    }

    /// [`DEL`](https://redis.io/docs/latest/commands/del/): removes a key; how many that were, 0 or 1.
    pub fn del(&self, key: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("DEL").key(key))
    }

    /// [`DEL`](https://redis.io/docs/latest/commands/del/): removes several keys; how many there were.
    pub fn del_all(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(each_key(cmd("DEL"), keys))
    }

    /// [`UNLINK`](https://redis.io/docs/latest/commands/unlink/): as `DEL`, with the memory freed in the background.
    pub fn unlink(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(each_key(cmd("UNLINK"), keys))
    }

    /// [`EXISTS`](https://redis.io/docs/latest/commands/exists/): true if the key exists.
    pub fn exists(&self, key: impl ToArg) -> Call<'_, bool> {
        self.run(cmd("EXISTS").key(key).read_only())
    }

    /// [`PEXPIRE`](https://redis.io/docs/latest/commands/pexpire/): sets the time to live, in milliseconds; false if there is no such key.
    pub fn expire(&self, key: impl ToArg, ttl: Duration) -> Call<'_, bool> {
        self.run(cmd("PEXPIRE").key(key).arg(millis(ttl)))
    }

    /// [`PERSIST`](https://redis.io/docs/latest/commands/persist/): removes the time to live; false if there is none.
    pub fn persist(&self, key: impl ToArg) -> Call<'_, bool> {
        self.run(cmd("PERSIST").key(key))
    }

    /// [`PTTL`](https://redis.io/docs/latest/commands/pttl/): the time to live in milliseconds; -1 without one, -2 without a key.
    pub fn pttl(&self, key: impl ToArg) -> Call<'_, i64> {
        self.run(cmd("PTTL").key(key).read_only())
    }

    /// [`TYPE`](https://redis.io/docs/latest/commands/type/): `string`, `hash`, `list`, `set`, `zset`, `stream`, or `none`.
    pub fn key_type(&self, key: impl ToArg) -> Call<'_, String> {
        self.run(cmd("TYPE").key(key).read_only())
    }

    /// [`RENAME`](https://redis.io/docs/latest/commands/rename/): renames a key; an error if there is none. In a cluster both must be in one slot.
    pub fn rename(&self, key: impl ToArg, to: impl ToArg) -> Call<'_, ()> {
        self.run(cmd("RENAME").key(key).key(to))
    }

    /// [`COPY`](https://redis.io/docs/latest/commands/copy/): copies a value; false if there is none, or one at `to`.
    pub fn copy(&self, key: impl ToArg, to: impl ToArg) -> Call<'_, bool> {
        self.run(cmd("COPY").key(key).key(to))
    }

    /// [`TOUCH`](https://redis.io/docs/latest/commands/touch/): marks keys as used; how many there are.
    pub fn touch(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(each_key(cmd("TOUCH"), keys))
    }

    /// [`DUMP`](https://redis.io/docs/latest/commands/dump/): a value in the server's own format.
    pub fn dump(&self, key: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("DUMP").key(key).read_only())
    }

    /// [`DBSIZE`](https://redis.io/docs/latest/commands/dbsize/): keys in the database.
    pub fn dbsize(&self) -> Call<'_, u64> {
        self.run(cmd("DBSIZE").read_only())
    }

    /// [`FLUSHDB`](https://redis.io/docs/latest/commands/flushdb/): removes every key of the database.
    pub fn flushdb(&self) -> Call<'_, ()> {
        self.run(cmd("FLUSHDB"))
    }
}
