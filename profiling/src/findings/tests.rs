//! A fault planted in the figures of a healthy process, for each kind; and the healthy process.

use std::time::{Duration, Instant};

use corelane_runtime::{DriverKind, observe, stats};

use super::*;
use crate::watch::{CoreReading, ProcessReading, Reading, StallCause};

const MIB: u64 = 1024 * 1024;

/// Two cores that serve 5,000 requests a second each over kept connections, for seventy seconds.
fn healthy() -> Evidence {
    let stats = corelane_runtime::block_on(async { stats::local() });
    let blocking = corelane_runtime::block_on(async { corelane_runtime::blocking::stats() });
    let began = Instant::now();
    let readings = (0..8u64).map(|index| {
        let seconds = index * 10;
        let core = |id: usize| {
            let mut stats = stats;
            stats.core = core_ids()[id];
            stats.requests = seconds * 5_000;
            stats.sends = stats.requests;
            stats.bytes_out = stats.requests * 800;
            stats.accepts = 100 + seconds;
            stats.turns = seconds * 4_000;
            stats.user_ns = seconds * 300_000_000;
            stats.tasks = 120 + index % 3;
            stats.leases_out = 40 - index % 2;
            let (ran_ns, delayed_ns) = (seconds * 500_000_000, seconds * 10_000_000);
            CoreReading { stats, driver: DriverKind::Uring, ran_ns, delayed_ns, blocking, routes: Vec::new() }
        };
        let process = ProcessReading {
            debug_build: false,
            cpus: 2,
            descriptors: (300, 65_536),
            locked_bytes: (64 * 1024, 8 * MIB),
            resident_bytes: 80 * MIB + index % 2 * MIB,
            group_bytes: (100 * MIB, 1024 * MIB),
            swapped_bytes: 0,
            threads: 6,
            major_faults: 12,
            throttled_periods: 0,
        };
        Reading { at: began + Duration::from_secs(seconds), cores: vec![core(0), core(1)], process }
    });
    Evidence { readings: readings.collect(), stalls: Vec::new() }
}

/// Ids of two cores, which only a runtime makes.
fn core_ids() -> [corelane_runtime::CoreId; 2] {
    static IDS: std::sync::OnceLock<[corelane_runtime::CoreId; 2]> = std::sync::OnceLock::new();
    *IDS.get_or_init(|| {
        let runtime = corelane_runtime::Runtime::builder().cores(Some(2)).pin(false);
        let runtime = runtime.start(|_| async { corelane_runtime::shutdown::draining().await }).unwrap();
        let stats = runtime.core_stats();
        runtime.shutdown_now();
        runtime.join().unwrap();
        let _ = observe::cores();
        [stats[0].core, stats[1].core]
    })
}

fn stall(cause: StallCause, stack: &[&str]) -> NamedStall {
    let stack = stack.iter().map(ToString::to_string).collect();
    NamedStall { core: 1, held: Duration::from_millis(40), cause, route: Some("GET /slow".into()), stack }
}

#[test]
fn a_healthy_process_has_no_findings() {
    assert_eq!(find(&healthy()), []);
    // Just started: one reading, nothing to tell rates from.
    let mut young = healthy();
    young.readings.truncate(1);
    assert_eq!(find(&young), []);
}

/// Changes each reading by its number, 0 to 7.
fn plant(change: impl Fn(&mut Reading, u64)) -> Evidence {
    let mut evidence = healthy();
    for (index, reading) in evidence.readings.iter_mut().enumerate() {
        change(reading, index as u64);
    }
    evidence
}

fn plant_stall(cause: StallCause, stack: &[&str]) -> Evidence {
    let mut evidence = healthy();
    evidence.stalls.push(stall(cause, stack));
    evidence
}

#[test]
fn each_planted_fault_is_named_and_nothing_else() {
    let lock = ["syscall", "std::sys::sync::mutex::futex::Mutex::lock_contended", "app::slow"];
    let nth = |reading: &mut Reading, core: usize, change: &dyn Fn(&mut CoreReading)| {
        change(&mut reading.cores[core])
    };
    let cases: Vec<(Kind, Evidence)> = vec![
        (Kind::TaskHoldsCore, plant_stall(StallCause::Running, &["core::iter::fold", "app::primes"])),
        (
            Kind::BlockingCall,
            plant_stall(StallCause::Blocked, &["clock_nanosleep", "std::thread::sleep", "app::slow"]),
        ),
        (Kind::LockContention, plant_stall(StallCause::Blocked, &lock)),
        (Kind::CpuShortage, plant(|r, i| nth(r, 0, &|c| c.delayed_ns = i * 4_000_000_000))),
        (Kind::CpuThrottled, plant(|r, i| r.process.throttled_periods = i * 10)),
        (Kind::CoreSaturated, plant(|r, i| r.cores.iter_mut().for_each(|c| c.ran_ns = i * 9_900_000_000))),
        (
            Kind::CoreImbalance,
            plant(|r, i| {
                r.cores[0].ran_ns = i * 9_000_000_000;
                r.cores[1].ran_ns = i * 500_000_000;
            }),
        ),
        (Kind::TooManyCores, plant(|r, _| r.process.cpus = 1)),
        (
            Kind::LongTurns,
            plant(|r, i| {
                nth(r, 1, &|c| {
                    c.stats.turns = i * 1_000;
                    c.stats.user_ns = i * 8_000_000_000;
                })
            }),
        ),
        (Kind::LateTimers, plant(|r, i| nth(r, 1, &|c| c.stats.late_turns = i * 30))),
        (Kind::MailboxDeep, plant(|r, _| nth(r, 0, &|c| c.stats.mailbox_depth = 5_000))),
        (Kind::CallsBacklog, plant(|r, _| nth(r, 0, &|c| c.stats.calls_pending = 60))),
        (Kind::BlockingPoolQueue, plant(|r, _| nth(r, 0, &|c| c.blocking.queued = 200))),
        (Kind::Panics, plant(|r, i| nth(r, 0, &|c| c.stats.panics = i))),
        (Kind::AcceptBackoff, plant(|r, i| nth(r, 0, &|c| c.stats.accept_backoffs = i))),
        (Kind::DescriptorPressure, plant(|r, _| r.process.descriptors = (900, 1024))),
        (Kind::LockedMemoryPressure, plant(|r, _| r.process.locked_bytes = (60 * 1024, 64 * 1024))),
        (Kind::EpollFallback, plant(|r, _| r.cores.iter_mut().for_each(|c| c.driver = DriverKind::Epoll))),
        (Kind::DebugBuild, plant(|r, _| r.process.debug_build = true)),
        (
            Kind::ConnectionsNotReused,
            plant(|r, i| r.cores.iter_mut().for_each(|c| c.stats.accepts = i * 45_000)),
        ),
        (
            Kind::SmallWrites,
            plant(|r, i| {
                nth(r, 0, &|c| {
                    c.stats.sends = i * 10 * 50_000;
                    c.stats.bytes_out = c.stats.sends * 30;
                })
            }),
        ),
        (Kind::TaskLeak, plant(|r, i| nth(r, 0, &|c| c.stats.tasks = 120 + i * 200))),
        (Kind::LeaseLeak, plant(|r, i| nth(r, 0, &|c| c.stats.leases_out = 40 + i * 200))),
        (Kind::MemoryGrowth, plant(|r, i| r.process.resident_bytes = (80 + 20 * i) * MIB)),
        (Kind::MemoryPressure, plant(|r, _| r.process.group_bytes = (990 * MIB, 1024 * MIB))),
        (Kind::Swapping, plant(|r, i| r.process.major_faults = i * 1_000)),
        (Kind::ThreadGrowth, plant(|r, i| r.process.threads = 6 + i * 10)),
    ];
    for (kind, evidence) in &cases {
        let found = find(evidence);
        let kinds: Vec<Kind> = found.iter().map(|finding| finding.kind).collect();
        assert!(
            !kinds.is_empty() && kinds.iter().all(|found| found == kind),
            "{kind:?} was planted: {found:#?}"
        );
        assert!(found.iter().all(|f| !f.advice.is_empty() && (0.0..=1.0).contains(&f.cost)), "{found:#?}");
    }
}

#[test]
fn a_stall_is_told_with_its_route_place_and_stack() {
    let found = find(&plant_stall(StallCause::Running, &["core::iter::fold", "app::primes", "app::slow"]));
    let [finding] = &found[..] else { panic!("{found:?}") };
    assert_eq!((finding.core, finding.route.as_deref()), (Some(1), Some("GET /slow")));
    assert!(finding.evidence.contains("app::primes"), "not the library's: {}", finding.evidence);
    assert_eq!(finding.stack.len(), 3);
    let told = finding.to_string();
    assert!(told.contains("task-holds-core, core 1, GET /slow"), "{told}");
}

#[test]
fn growth_that_pauses_once_and_growth_with_the_connections_are_no_leak() {
    let pausing = plant(|reading, index| {
        reading.cores[0].stats.tasks = 120 + (index - u64::from(index > 4)) * 200;
        reading.cores[1].stats.tasks = 120;
    });
    assert_eq!(find(&pausing), []);
    let busy = plant(|reading, index| {
        reading.cores[0].stats.tasks = 120 + index * 200;
        reading.cores[0].stats.accepts = 100 + index * 200;
    });
    assert_eq!(find(&busy), []);
}
