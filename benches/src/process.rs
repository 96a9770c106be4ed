//! What `/proc` says about a process: processor time and resident memory.
//!
//! ```
//! use corelane_benches::process::{CpuTime, resident_bytes};
//!
//! let id = std::process::id();
//! let before = CpuTime::of(id)?;
//! assert!(CpuTime::of(id)?.since(before).on_core <= std::time::Duration::from_secs(60));
//! assert!(resident_bytes(id)? > 100_000);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fs;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One tick of `/proc/PID/stat`. The kernel's `USER_HZ` is 100 on every architecture that has io_uring.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of a process over all its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// Time on a core, from the scheduler (`/proc/PID/task/*/schedstat`): exact but for the running slice.
    /// Threads that have ended no longer count.
    pub on_core: Duration,
    /// Part of it in user space (`/proc/PID/stat`): in ticks, and split by sampling at the kernel's `HZ`. Add it up
    /// over many seconds before reading anything into it.
    pub user: Duration,
    /// The part in the kernel, with the same caveat.
    pub system: Duration,
}

impl CpuTime {
    /// Time that process `id` has used so far.
    ///
    /// # Errors
    /// If there is no such process, or `/proc` is not what we know.
    pub fn of(id: u32) -> io::Result<Self> {
        let mut on_core = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{id}/task"))? {
            match fs::read_to_string(task?.path().join("schedstat")) {
                Ok(text) => on_core += parse_schedstat(&text).ok_or_else(|| malformed("schedstat"))?,
                // The thread ended between the two reads.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
        let (user, system) = parse_stat(&text).ok_or_else(|| malformed("stat"))?;
        Ok(Self { on_core, user, system })
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            on_core: self.on_core.saturating_sub(earlier.on_core),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// Resident memory of process `id` in bytes, counted by walking its pages (`/proc/PID/smaps_rollup`): the cheaper
/// `statm` lags behind by up to 64 pages a core.
///
/// # Errors
/// If there is no such process, or it is not ours to look at.
pub fn resident_bytes(id: u32) -> io::Result<u64> {
    parse_rollup(&fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?)
        .ok_or_else(|| malformed("smaps_rollup"))
}

fn malformed(file: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, file)
}

fn parse_schedstat(text: &str) -> Option<Duration> {
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Fields 14 and 15. They are counted from the last `)`: the second field is a name in parentheses that may hold
/// spaces and parentheses itself.
fn parse_stat(text: &str) -> Option<(Duration, Duration)> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || Some(TICK * fields.next()?.parse::<u32>().ok()?);
    Some((ticks()?, ticks()?))
}

fn parse_rollup(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(parse_schedstat("123456789 45468 1\n"), Some(Duration::from_nanos(123_456_789)));
        let stat = "71 (a) b (c)) S 1 71 71 0 -1 4194560 100 0 0 0 103 207 0 0 20 0 1 0 5 0 0";
        assert_eq!(parse_stat(stat), Some((Duration::from_millis(1030), Duration::from_millis(2070))));
        let rollup =
            "5600-7ffe ---p 00000000 00:00 0   [rollup]\nRss:                1024 kB\nPss:    12 kB\n";
        assert_eq!(parse_rollup(rollup), Some(1024 * 1024));
    }

    #[test]
    fn says_when_it_does_not_understand() {
        assert_eq!(parse_schedstat(""), None);
        assert_eq!(parse_stat("71 (name) S 1 2"), None);
        assert_eq!(parse_rollup("Rss: many\n"), None);
    }

    #[test]
    fn work_shows() {
        let before = CpuTime::of(std::process::id()).unwrap();
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        assert!(CpuTime::of(std::process::id()).unwrap().since(before).on_core > Duration::from_millis(1));
    }
}
