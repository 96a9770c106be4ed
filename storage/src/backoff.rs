//! How long to wait before the next try.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Exponential backoff with full jitter: the n-th wait is anything from nothing to `base * 2^n`, at most `max`.
///
/// All of the wait is random, so that a thousand clients of a server that comes back do not come in step
/// ([the argument](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).
///
/// ```
/// use corelane_storage::backoff::Backoff;
/// use std::time::Duration;
///
/// let mut backoff = Backoff::default();
/// assert!(backoff.next_wait() <= Duration::from_millis(50));
/// assert!(backoff.next_wait() <= Duration::from_millis(100));
/// backoff.reset();
/// assert!(backoff.next_wait() <= Duration::from_millis(50));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    /// Waits given since the last success.
    tries: u32,
    random: u64,
}

impl Default for Backoff {
    /// From 50 ms to 10 s.
    fn default() -> Backoff {
        Backoff::new(Duration::from_millis(50), Duration::from_secs(10))
    }
}

impl Backoff {
    /// Starts with waits of up to `base`, and ends with waits of up to `max`.
    pub fn new(base: Duration, max: Duration) -> Backoff {
        // The standard library's hasher is seeded from the operating system; zero would stay zero.
        let random = RandomState::new().hash_one(0u8) | 1;
        Backoff { base, max, tries: 0, random }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self.base.saturating_mul(1u32.checked_shl(self.tries).unwrap_or(u32::MAX)).min(self.max);
        self.tries = (self.tries + 1).min(31);
        self.jitter(bound)
    }

    /// A random part of `bound`.
    pub fn jitter(&mut self, bound: Duration) -> Duration {
        // xorshift64: unpredictable enough to spread clients, which is all it is for.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let thousandths = u32::try_from(self.random % 1001).unwrap_or(0);
        bound * thousandths / 1000
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_maximum_and_stay_there() {
        let (base, max) = (Duration::from_millis(50), Duration::from_secs(10));
        let mut backoff = Backoff::new(base, max);
        for n in 0..100u32 {
            let bound = base.saturating_mul(2u32.saturating_pow(n)).min(max);
            assert!(backoff.next_wait() <= bound, "wait {n}");
        }
    }

    #[test]
    fn waits_differ() {
        let mut backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(10));
        let waits: std::collections::HashSet<Duration> = (0..100).map(|_| backoff.next_wait()).collect();
        assert!(waits.len() > 50, "{} different ones", waits.len());
    }
}
