//! Rules about the process: what it was built and started with, and what only grows.

use corelane_runtime::DriverKind;

use super::{Evidence, Finding, Kind};
use crate::watch::Reading;

/// A part of a bound that is worth a word.
const NEAR: f64 = 0.8;
const MIB: u64 = 1024 * 1024;

pub(super) fn look(evidence: &Evidence, found: &mut Vec<Finding>) {
    let now = evidence.now();
    let process = &now.process;
    let mut tell = |kind, cost, evidence, advice| found.push(Finding::new(kind, cost, evidence, advice));

    if process.debug_build {
        let what = "the program was built without optimisation".into();
        tell(Kind::DebugBuild, 0.9, what, "build with --release: it answers many times as many requests");
    }
    if now.cores.iter().any(|core| core.driver == DriverKind::Epoll) {
        let what = "the cores run on epoll".into();
        tell(
            Kind::EpollFallback,
            0.35,
            what,
            "let the process use io_uring: the start's log line says why it cannot (seccomp profile, sysctl kernel.io_uring_disabled)",
        );
    }
    if now.cores.len() as u64 > process.cpus {
        let what = format!("{} cores on {} CPUs", now.cores.len(), process.cpus);
        tell(
            Kind::TooManyCores,
            0.5,
            what,
            "start one core per CPU (the default), so that cores do not take turns",
        );
    }
    let (open, most) = process.descriptors;
    if open as f64 > most as f64 * NEAR {
        let what = format!("{open} of {most} descriptors are open");
        let advice = "raise the limit (LimitNOFILE= in systemd, ulimit -n), or look for what is not closed";
        tell(Kind::DescriptorPressure, open as f64 / most as f64, what, advice);
    }
    let (locked, most) = process.locked_bytes;
    if most < u64::MAX && locked as f64 > most as f64 * NEAR {
        let what = format!("{} of {} KiB of memory that may be locked are", locked / 1024, most / 1024);
        let advice = "raise the limit (LimitMEMLOCK= in systemd): rings and their buffers count against it on old kernels";
        tell(Kind::LockedMemoryPressure, 0.5, what, advice);
    }
    let (used, most) = process.group_bytes;
    if most < u64::MAX && used as f64 > most as f64 * 0.9 {
        let what = format!("{} of {} MiB that the control group may have are used", used / MIB, most / MIB);
        let advice = "raise the limit or lower the bounds (cores, buffer_bytes_per_core): at the limit the kernel ends the process";
        tell(Kind::MemoryPressure, used as f64 / most as f64, what, advice);
    }
    growth(evidence, found);
    if evidence.seconds() > 0.0 {
        rates(evidence, found);
    }
}

fn rates(evidence: &Evidence, found: &mut Vec<Finding>) {
    let (before, now, seconds) = (&evidence.before().process, &evidence.now().process, evidence.seconds());
    let throttled = now.throttled_periods.saturating_sub(before.throttled_periods);
    if throttled > 0 {
        // A period is 100 ms unless somebody set another.
        let part = throttled as f64 / 10.0 / seconds;
        let what =
            format!("in {throttled} periods of {seconds:.0} s the control group's CPU quota was used up");
        let advice =
            "raise the quota, or start no more cores than it pays for: a core that is stopped answers nobody";
        found.push(Finding::new(Kind::CpuThrottled, part.max(0.3), what, advice));
    }
    let faults = now.major_faults.saturating_sub(before.major_faults) as f64 / seconds;
    if faults > 10.0 || now.swapped_bytes > 16 * MIB {
        let what = format!(
            "{:.0} page faults a second wait for a disk, {} MiB are swapped out",
            faults,
            now.swapped_bytes / MIB
        );
        let advice = "give the machine more memory, or the process less to keep: a core that waits for a disk answers nobody";
        found.push(Finding::new(Kind::Swapping, 0.7, what, advice));
    }
}

/// What grew from each reading to the next, over a minute and more.
fn growth(evidence: &Evidence, found: &mut Vec<Finding>) {
    let sum = |figure: fn(&crate::watch::CoreReading) -> u64| {
        move |reading: &Reading| reading.cores.iter().map(figure).sum::<u64>()
    };
    let first = evidence.readings.first().unwrap_or_else(|| evidence.now());
    let accepts = sum(|core| core.stats.accepts);
    let accepted = accepts(evidence.now()).saturating_sub(accepts(first));
    let tasks = evidence.only_grows(sum(|core| core.stats.tasks));
    // Connections are tasks, too, and may well become more.
    if tasks > 200 && tasks > accepted * 2 {
        let what = format!(
            "{tasks} tasks more than at first, and more each time; {accepted} connections came meanwhile"
        );
        let advice = "tasks that never end: give what they await a deadline, or abort their handles";
        found.push(Finding::new(Kind::TaskLeak, 0.6, what, advice));
    }
    let leases = evidence.only_grows(sum(|core| core.stats.leases_out));
    if leases > 200 && leases > accepted * 2 {
        let what = format!("{leases} buffers more than at first are in use, and more each time");
        let advice = "something keeps pieces of requests (Chunk, View, Bytes): copy what is to be kept";
        found.push(Finding::new(Kind::LeaseLeak, 0.6, what, advice));
    }
    let threads = evidence.only_grows(|reading| reading.process.threads);
    if threads > 20 {
        let what = format!("{threads} threads more than at first, and more each time");
        let advice =
            "something starts threads and does not end them: use blocking::run, whose pool is bounded";
        found.push(Finding::new(Kind::ThreadGrowth, 0.4, what, advice));
    }
    let resident = evidence.only_grows(|reading| reading.process.resident_bytes);
    let now = evidence.now().process.resident_bytes;
    if resident > 32 * MIB && resident * 5 > now {
        let what =
            format!("{} MiB more than at first, and more each time; {} MiB now", resident / MIB, now / MIB);
        let advice = "see which sites allocate what stays: corelane profile heap";
        found.push(Finding::new(Kind::MemoryGrowth, resident as f64 / now as f64, what, advice));
    }
}
