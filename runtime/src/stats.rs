//! What each core counts about itself, read from any thread.
//!
//! A core counts with plain loads and stores: each counter is an atomic that one core alone writes,
//! so there is no read-modify-write and no bus lock, and its cache line stays with the core. A
//! reader takes that line once for each scrape. Counting in plain cells and publishing a copy at
//! the end of each turn was weighed against this: it keeps readers off the core's line, and costs the
//! core a copy of all counters in every turn, some ten thousand a second, to save a cache miss in every scrape.
//!
//! ```
//! use corelane_runtime::{block_on, stats, yield_now};
//!
//! let before = block_on(async { stats::local() });
//! assert_eq!(before.requests, 0);
//! let after = block_on(async {
//!     stats::count_requests(1);
//!     yield_now().await;
//!     stats::local()
//! });
//! assert_eq!(after.requests, 1);
//! ```
//!
//! The figures of one core are read one after another while it goes on, so two of them may differ
//! by an event: a scrape is not a transaction. A counter never goes back while its core lives.

use crate::executor::Core;
use crate::launch::CoreId;
use crate::mailbox::CoreShared;

/// Counts requests, on the core that serves them; several at once where they are handled in one go. For the protocol layer above; everything else is
/// counted by the runtime itself.
///
/// # Panics
/// If called outside a runtime.
#[inline]
#[track_caller]
pub fn count_requests(requests: u64) {
    Core::with(|core| core.shared.counters.requests.add(requests));
}

/// Counts a panic that the layer above caught itself, on the core where it happened, such as that of a handler
/// whose connection goes on. Panics that end a task are counted by the runtime.
///
/// # Panics
/// If called outside a runtime.
#[track_caller]
pub fn count_panic() {
    Core::with(|core| core.shared.counters.panics.add(1));
}

/// The figures of the core this is called on.
///
/// # Panics
/// If called outside a runtime.
#[track_caller]
pub fn local() -> CoreStats {
    Core::with(|core| CoreStats::of(&core.shared))
}

/// The figures of all cores of the caller's runtime, in their order. It asks no core: it reads what
/// they wrote.
///
/// # Panics
/// If called outside a runtime.
#[track_caller]
pub fn all() -> Vec<CoreStats> {
    Core::with(|core| core.mesh().cores().map(CoreStats::of).collect())
}

/// The figures of one core. Counters are totals since the core started; gauges are of the moment,
/// those marked *turn* of the end of the core's last turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreStats {
    /// Which core.
    pub core: CoreId,
    /// Connections accepted.
    pub accepts: u64,
    /// Accepts that met a full descriptor table or no memory, and backed off.
    pub accept_backoffs: u64,
    /// Requests, as told to [`count_requests`].
    pub requests: u64,
    /// Bytes received from sockets.
    pub bytes_in: u64,
    /// Bytes sent to sockets.
    pub bytes_out: u64,
    /// Sends that sockets have done: each is one operation of the kernel.
    pub sends: u64,
    /// Turns that began more than 5 ms after a timer was due: the core was busy, or had no CPU.
    pub late_turns: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Time spent in turns, in nanoseconds: tasks, timers and mail, not the kernel's part of I/O and not
    /// sleep. Over `turns` it is the mean length of a turn.
    pub user_ns: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Tasks spawned.
    pub spawned: u64,
    /// Panics: tasks that ended by one, calls from other cores included, and those told to [`count_panic`].
    pub panics: u64,
    /// Messages and wakes that came from other threads.
    pub mail: u64,
    /// Calls this core has made to others and itself by the [mesh](crate::mesh).
    pub calls_made: u64,
    /// Calls this core has run for others and itself.
    pub calls_served: u64,
    /// Tasks alive. A gauge.
    pub tasks: u64,
    /// Calls this core has made that have no answer yet, those that nobody awaits any more included. A
    /// gauge (*turn*).
    pub calls_pending: u64,
    /// Leases of this core's pool alive, wherever they are; less those that the driver keeps lent for
    /// receives to come. A gauge (*turn*).
    pub leases_out: u64,
    /// Buffers in the hands of the kernel. A gauge.
    pub lent: u64,
    /// Messages waiting in the mailbox. A gauge.
    pub mailbox_depth: u64,
}

/// How a figure is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// A total that only grows.
    Counter,
    /// A value of the moment.
    Gauge,
}

/// One figure with what a metrics endpoint says about it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// Name in Prometheus' manner: base unit last, then `_total` for counters. Without a prefix.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// The value, in the unit the field of [`CoreStats`] has; see `scale`.
    pub value: u64,
    /// What the value is multiplied with to be in the unit of `name`: 1, or 1e-9 for nanoseconds
    /// told as seconds.
    pub scale: f64,
}

impl CoreStats {
    pub(crate) fn of(core: &CoreShared) -> Self {
        let counters = &*core.counters;
        Self {
            core: core.id,
            accepts: counters.accepts.value(),
            accept_backoffs: counters.accept_backoffs.value(),
            requests: counters.requests.value(),
            bytes_in: counters.bytes_in.value(),
            bytes_out: counters.bytes_out.value(),
            sends: counters.sends.value(),
            late_turns: counters.late_turns.value(),
            turns: counters.turns.value(),
            user_ns: counters.user_ns.value(),
            polls: counters.polls.value(),
            spawned: counters.spawned.value(),
            panics: counters.panics.value(),
            mail: counters.mail.value(),
            calls_made: counters.calls_made.value(),
            calls_served: counters.calls_served.value(),
            tasks: counters.tasks.value(),
            calls_pending: counters.calls_pending.value(),
            leases_out: counters.leases_out.value(),
            lent: counters.lent.value(),
            mailbox_depth: core.depth() as u64,
        }
    }

    /// All figures but the core, for an exporter, which adds the core as a label.
    ///
    /// ```
    /// use corelane_runtime::{block_on, stats};
    ///
    /// let stats = block_on(async { stats::local() });
    /// for metric in stats.metrics() {
    ///     let value = metric.value as f64 * metric.scale;
    ///     println!("corelane_core_{}{{core=\"{}\"}} {value}", metric.name, stats.core);
    /// }
    /// ```
    pub fn metrics(&self) -> impl Iterator<Item = Metric> + use<> {
        use MetricKind::{Counter, Gauge};
        /// Nanoseconds in a second, the other way round.
        const NANO: f64 = 1e-9;
        let rows: [(&'static str, &'static str, MetricKind, u64, f64); 20] = [
            ("accepts_total", "Connections accepted.", Counter, self.accepts, 1.0),
            ("accept_backoffs_total", "Accepts that backed off.", Counter, self.accept_backoffs, 1.0),
            ("requests_total", "Requests served.", Counter, self.requests, 1.0),
            ("received_bytes_total", "Bytes received from sockets.", Counter, self.bytes_in, 1.0),
            ("sent_bytes_total", "Bytes sent to sockets.", Counter, self.bytes_out, 1.0),
            ("sends_total", "Sends that sockets have done.", Counter, self.sends, 1.0),
            ("late_turns_total", "Turns that began over 5 ms late.", Counter, self.late_turns, 1.0),
            ("turns_total", "Turns of the event loop.", Counter, self.turns, 1.0),
            ("user_seconds_total", "Time spent in turns.", Counter, self.user_ns, NANO),
            ("polls_total", "Polls of tasks.", Counter, self.polls, 1.0),
            ("spawned_total", "Tasks spawned.", Counter, self.spawned, 1.0),
            ("panics_total", "Tasks and calls that panicked.", Counter, self.panics, 1.0),
            ("mail_total", "Messages from other threads.", Counter, self.mail, 1.0),
            ("calls_made_total", "Calls made to cores.", Counter, self.calls_made, 1.0),
            ("calls_served_total", "Calls run for cores.", Counter, self.calls_served, 1.0),
            ("tasks", "Tasks alive.", Gauge, self.tasks, 1.0),
            ("calls_pending", "Calls made without an answer yet.", Gauge, self.calls_pending, 1.0),
            ("leases", "Leases of the core's pool alive.", Gauge, self.leases_out, 1.0),
            ("lent_buffers", "Buffers in the hands of the kernel.", Gauge, self.lent, 1.0),
            ("mailbox_depth", "Messages waiting in the mailbox.", Gauge, self.mailbox_depth, 1.0),
        ];
        rows.into_iter().map(|(name, help, kind, value, scale)| Metric { name, help, kind, value, scale })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn metrics_are_named_as_an_exporter_needs() {
        let stats = crate::block_on(async { local() });
        let metrics: Vec<_> = stats.metrics().collect();
        let names: HashSet<_> = metrics.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), metrics.len(), "a name stands for one figure");
        for metric in metrics {
            let counter = metric.kind == MetricKind::Counter;
            assert_eq!(metric.name.ends_with("_total"), counter, "{}", metric.name);
            assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
