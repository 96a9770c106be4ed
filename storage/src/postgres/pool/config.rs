//! What a pool may cost.

use std::time::Duration;

use super::budget::Budget;

/// Bounds of a pool. Each core has a pool of its own, so what a process takes of the server is this times its cores,
/// unless a [`Budget`] bounds it.
///
/// ```
/// use corelane_storage::postgres::{Budget, PoolConfig};
/// use std::time::Duration;
///
/// // Ten connections a core, and no more than 24 for all cores of this process.
/// let mut pool = PoolConfig::default();
/// pool.max = 10;
/// pool.budget = Some(Budget::new(24));
/// pool.acquire_timeout = Duration::from_millis(500);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Connections at most. Default 8: PostgreSQL has a process for each, and a core keeps few of them busy, since
    /// single statements share connections.
    pub max: usize,
    /// Connections that are kept, opened at the start. Default 1.
    pub min: usize,
    /// Connections that carry single statements at the same time, at most. Default 4. Fewer mean larger batches and less
    /// work for the server, more mean more of its processors. If [`max`](Self::max) is over 1, one connection is never
    /// lent exclusively, so that single statements get on while transactions have all the others.
    pub shared_max: usize,
    /// Statements under way on a shared connection, at most. Default 256. Further ones wait.
    pub pipeline_max: usize,
    /// Callers that wait for a connection, at most. Default 10,000. Further ones fail at once.
    pub waiting_max: usize,
    /// Longest wait for a connection. Default 5 s.
    pub acquire_timeout: Duration,
    /// Unused for so long, a connection over [`min`](Self::min) is closed. Default 10 min.
    pub idle_timeout: Duration,
    /// So old, a connection is closed when nobody uses it: a backend's caches grow, and a balancer in between should see
    /// new connections now and then. Up to a tenth less for each, by chance, so that they do not end together.
    /// Default 1 h.
    pub lifetime: Duration,
    /// Unused for so long, a connection is asked whether it is still there before it is used: what is in between
    /// may have forgotten it. Default 30 s.
    pub check_after: Duration,
    /// Longest wait for that answer, and for the session to be reset. Default 1 s; then the connection is closed.
    pub check_timeout: Duration,
    /// When the session of a connection that somebody had for themselves is made like new.
    pub reset: Reset,
    /// A bound on the connections of all cores together. Default: none.
    pub budget: Option<Budget>,
}

/// When a connection's session is made like new before somebody else gets it.
///
/// That is what [`DISCARD ALL`](https://www.postgresql.org/docs/15/sql-discard.html) does, without its
/// `DEALLOCATE ALL` and `DISCARD PLANS`: prepared statements say nothing of who used the connection, and preparing
/// them anew would cost more than the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Reset {
    /// If a statement may have changed it, as far as is known from its text and from what the server said it did: `SET`,
    /// `LISTEN`, a temporary table, a session's advisory lock, a cursor. What a function of yours does inside is not seen.
    #[default]
    Changed,
    /// After every use.
    Always,
}

impl Default for PoolConfig {
    fn default() -> PoolConfig {
        PoolConfig {
            max: 8,
            min: 1,
            shared_max: 4,
            pipeline_max: 256,
            waiting_max: 10_000,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(600),
            lifetime: Duration::from_secs(3600),
            check_after: Duration::from_secs(30),
            check_timeout: Duration::from_secs(1),
            reset: Reset::Changed,
            budget: None,
        }
    }
}

impl PoolConfig {
    /// The same, with what contradicts itself made consistent.
    pub(super) fn sound(mut self) -> PoolConfig {
        self.max = self.max.max(1);
        self.min = self.min.min(self.max);
        self.shared_max = self.shared_max.clamp(1, self.max);
        self.pipeline_max = self.pipeline_max.max(1);
        self
    }

    /// Connections that may be lent exclusively at the same time.
    pub(super) fn exclusive_max(&self) -> usize {
        (self.max - 1).max(1)
    }
}
