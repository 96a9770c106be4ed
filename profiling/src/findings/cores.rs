//! Rules about cores: rates between two readings.

use corelane_runtime::blocking;
use corelane_runtime::mesh::CALLS_IN_FLIGHT_MAX;

use super::{CoreDelta, Evidence, Finding, Kind};

/// Nanoseconds in a second.
const SECOND: f64 = 1e9;

pub(super) fn look(evidence: &Evidence, found: &mut Vec<Finding>) {
    let seconds = evidence.seconds();
    for core in evidence.cores() {
        let rules = [cpu_shortage, saturated, long_turns, late_timers, panics, accept_backoff, small_writes];
        let own = rules.iter().filter_map(|rule| rule(&core, seconds));
        found.extend(own.chain(mailbox(&core)).chain(calls(&core, evidence)).map(|f| f.on(core.core())));
    }
    found.extend(imbalance(evidence));
    found.extend(connections(evidence));
    found.extend(blocking_pool(evidence));
}

fn cpu_shortage(core: &CoreDelta<'_>, seconds: f64) -> Option<Finding> {
    let part = core.grown(|core| core.delayed_ns) as f64 / SECOND / seconds;
    (part > 0.2).then(|| {
        let evidence = format!("its thread was ready and had no CPU for {:.0} % of the time", part * 100.0);
        let advice = "give the process CPUs of its own, or fewer cores (Server::cores)";
        Finding::new(Kind::CpuShortage, part, evidence, advice)
    })
}

fn saturated(core: &CoreDelta<'_>, seconds: f64) -> Option<Finding> {
    let part = core.grown(|core| core.ran_ns) as f64 / SECOND / seconds;
    (part > 0.95).then(|| {
        let requests = core.grown(|core| core.stats.requests) as f64 / seconds;
        let evidence =
            format!("{:.0} % of its CPU is used, at {requests:.0} requests a second", part * 100.0);
        let advice = "profile it (corelane profile cpu); then more cores, or less work per request";
        Finding::new(Kind::CoreSaturated, part * 0.5, evidence, advice)
    })
}

fn long_turns(core: &CoreDelta<'_>, _seconds: f64) -> Option<Finding> {
    let turns = core.grown(|core| core.stats.turns);
    let spent = core.grown(|core| core.stats.user_ns);
    let mean = spent as f64 / turns.max(1) as f64 / 1e6;
    // Of an idle core a few turns say nothing.
    (turns >= 20 && mean > 5.0).then(|| {
        let evidence = format!("a turn of its loop takes {mean:.1} ms on average, over {turns} turns");
        let advice = "tasks run long between awaits: yield_now in loops, blocking::run for heavy work";
        Finding::new(Kind::LongTurns, mean / 50.0, evidence, advice)
    })
}

fn late_timers(core: &CoreDelta<'_>, seconds: f64) -> Option<Finding> {
    let late = core.grown(|core| core.stats.late_turns);
    (late >= 5 && late as f64 / seconds > 0.5).then(|| {
        let evidence = format!("{late} timers fired more than 5 ms late in {seconds:.0} s");
        let advice = "the core is held or has no CPU: see task-holds-core, blocking-call and cpu-shortage";
        Finding::new(Kind::LateTimers, 0.2, evidence, advice)
    })
}

fn panics(core: &CoreDelta<'_>, seconds: f64) -> Option<Finding> {
    let panics = core.grown(|core| core.stats.panics);
    (panics > 0).then(|| {
        let requests = core.grown(|core| core.stats.requests).max(panics);
        let evidence = format!("{panics} panics in {seconds:.0} s, with {requests} requests");
        let advice = "the log names each place; a panic answers 500 and costs an unwinding";
        Finding::new(Kind::Panics, (panics as f64 / requests as f64).max(0.3), evidence, advice)
    })
}

fn accept_backoff(core: &CoreDelta<'_>, seconds: f64) -> Option<Finding> {
    let backoffs = core.grown(|core| core.stats.accept_backoffs);
    (backoffs > 0).then(|| {
        let evidence =
            format!("{backoffs} times in {seconds:.0} s there was no descriptor or memory to accept with");
        let advice = "raise the descriptor limit (LimitNOFILE=), or lower Limits::connections_per_core";
        Finding::new(Kind::AcceptBackoff, 0.9, evidence, advice)
    })
}

fn small_writes(core: &CoreDelta<'_>, seconds: f64) -> Option<Finding> {
    let sends = core.grown(|core| core.stats.sends);
    let requests = core.grown(|core| core.stats.requests);
    let bytes = core.grown(|core| core.stats.bytes_out) as f64 / sends.max(1) as f64;
    let many = sends as f64 / seconds > 500.0 && sends > requests.saturating_mul(4) && bytes < 256.0;
    many.then(|| {
        let per = sends as f64 / requests.max(1) as f64;
        let evidence = format!("{per:.0} writes per request, of {bytes:.0} bytes each");
        let advice = "gather what a streamed body sends: chunks of some kilobytes, not of a line";
        Finding::new(Kind::SmallWrites, 0.3, evidence, advice)
    })
}

fn mailbox(core: &CoreDelta<'_>) -> Option<Finding> {
    /// Messages that are many turns' work.
    const DEEP: u64 = 1000;
    let depth = core.after.stats.mailbox_depth.min(core.before.stats.mailbox_depth);
    (depth > DEEP).then(|| {
        let evidence = format!("{} messages from other threads wait", core.after.stats.mailbox_depth);
        let advice = "threads wake its tasks faster than it runs them: gather what they send";
        Finding::new(Kind::MailboxDeep, 0.6, evidence, advice)
    })
}

fn calls(core: &CoreDelta<'_>, evidence: &Evidence) -> Option<Finding> {
    let places = (CALLS_IN_FLIGHT_MAX * evidence.now().cores.len()) as u64;
    let pending = core.after.stats.calls_pending.min(core.before.stats.calls_pending);
    (pending * 4 > places * 3).then(|| {
        let evidence = format!("{pending} calls to other cores wait, of {places} that may be in flight");
        let advice = "state lives on the wrong core, or one core is asked by all: shard it, or ask for several at once";
        Finding::new(Kind::CallsBacklog, pending as f64 / places as f64, evidence, advice)
    })
}

fn imbalance(evidence: &Evidence) -> Option<Finding> {
    let used = |core: &CoreDelta<'_>| core.grown(|core| core.ran_ns) as f64 / SECOND / evidence.seconds();
    let busiest = evidence.cores().max_by(|a, b| used(a).total_cmp(&used(b)))?;
    let idlest = evidence.cores().min_by(|a, b| used(a).total_cmp(&used(b)))?;
    let (most, least) = (used(&busiest), used(&idlest));
    (most > 0.6 && least < most / 3.0).then(|| {
        let evidence = format!(
            "core {} uses {:.0} % of a CPU, core {} {:.0} %",
            busiest.core(),
            most * 100.0,
            idlest.core(),
            least * 100.0
        );
        let advice = "few long-lived connections spread badly: more connections per client, or the load balancer's own spread";
        Finding::new(Kind::CoreImbalance, (most - least) * 0.6, evidence, advice).on(busiest.core())
    })
}

fn connections(evidence: &Evidence) -> Option<Finding> {
    let sum =
        |figure: fn(&super::CoreDelta<'_>) -> u64| evidence.cores().map(|core| figure(&core)).sum::<u64>();
    let accepts = sum(|core| core.grown(|core| core.stats.accepts));
    let requests = sum(|core| core.grown(|core| core.stats.requests));
    let rate = accepts as f64 / evidence.seconds();
    (rate > 50.0 && requests < accepts * 2).then(|| {
        let per = requests as f64 / accepts as f64;
        let evidence = format!("{rate:.0} connections a second, with {per:.1} requests each");
        let advice =
            "let clients keep connections: keepalive in nginx's upstream block, a pool in other clients";
        Finding::new(Kind::ConnectionsNotReused, 0.4, evidence, advice)
    })
}

fn blocking_pool(evidence: &Evidence) -> Option<Finding> {
    let queued = |reading: &crate::watch::Reading| {
        reading.cores.iter().map(|core| core.blocking.queued).max().unwrap_or(0)
    };
    // At both ends: a queue of a moment is what a queue is for.
    let waiting = queued(evidence.before()).min(queued(evidence.now()));
    (waiting > 0).then(|| {
        let threads = evidence.now().cores.first().map_or(0, |core| core.blocking.threads);
        let most = blocking::QUEUE_MAX;
        let evidence = format!("{waiting} jobs or more wait for one of {threads} threads; at {most} they are refused");
        let advice = "more threads (Builder::blocking_threads) if jobs wait for disks, fewer or shorter jobs if they compute";
        Finding::new(Kind::BlockingPoolQueue, 0.3 + waiting as f64 / most as f64, evidence, advice)
    })
}
