//! Counters that one core writes and any thread reads.
//!
//! A counter is an atomic that only its own core stores to, so an increment is a plain load and a
//! plain store: no read-modify-write, no bus lock. Readers see a value that was true a moment ago.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number only its core may change.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning core may call this: two writers would lose increments.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Takes `n` off; for gauges. Only the owning core may call this.
    #[inline]
    pub(crate) fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// Replaces the value; for gauges measured elsewhere. Only the owning core may call this.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The value as last stored.
    #[inline]
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What a core counts about itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Connections accepted.
    pub(crate) accepts: Counter,
    /// Requests, as told by the layer above.
    pub(crate) requests: Counter,
    /// Bytes received from sockets.
    pub(crate) bytes_in: Counter,
    /// Bytes sent to sockets.
    pub(crate) bytes_out: Counter,
    /// Turns of the loop.
    pub(crate) turns: Counter,
    /// Nanoseconds spent in turns, that is in tasks rather than in the driver.
    pub(crate) user_ns: Counter,
    /// Tasks spawned.
    pub(crate) spawned: Counter,
    /// Tasks alive now.
    pub(crate) tasks: Counter,
    /// Tasks that ended by a panic.
    pub(crate) panics: Counter,
    /// Polls of tasks.
    pub(crate) polls: Counter,
    /// Wakes and messages that came from other threads.
    pub(crate) mail: Counter,
    /// Calls made by the mesh, to this core as well.
    pub(crate) calls_made: Counter,
    /// Calls of the mesh run here.
    pub(crate) calls_served: Counter,
    /// Calls made whose answer was not taken yet, as of the end of the last turn.
    pub(crate) calls_pending: Counter,
    /// Leases of this core's pool alive, as of the end of the last turn.
    pub(crate) leases_out: Counter,
    /// Buffers lent to the kernel now.
    pub(crate) lent: Counter,
    /// Odd in a turn, even between two; grows with each poll.
    pub(crate) poll_sequence: Counter,
    /// Sends that sockets have done.
    pub(crate) sends: Counter,
    /// Turns that came later than their first timer wanted.
    pub(crate) late_turns: Counter,
    /// Accepts that met a full descriptor table or no memory, and backed off.
    pub(crate) accept_backoffs: Counter,
}
