//! What a pool counts.

use std::time::Duration;

/// How a pool is now, and what it has done. Totals since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Connections that are open.
    pub size: usize,
    /// Of those: that somebody has for themselves, in a transaction for instance.
    pub exclusive: usize,
    /// Of those: that carry single statements now.
    pub shared: usize,
    /// Connections being opened.
    pub opening: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// True if the last try to connect failed and there is no connection: callers fail at once.
    pub away: bool,
    /// Connections opened.
    pub opened: u64,
    /// Tries to open one that failed.
    pub open_failures: u64,
    /// Connections that ended by themselves: the server closed them, or the network did.
    pub lost: u64,
    /// Connections closed because they were given back with something unfinished.
    pub unclean: u64,
    /// Connections closed because the check before use failed.
    pub stale: u64,
    /// Connections closed because nobody had used them for long, or because of their age.
    pub retired: u64,
    /// Connections closed so that another core may have one.
    pub given: u64,
    /// Sessions made like new.
    pub resets: u64,
    /// Callers that were given a connection.
    pub acquired: u64,
    /// Of those: that had to wait for it.
    pub waits: u64,
    /// Time waited by those who got a connection, in nanoseconds, all together. Times are those of the core's turns.
    pub wait_ns: u64,
    /// Callers that had no connection within the time.
    pub timeouts: u64,
    /// Callers refused at once: the database was away, or too many waited.
    pub refused: u64,
}

impl PoolStats {
    pub(super) fn note_wait(&mut self, waited: Duration) {
        self.waits += 1;
        let ns = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.wait_ns = self.wait_ns.saturating_add(ns);
    }
}
