//! [HyperLogLog](https://redis.io/docs/latest/commands/?group=hyperloglog).

use super::each_key;
use crate::redis::{Call, Redis, ToArg, cmd};

/// # HyperLogLog
impl Redis {
    /// [`PFADD`](https://redis.io/docs/latest/commands/pfadd/): counts members; true if the estimate may have changed.
    pub fn pfadd(&self, key: impl ToArg, members: impl IntoIterator<Item = impl ToArg>) -> Call<'_, bool> {
        self.run(cmd("PFADD").key(key).args(members))
    }

    /// [`PFCOUNT`](https://redis.io/docs/latest/commands/pfcount/): about how many different members the keys have seen together, within 0.81 %.
    pub fn pfcount(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(each_key(cmd("PFCOUNT"), keys))
    }

    /// [`PFMERGE`](https://redis.io/docs/latest/commands/pfmerge/): joins what several keys have seen.
    pub fn pfmerge(&self, to: impl ToArg, keys: impl IntoIterator<Item = impl ToArg>) -> Call<'_, ()> {
        self.run(each_key(cmd("PFMERGE").key(to), keys))
    }
}
