//! What a runtime runs on.

use std::fmt;

use super::RingOptions;
use crate::driver::{DriverKind, Findings};

/// Flags an io_uring was set up with; all off for epoll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingFlags {
    /// Only one thread submits; the kernel may skip locks.
    pub single_issuer: bool,
    /// Completions do not interrupt the thread.
    pub coop_taskrun: bool,
    /// Completions are worked on only when the thread asks for them.
    pub defer_taskrun: bool,
}

impl fmt::Display for RingFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.single_issuer, "SINGLE_ISSUER"),
            (self.coop_taskrun, "COOP_TASKRUN"),
            (self.defer_taskrun, "DEFER_TASKRUN"),
        ];
        let mut any = false;
        for (_, name) in names.iter().filter(|(set, _)| *set) {
            if any {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
            any = true;
        }
        if any { Ok(()) } else { f.write_str("no flags") }
    }
}

/// What a runtime runs on, and why it is not something better. `Display` is the log line.
#[derive(Debug, Clone)]
pub struct RuntimeInfo {
    driver: DriverKind,
    flags: RingFlags,
    options: RingOptions,
    cores: usize,
    cpus: Vec<Option<usize>>,
    notes: Vec<String>,
}

impl RuntimeInfo {
    /// Sums up the cores; the first speaks for all, and notes say where another differs.
    pub(super) fn new(cores: Vec<(DriverKind, Findings, Option<usize>)>) -> RuntimeInfo {
        let (driver, flags, options, mut notes) = match cores.first() {
            Some((driver, findings, _)) => {
                (*driver, findings.flags, findings.options, findings.notes.clone())
            }
            None => unreachable!("a runtime has a core"),
        };
        for (index, (other, findings, _)) in cores.iter().enumerate() {
            if (*other, findings.flags, findings.options) != (driver, flags, options) {
                let flags = findings.flags;
                notes.push(format!(
                    "core {index} differs: {other} with {flags}: {}",
                    findings.notes.join("; ")
                ));
            }
        }
        let cpus = cores.iter().map(|(_, _, cpu)| *cpu).collect();
        RuntimeInfo { driver, flags, options, cores: cores.len(), cpus, notes }
    }

    /// The driver.
    pub fn driver(&self) -> DriverKind {
        self.driver
    }

    /// The flags of the ring; all off for epoll.
    pub fn ring_flags(&self) -> RingFlags {
        self.flags
    }

    /// The ring's options in force; none of them on the other drivers.
    pub fn ring_options(&self) -> RingOptions {
        self.options
    }

    /// Number of cores.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// The CPU each core is pinned to, by the kernel's numbers; `None` where it is not pinned.
    pub fn cpus(&self) -> &[Option<usize>] {
        &self.cpus
    }

    /// Why each better driver or set of flags was not taken, best first. Empty if the best was.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// True if something better was tried and refused by the kernel.
    pub fn is_stepped_down(&self) -> bool {
        !self.notes.is_empty()
    }
}

impl fmt::Display for RuntimeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} core{} on {}", self.cores, if self.cores == 1 { "" } else { "s" }, self.driver)?;
        if self.driver != DriverKind::Epoll {
            write!(f, " with {}{}", self.flags, self.options)?;
        }
        if self.is_stepped_down() {
            write!(f, " (stepped down: {})", self.notes.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_line_says_what_was_not_to_be_had() {
        let best = RingFlags { single_issuer: true, coop_taskrun: true, defer_taskrun: true };
        let found = |flags, notes: &[&str]| Findings {
            flags,
            options: RingOptions::NONE,
            notes: notes.iter().map(ToString::to_string).collect(),
        };
        for (why, cores, want) in [
            (
                "nothing stepped down",
                vec![(DriverKind::Uring, found(best, &[]), None)],
                "1 core on io_uring with SINGLE_ISSUER COOP_TASKRUN DEFER_TASKRUN",
            ),
            (
                "no ring at all",
                vec![(DriverKind::Epoll, found(RingFlags::default(), &["io_uring: denied"]), Some(0)); 2],
                "2 cores on epoll (stepped down: io_uring: denied)",
            ),
            (
                "one core differs",
                vec![
                    (DriverKind::Uring, found(best, &[]), Some(0)),
                    (DriverKind::Epoll, found(RingFlags::default(), &["no memory"]), Some(1)),
                ],
                "2 cores on io_uring with SINGLE_ISSUER COOP_TASKRUN DEFER_TASKRUN \
                 (stepped down: core 1 differs: epoll with no flags: no memory)",
            ),
        ] {
            assert_eq!(RuntimeInfo::new(cores).to_string(), want, "{why}");
        }
    }
}
