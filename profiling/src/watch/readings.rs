//! Figures of the process at one moment.

use std::fs;
use std::time::Instant;

use corelane_runtime::DriverKind;
use corelane_runtime::blocking::BlockingStats;
use corelane_runtime::observe::{self, Route};
use corelane_runtime::stats::CoreStats;

use super::core::Schedule;

/// All that is read at one moment. The fields may be changed: a test of a rule does.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When.
    pub at: Instant,
    /// Of each core, but those of the admin listener.
    pub cores: Vec<CoreReading>,
    /// Of the process.
    pub process: ProcessReading,
}

/// Figures of one core.
#[derive(Debug, Clone)]
pub struct CoreReading {
    /// What it counts itself.
    pub stats: CoreStats,
    /// What it asks the kernel by.
    pub driver: DriverKind,
    /// Nanoseconds its thread was on a CPU.
    pub ran_ns: u64,
    /// Nanoseconds its thread was ready and had no CPU.
    pub delayed_ns: u64,
    /// The blocking pool of its runtime.
    pub blocking: BlockingStats,
    /// Requests by route.
    pub routes: Vec<(Route, u64)>,
}

/// Figures of the process. What the kernel does not tell is 0, and a bound that there is not is `u64::MAX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessReading {
    /// True if it was built without optimisation.
    pub debug_build: bool,
    /// CPUs it may run on.
    pub cpus: u64,
    /// Descriptors that are open, and how many may be.
    pub descriptors: (u64, u64),
    /// Locked memory in bytes, and how much may be.
    pub locked_bytes: (u64, u64),
    /// Memory that is resident, in bytes.
    pub resident_bytes: u64,
    /// Memory of the control group in bytes, and how much it may have.
    pub group_bytes: (u64, u64),
    /// Bytes that are swapped out.
    pub swapped_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Page faults that had to wait for a disk, since the start.
    pub major_faults: u64,
    /// Periods in which the control group was out of CPU.
    pub throttled_periods: u64,
}

impl Reading {
    /// Takes one. Reads a dozen files below `/proc` and `/sys`: not for cores.
    pub fn take() -> Reading {
        let cores = observe::cores().into_iter().filter(|core| !is_admin(core.thread()));
        let cores = cores.map(|core| {
            let schedule = Schedule::of(core.thread()).unwrap_or_default();
            let routes = Route::all().map(|route| (route, core.requests(route)));
            CoreReading {
                stats: core.stats(),
                driver: core.driver(),
                ran_ns: schedule.ran,
                delayed_ns: schedule.waited,
                blocking: core.blocking(),
                routes: routes.filter(|(_, requests)| *requests > 0).collect(),
            }
        });
        Reading { at: Instant::now(), cores: cores.collect(), process: ProcessReading::take() }
    }
}

/// True for the thread of the admin listener, which names itself.
pub(super) fn is_admin(thread: u32) -> bool {
    fs::read_to_string(format!("/proc/self/task/{thread}/comm"))
        .is_ok_and(|name| name.trim() == "corelane-admin")
}

impl ProcessReading {
    fn take() -> ProcessReading {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (status, limits, stat) =
            (read("/proc/self/status"), read("/proc/self/limits"), read("/proc/self/stat"));
        let group = group_folder(&read("/proc/self/cgroup"));
        let number = |text: &str| text.trim().parse::<u64>().ok();
        ProcessReading {
            debug_build: cfg!(debug_assertions),
            cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
            descriptors: (
                fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
                limit(&limits, "Max open files"),
            ),
            locked_bytes: (field(&status, "VmLck:") * 1024, limit(&limits, "Max locked memory")),
            resident_bytes: field(&status, "VmRSS:") * 1024,
            group_bytes: (
                number(&read(&format!("{group}/memory.current"))).unwrap_or(0),
                number(&read(&format!("{group}/memory.max"))).unwrap_or(u64::MAX),
            ),
            swapped_bytes: field(&status, "VmSwap:") * 1024,
            threads: field(&status, "Threads:"),
            major_faults: major_faults(&stat),
            throttled_periods: field(&read(&format!("{group}/cpu.stat")), "nr_throttled"),
        }
    }
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The soft limit of a row of `/proc/PID/limits`; `u64::MAX` for none.
fn limit(text: &str, name: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX)
}

/// The twelfth field of `/proc/PID/stat`, counted behind the name in parentheses, which may hold spaces.
fn major_faults(stat: &str) -> u64 {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().nth(9).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Where the figures of the process's control group are (cgroups(7), version 2).
fn group_folder(membership: &str) -> String {
    let path = membership.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    format!("/sys/fs/cgroup{}", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_understood() {
        assert_eq!(field("VmRSS:\t  1234 kB\nThreads:\t7\n", "Threads:"), 7);
        assert_eq!(field("nr_periods 3\nnr_throttled 2\n", "nr_throttled"), 2);
        assert_eq!(field("", "VmRSS:"), 0, "not told");
        let limits = "Max open files            1024                 4096                 files\n\
                      Max locked memory         unlimited            unlimited            bytes\n";
        assert_eq!((limit(limits, "Max open files"), limit(limits, "Max locked memory")), (1024, u64::MAX));
        assert_eq!(major_faults("12 (a ) b) S 1 2 3 4 5 6 7 8 99 10"), 99, "a name may be anything");
        assert_eq!(group_folder("0::/system.slice/x.service\n"), "/sys/fs/cgroup/system.slice/x.service");
        assert_eq!(group_folder("0::/\n"), "/sys/fs/cgroup");
        let reading = ProcessReading::take();
        assert!(
            reading.resident_bytes > 1 << 20 && reading.threads > 0 && reading.descriptors.0 > 2,
            "{reading:?}"
        );
    }
}
