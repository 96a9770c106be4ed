//! [Sorted sets](https://redis.io/docs/latest/commands/?group=sorted-set).

use bytes::Bytes;

use crate::redis::{Call, Redis, ToArg, cmd};

/// # Sorted sets
impl Redis {
    /// [`ZADD`](https://redis.io/docs/latest/commands/zadd/): adds a member or sets its score; 1 if it is new.
    pub fn zadd(&self, key: impl ToArg, member: impl ToArg, score: f64) -> Call<'_, u64> {
        self.run(cmd("ZADD").key(key).arg(score).arg(member))
    }

    /// [`ZADD`](https://redis.io/docs/latest/commands/zadd/): adds members with their scores; how many are new.
    pub fn zadd_all(
        &self,
        key: impl ToArg,
        scored: impl IntoIterator<Item = (f64, impl ToArg)>,
    ) -> Call<'_, u64> {
        self.run(cmd("ZADD").key(key).args(scored))
    }

    /// [`ZINCRBY`](https://redis.io/docs/latest/commands/zincrby/): adds `n` to a score; the new one.
    pub fn zincr_by(&self, key: impl ToArg, member: impl ToArg, n: f64) -> Call<'_, f64> {
        self.run(cmd("ZINCRBY").key(key).arg(n).arg(member))
    }

    /// [`ZREM`](https://redis.io/docs/latest/commands/zrem/): removes members; how many there were.
    pub fn zrem(&self, key: impl ToArg, members: impl IntoIterator<Item = impl ToArg>) -> Call<'_, u64> {
        self.run(cmd("ZREM").key(key).args(members))
    }

    /// [`ZSCORE`](https://redis.io/docs/latest/commands/zscore/): a member's score.
    pub fn zscore(&self, key: impl ToArg, member: impl ToArg) -> Call<'_, Option<f64>> {
        self.run(cmd("ZSCORE").key(key).arg(member).read_only())
    }

    /// [`ZCARD`](https://redis.io/docs/latest/commands/zcard/): how many members there are.
    pub fn zcard(&self, key: impl ToArg) -> Call<'_, u64> {
        self.run(cmd("ZCARD").key(key).read_only())
    }

    /// [`ZCOUNT`](https://redis.io/docs/latest/commands/zcount/): how many have a score from `min` to `max`, both included.
    pub fn zcount(&self, key: impl ToArg, min: f64, max: f64) -> Call<'_, u64> {
        self.run(cmd("ZCOUNT").key(key).arg(min).arg(max).read_only())
    }

    /// [`ZRANK`](https://redis.io/docs/latest/commands/zrank/): a member's place, from the lowest score, which is 0.
    pub fn zrank(&self, key: impl ToArg, member: impl ToArg) -> Call<'_, Option<u64>> {
        self.run(cmd("ZRANK").key(key).arg(member).read_only())
    }

    /// [`ZREVRANK`](https://redis.io/docs/latest/commands/zrevrank/): a member's place, from the highest score, which is 0.
    pub fn zrevrank(&self, key: impl ToArg, member: impl ToArg) -> Call<'_, Option<u64>> {
        self.run(cmd("ZREVRANK").key(key).arg(member).read_only())
    }

    /// [`ZRANGE`](https://redis.io/docs/latest/commands/zrange/): members `start` to `end` by place, both included; negative ones count from the end.
    pub fn zrange(&self, key: impl ToArg, start: i64, end: i64) -> Call<'_, Vec<Bytes>> {
        self.run(cmd("ZRANGE").key(key).arg(start).arg(end).read_only())
    }

    /// [`ZRANGE … WITHSCORES`](https://redis.io/docs/latest/commands/zrange/): as [`zrange`](Self::zrange), with the scores.
    pub fn zrange_scored(&self, key: impl ToArg, start: i64, end: i64) -> Call<'_, Vec<(Bytes, f64)>> {
        self.run(cmd("ZRANGE").key(key).arg(start).arg(end).arg("WITHSCORES").read_only())
    }

    /// [`ZRANGE … REV`](https://redis.io/docs/latest/commands/zrange/): members by place from the highest score.
    pub fn zrevrange(&self, key: impl ToArg, start: i64, end: i64) -> Call<'_, Vec<Bytes>> {
        self.run(cmd("ZRANGE").key(key).arg(start).arg(end).arg("REV").read_only())
    }

    /// [`ZRANGE … BYSCORE`](https://redis.io/docs/latest/commands/zrange/): members with a score from `min` to `max`, both included, from the lowest; `count` of them after `offset`.
    pub fn zrange_by_score(
        &self,
        key: impl ToArg,
        min: f64,
        max: f64,
        offset: u64,
        count: u64,
    ) -> Call<'_, Vec<Bytes>> {
        self.run(
            cmd("ZRANGE").key(key).arg(min).arg(max).arg("BYSCORE").arg(("LIMIT", offset, count)).read_only(),
        )
    }

    /// [`ZPOPMIN`](https://redis.io/docs/latest/commands/zpopmin/): takes up to `count` members with the lowest scores.
    pub fn zpopmin(&self, key: impl ToArg, count: u64) -> Call<'_, Vec<(Bytes, f64)>> {
        self.run(cmd("ZPOPMIN").key(key).arg(count))
    }

    /// [`ZPOPMAX`](https://redis.io/docs/latest/commands/zpopmax/): takes up to `count` members with the highest scores.
    pub fn zpopmax(&self, key: impl ToArg, count: u64) -> Call<'_, Vec<(Bytes, f64)>> {
        self.run(cmd("ZPOPMAX").key(key).arg(count))
    }

    /// [`ZREMRANGEBYSCORE`](https://redis.io/docs/latest/commands/zremrangebyscore/): removes those with a score from `min` to `max`; how many.
    pub fn zrem_range_by_score(&self, key: impl ToArg, min: f64, max: f64) -> Call<'_, u64> {
        self.run(cmd("ZREMRANGEBYSCORE").key(key).arg(min).arg(max))
    }

    /// [`ZREMRANGEBYRANK`](https://redis.io/docs/latest/commands/zremrangebyrank/): removes those at places `start` to `end`; how many.
    pub fn zrem_range_by_rank(&self, key: impl ToArg, start: i64, end: i64) -> Call<'_, u64> {
        self.run(cmd("ZREMRANGEBYRANK").key(key).arg(start).arg(end))
    }
}
