//! [Keys](https://redis.io/docs/latest/commands/?group=generic).

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
}
