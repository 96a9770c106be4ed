//! [Sets](https://redis.io/docs/latest/commands/?group=set).

use bytes::Bytes;

use super::each_key;
use crate::redis::{Call, Redis, ToArg, cmd};

/// # Sets
impl Redis {
    /// [`SADD`](https://redis.io/docs/latest/commands/sadd/): adds members; how many are new.
    pub fn sadd(&self, key: impl ToArg, members: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(cmd("SADD").key(key).args(members))
    }

    /// [`SREM`](https://redis.io/docs/latest/commands/srem/): removes members; how many there were.
    pub fn srem(&self, key: impl ToArg, members: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(cmd("SREM").key(key).args(members))
    }

    /// [`SISMEMBER`](https://redis.io/docs/latest/commands/sismember/): true if it is a member.
    pub fn sismember(&self, key: impl ToArg, member: impl ToArg) -> Call<'_, bool> {
        self.run(cmd("SISMEMBER").key(key).arg(member).read_only())
    }

    /// [`SMISMEMBER`](https://redis.io/docs/latest/commands/smismember/): whether each is a member.
    pub fn smismember(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Call<'_, Vec<bool>> {
        self.run(cmd("SMISMEMBER").key(key).args(members).read_only())
    }

    /// [`SMEMBERS`](https://redis.io/docs/latest/commands/smembers/): all members, in no order.
    pub fn smembers(&self, key: impl ToArg) -> Call<'_, Vec<Bytes>> {
        self.run(cmd("SMEMBERS").key(key).read_only())
    }

    /// [`SCARD`](https://redis.io/docs/latest/commands/scard/): how many members there are.
    pub fn scard(&self, key: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("SCARD").key(key).read_only())
    }

    /// [`SPOP`](https://redis.io/docs/latest/commands/spop/): takes some member out.
    pub fn spop(&self, key: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("SPOP").key(key))
    }

    /// [`SRANDMEMBER`](https://redis.io/docs/latest/commands/srandmember/): some member.
    pub fn srandmember(&self, key: impl ToArg) -> Call<'_, Option<Bytes>> {
        self.run(cmd("SRANDMEMBER").key(key).read_only())
    }

    /// [`SMOVE`](https://redis.io/docs/latest/commands/smove/): moves a member to another set; false if it is not there.
    pub fn smove(&self, key: impl ToArg, to: impl ToArg, member: impl ToArg) -> Call<'_, bool> {
        self.run(cmd("SMOVE").key(key).key(to).arg(member))
    }

    /// [`SINTER`](https://redis.io/docs/latest/commands/sinter/): what is in all of the sets.
    pub fn sinter(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, Vec<Bytes>> {
        self.run(each_key(cmd("SINTER"), keys).read_only())
    }

    /// [`SUNION`](https://redis.io/docs/latest/commands/sunion/): what is in any of the sets.
    pub fn sunion(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, Vec<Bytes>> {
        self.run(each_key(cmd("SUNION"), keys).read_only())
    }

    /// [`SDIFF`](https://redis.io/docs/latest/commands/sdiff/): what is in the first set and none of the others.
    pub fn sdiff(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, Vec<Bytes>> {
        self.run(each_key(cmd("SDIFF"), keys).read_only())
    }

    /// [`SINTERSTORE`](https://redis.io/docs/latest/commands/sinterstore/): stores what is in all of the sets; how many.
    pub fn sinter_store(&self, to: impl ToArg, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(each_key(cmd("SINTERSTORE").key(to), keys))
    }

    /// [`SUNIONSTORE`](https://redis.io/docs/latest/commands/sunionstore/): stores what is in any of the sets; how many.
    pub fn sunion_store(&self, to: impl ToArg, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(each_key(cmd("SUNIONSTORE").key(to), keys))
    }

    /// [`SDIFFSTORE`](https://redis.io/docs/latest/commands/sdiffstore/): stores what is in the first set and none of the others; how many.
    pub fn sdiff_store(&self, to: impl ToArg, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(each_key(cmd("SDIFFSTORE").key(to), keys))
    }
}
