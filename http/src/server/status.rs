//! What a server says about itself while it runs.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use corelane_runtime::CoreId;

/// How far a server is. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// No core accepts yet.
    Starting,
    /// Every core accepts.
    Serving,
    /// No connection is accepted; what is under way is finished.
    Draining,
    /// Every core has ended.
    Ended,
}

/// What a server is doing, readable from any thread at any time: for a readiness route, for metrics, for a supervisor.
///
/// Got from [`Server::status`](super::Server::status) before it starts, or from [`Running::status`](super::Running::status).
/// Reading it disturbs no core.
///
/// ```no_run
/// use corelane_http::app::App;
/// use corelane_http::extract::State;
/// use corelane_http::response::StatusCode;
/// use corelane_http::server::{Phase, Server, Status};
///
/// /// Where a balancer asks whether to send more.
/// async fn ready(State(status): State<Status>) -> StatusCode {
///     if status.phase() == Phase::Serving { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
/// }
///
/// let server = Server::bind("127.0.0.1:8080");
/// let status = server.status();
/// server.run(move || App::new().state(status.clone()).get("/ready", ready))?;
/// # Ok::<(), corelane_http::server::ServerError>(())
/// ```
#[derive(Clone, Default)]
pub struct Status {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    phase: AtomicU8,
    handed_over: std::sync::atomic::AtomicBool,
    /// Set when the number of cores is known.
    cores: OnceLock<Box<[Gauges]>>,
}

/// One core's figures, on a cache line of their own.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Gauges {
    /// Connections, those on their way to the core included. Written by the cores that accept them, once for each.
    connections: AtomicUsize,
    open: Activity<AtomicUsize>,
}

/// What connections are there for, counted while the server drains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity<N = usize> {
    /// At rest: no byte of a request has come.
    pub idle: N,
    /// In a handshake: TLS, or the PROXY protocol.
    pub handshakes: N,
    /// A request that is being received, handled or answered.
    pub requests: N,
    /// An answer that is sent piece by piece: a stream of events, a large file.
    pub streams: N,
    /// Handed to another protocol.
    pub upgrades: N,
}

impl Activity {
    /// Connections in all.
    pub fn total(&self) -> usize {
        self.idle + self.handshakes + self.requests + self.streams + self.upgrades
    }
}

/// As a log line has it: what there is none of is left out.
impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.requests, "requests"),
            (self.streams, "streams"),
            (self.upgrades, "upgrades"),
            (self.handshakes, "handshakes"),
            (self.idle, "at rest"),
        ];
        let mut between = "";
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{between}{count} {what}")?;
            between = ", ";
        }
        if between.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}

impl Status {
    /// How far the server is.
    pub fn phase(&self) -> Phase {
        match self.inner.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            2 => Phase::Draining,
            _ => Phase::Ended,
        }
    }

    /// True once another process has taken the sockets over, and this one drains for that reason.
    pub fn is_handed_over(&self) -> bool {
        self.inner.handed_over.load(Ordering::Acquire)
    }

    /// Connections of each core, those that wait to be let in included. Empty until the cores start.
    pub fn connections(&self) -> Vec<usize> {
        self.gauges().iter().map(|core| core.connections.load(Ordering::Relaxed)).collect()
    }

    /// What the server still waits for while it drains, over all cores, as of a quarter of a second ago at most; `None` in other
    /// phases: counting it in each request would cost each request.
    pub fn draining(&self) -> Option<Activity> {
        if self.phase() != Phase::Draining {
            return None;
        }
        let mut sum = Activity::default();
        for Gauges { open, .. } in self.gauges() {
            sum.idle += open.idle.load(Ordering::Relaxed);
            sum.handshakes += open.handshakes.load(Ordering::Relaxed);
            sum.requests += open.requests.load(Ordering::Relaxed);
            sum.streams += open.streams.load(Ordering::Relaxed);
            sum.upgrades += open.upgrades.load(Ordering::Relaxed);
        }
        Some(sum)
    }

    fn gauges(&self) -> &[Gauges] {
        self.inner.cores.get().map_or(&[], |cores| cores)
    }

    pub(super) fn set_cores(&self, count: usize) {
        let _ = self.inner.cores.set((0..count).map(|_| Gauges::default()).collect());
    }

    /// Goes on to a later phase; never back.
    pub(super) fn advance(&self, phase: Phase) {
        self.inner.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    pub(super) fn set_handed_over(&self) {
        self.inner.handed_over.store(true, Ordering::Release);
    }

    pub(super) fn publish(&self, core: CoreId, counted: &Activity) {
        let Some(Gauges { open, .. }) = self.gauges().get(core.index()) else { return };
        open.idle.store(counted.idle, Ordering::Relaxed);
        open.handshakes.store(counted.handshakes, Ordering::Relaxed);
        open.requests.store(counted.requests, Ordering::Relaxed);
        open.streams.store(counted.streams, Ordering::Relaxed);
        open.upgrades.store(counted.upgrades, Ordering::Relaxed);
    }

    /// Counts a connection to a core's load.
    pub(super) fn come(&self, core: CoreId) {
        if let Some(core) = self.gauges().get(core.index()) {
            core.connections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// And off it.
    pub(super) fn gone(&self, core: CoreId) {
        if let Some(core) = self.gauges().get(core.index()) {
            core.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The core that should have the next connection instead of `here`: the one with the fewest, if `here` is far above the mean.
    pub(super) fn better_than(&self, here: CoreId) -> Option<CoreId> {
        let cores = self.gauges();
        let (mut sum, mut least) = (0, (usize::MAX, 0));
        for (index, core) in cores.iter().enumerate() {
            let load = core.connections.load(Ordering::Relaxed);
            sum += load;
            least = least.min((load, index));
        }
        let mean = sum / cores.len().max(1);
        let mine = cores.get(here.index())?.connections.load(Ordering::Relaxed);
        (mine > mean + slack(mean)).then(|| CoreId::new(least.1))
    }
}

/// By how many connections a core may be above the mean: a few, and 1 in 64. Less would send connections from core to core
/// for nothing, more would let one core work while another waits.
fn slack(mean: usize) -> usize {
    4 + mean / 64
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("phase", &self.phase())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_do_not_go_back() {
        let status = Status::default();
        assert_eq!((status.phase(), status.connections().len()), (Phase::Starting, 0));
        for (to, want) in
            [(Phase::Serving, Phase::Serving), (Phase::Ended, Phase::Ended), (Phase::Draining, Phase::Ended)]
        {
            status.advance(to);
            assert_eq!(status.phase(), want);
        }
    }

    #[test]
    fn a_core_far_above_the_mean_sends_the_next_one_on() {
        for (why, loads, here, want) in [
            ("all empty", &[0, 0][..], 0, None),
            ("a few more are nothing", &[8, 0], 0, None),
            ("far above", &[10, 0], 0, Some(1)),
            ("far below keeps its own", &[10, 0], 1, None),
            ("1 in 64 is nothing", &[520, 500], 0, None),
            ("more than that is", &[530, 500], 0, Some(1)),
            ("to the one with the fewest", &[40, 9, 3, 7], 0, Some(2)),
            ("alone", &[1000], 0, None),
        ] {
            let status = Status::default();
            status.set_cores(loads.len());
            for (core, load) in loads.iter().enumerate() {
                (0..*load).for_each(|_| status.come(CoreId::new(core)));
            }
            let better = status.better_than(CoreId::new(here)).map(CoreId::index);
            assert_eq!(better, want, "{why}");
        }
    }

    #[test]
    fn a_line_leaves_out_what_there_is_none_of() {
        assert_eq!(Activity::default().to_string(), "nothing");
        let some = Activity { requests: 3, upgrades: 1, ..Activity::default() };
        assert_eq!((some.to_string().as_str(), some.total()), ("3 requests, 1 upgrades", 4));
    }
}
