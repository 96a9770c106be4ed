//! [Publishing](https://redis.io/docs/latest/commands/?group=pubsub). Subscribing is in [`pubsub`](crate::redis::pubsub).

use crate::redis::{Call, Redis, ToArg, cmd};

/// # Publishing
impl Redis {
    /// [`PUBLISH`](https://redis.io/docs/latest/commands/publish/): sends a message to who subscribes to the channel; how many that are. In a cluster, those at the node that is asked.
    pub fn publish(&self, channel: impl ToArg, message: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("PUBLISH").arg(channel).arg(message))
    }

    /// [`SPUBLISH`](https://redis.io/docs/latest/commands/spublish/) (Redis 7): as [`publish`](Self::publish) to a shard channel, which belongs to a slot as a key does.
    pub fn spublish(&self, channel: impl ToArg, message: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("SPUBLISH").key(channel).arg(message))
    }

    /// [`PUBSUB CHANNELS`](https://redis.io/docs/latest/commands/pubsub-channels/): the channels with subscribers that match a glob.
    pub fn pubsub_channels(&self, pattern: impl ToArg) -> Call<'_, Vec<String>> {
        self.run(cmd("PUBSUB CHANNELS").arg(pattern).read_only())
    }

    /// [`PUBSUB NUMSUB`](https://redis.io/docs/latest/commands/pubsub-numsub/): how many subscribe to each channel, patterns not counted.
    pub fn pubsub_numsub(
        &self,
        channels: impl IntoIterator<Item = impl ToArg>,
    ) -> Call<'_, Vec<(String, u64)>> {
        self.run(cmd("PUBSUB NUMSUB").args(channels).read_only())
    }

    /// [`PUBSUB NUMPAT`](https://redis.io/docs/latest/commands/pubsub-numpat/): how many patterns are subscribed to.
    pub fn pubsub_numpat(&self) -> Call<'_, u64> {
        self.run(cmd("PUBSUB NUMPAT").read_only())
    }
}
