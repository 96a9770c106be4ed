//! Which parts of io_uring this kernel has, found out by using them.

use std::fmt;
use std::io;

use io_uring::IoUring;

use crate::launch::{RingFlags, RingOptions};

/// A set of ring flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// A kernel thread takes submissions, and sleeps after so many milliseconds without any.
    Polled(u32),
    /// Completions are worked on only inside `io_uring_enter` (Linux 6.1).
    Deferred,
    /// Completions do not interrupt the thread (5.19, single issuer 6.0).
    Cooperative,
    /// Neither.
    Plain,
}

impl Setup {
    /// What to try, best first.
    pub(super) fn to_try(wanted: RingOptions) -> impl Iterator<Item = Self> {
        let polled = wanted
            .submission_poll
            .map(|idle| Self::Polled(u32::try_from(idle.as_millis()).unwrap_or(u32::MAX).max(1)));
        polled.into_iter().chain([Self::Deferred, Self::Cooperative, Self::Plain])
    }

    pub(super) fn build(self, submissions: u32, completions: u32) -> io::Result<IoUring> {
        let mut builder = IoUring::builder();
        builder.setup_clamp().setup_cqsize(completions).dontfork();
        match self {
            Self::Polled(idle_ms) => {
                builder.setup_submit_all().setup_single_issuer().setup_sqpoll(idle_ms);
            }
            Self::Deferred => {
                builder.setup_submit_all().setup_single_issuer().setup_coop_taskrun().setup_defer_taskrun();
                builder.setup_taskrun_flag();
            }
            Self::Cooperative => {
                builder.setup_submit_all().setup_single_issuer().setup_coop_taskrun();
                builder.setup_taskrun_flag();
            }
            Self::Plain => {}
        }
        builder.build(submissions)
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Polled(_) => "submission polling",
            Self::Deferred => "single-issuer, coop-taskrun, defer-taskrun",
            Self::Cooperative => "single-issuer, coop-taskrun",
            Self::Plain => "plain",
        })
    }
}

/// What the driver found and uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    /// The ring flags in force.
    pub(crate) setup: Setup,
    /// Sends that the socket takes whole are not answered by a completion.
    pub(crate) skip_success: bool,
    /// Sends name sockets by their place in a table of the ring.
    pub(crate) registered_files: bool,
    /// Sleeping is not accounted as waiting for a disk.
    pub(crate) no_iowait: bool,
    /// What of the options is in force.
    pub(crate) options: RingOptions,
}

impl Features {
    /// Names of what this kernel lacks. The driver does without.
    pub(crate) fn missing(self, wanted: RingOptions) -> impl Iterator<Item = &'static str> {
        let polled = self.options.submission_poll.is_some();
        [
            (self.skip_success || polled, "sends without completions"),
            (self.registered_files || polled, "registered files"),
            (self.options.zero_copy_from == wanted.zero_copy_from, "zero-copy sends"),
            (self.options.message_doorbells == wanted.message_doorbells, "messages between rings"),
            (self.no_iowait, "sleep outside iowait"),
        ]
        .into_iter()
        .filter_map(|(has, name)| (!has).then_some(name))
    }

    /// The flags in the runtime's own words.
    pub(crate) fn flags(self) -> RingFlags {
        RingFlags {
            single_issuer: self.setup != Setup::Plain,
            coop_taskrun: matches!(self.setup, Setup::Deferred | Setup::Cooperative),
            defer_taskrun: self.setup == Setup::Deferred,
        }
    }
}
