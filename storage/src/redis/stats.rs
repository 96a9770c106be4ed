//! What a client counts.

use std::time::Duration;

/// What a client has done so far, and how it is now. Totals since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Commands taken.
    pub commands: u64,
    /// Replies received.
    pub replies: u64,
    /// Bytes of commands.
    pub bytes_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Messages that answer no command (RESP3).
    pub pushes: u64,
    /// Those of them that nobody asked for, or of a kind that is not known: thrown away.
    pub pushes_dropped: u64,
    /// Connections made. One less is how often it reconnected.
    pub connects: u64,
    /// Tries to connect that failed.
    pub connect_failures: u64,
    /// Calls that had to wait for room or for the connection.
    pub waits: u64,
    /// Calls refused at once: the server was away, or too many waited.
    pub refused: u64,
    /// Calls that had no reply by their deadline.
    pub deadlines: u64,
    /// Calls whose connection ended.
    pub lost: u64,
    /// Redirections that were followed, and tries that a cluster answered with "not now".
    pub redirects: u64,
    /// How often the map of a cluster was learned.
    pub map_refreshes: u64,
    /// Sum over all calls that were answered of the time from being taken to the reply, in nanoseconds.
    /// Times are those of the core's turns.
    pub latency_ns: u64,
    /// Calls answered, by time: under 128 µs, 256 µs, 512 µs, … under 2 s, and longer.
    pub latency_counts: [u64; LATENCY_BUCKETS],
}

/// How many classes of latency are counted.
pub const LATENCY_BUCKETS: usize = 16;

impl Stats {
    #[inline]
    pub(super) fn note_latency(&mut self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.latency_ns = self.latency_ns.saturating_add(ns);
        let class = (64 - (ns >> 17).leading_zeros()) as usize;
        self.latency_counts[class.min(LATENCY_BUCKETS - 1)] += 1;
    }

    /// Adds what another connection has done.
    pub(super) fn add(&mut self, other: &Stats) {
        self.commands += other.commands;
        self.replies += other.replies;
        self.bytes_out += other.bytes_out;
        self.bytes_in += other.bytes_in;
        self.pushes += other.pushes;
        self.connects += other.connects;
        self.connect_failures += other.connect_failures;
        self.waits += other.waits;
        self.refused += other.refused;
        self.deadlines += other.deadlines;
        self.lost += other.lost;
        self.redirects += other.redirects;
        self.map_refreshes += other.map_refreshes;
        self.latency_ns = self.latency_ns.saturating_add(other.latency_ns);
        for (count, more) in self.latency_counts.iter_mut().zip(other.latency_counts) {
            *count += more;
        }
    }

    /// The upper bound of a class of [`latency_counts`](Self::latency_counts); `None` for the last.
    pub fn latency_bound(class: usize) -> Option<Duration> {
        (class + 1 < LATENCY_BUCKETS).then(|| Duration::from_nanos(1 << (class + 17)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_latency_is_under_its_bound_and_not_under_the_one_before() {
        for ns in [0, 1, 131_071, 131_072, 1_000_000, 1 << 30, 1 << 31, 1 << 32, u64::MAX] {
            let mut stats = Stats::default();
            stats.note_latency(Duration::from_nanos(ns));
            let class = stats.latency_counts.iter().position(|&count| count == 1).unwrap();
            assert!(Stats::latency_bound(class).is_none_or(|bound| Duration::from_nanos(ns) < bound), "{ns}");
            assert!(
                class == 0
                    || Stats::latency_bound(class - 1).is_some_and(|bound| Duration::from_nanos(ns) >= bound),
                "{ns}"
            );
        }
    }
}
