//! The two queues shared with the kernel, and the one system call.
//!
//! Nothing above this file sees `io_uring_enter`. What it promises: [`push`](Uring::push) never
//! fails for want of room, [`turn`](Uring::turn) returns with the submission queue empty and with
//! every completion that existed at that moment, also those the kernel held back because the
//! completion queue was full.

use std::io;
use std::time::{Duration, Instant};

use io_uring::{EnterFlags, IoUring, cqueue, squeue, types};

use super::features::Setup;
use crate::launch::RingOptions;

/// Rounds in a row that may hand nothing over before the turn gives up and leaves the rest to the
/// next one. A kernel short of memory refuses; asking it in a tight loop does not make more.
const REFUSALS_MAX: u32 = 16;

/// How long the core rests when the kernel goes on refusing.
const REFUSED_NAP: Duration = Duration::from_millis(1);

/// How long a turn may sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all: there are tasks to run.
    No,
    /// Until something completes or this long.
    AtMost(Duration),
    /// Until something completes.
    Forever,
}

/// Counts of what is rare and worth seeing.
#[derive(Clone, Copy, Debug, Default)]
#[allow(dead_code, reason = "read by Debug, for the log")]
pub(crate) struct UringStats {
    /// `io_uring_enter` calls.
    pub(crate) enters: u64,
    /// Times the submission queue was full and was handed over in the middle of a turn.
    pub(crate) early_submits: u64,
    /// Times the kernel held completions back because the queue was full.
    pub(crate) overflows: u64,
    /// Times the kernel refused an enter for want of memory or room.
    pub(crate) refusals: u64,
}

/// One core's ring.
pub(super) struct Uring {
    ring: IoUring,
    enter_flags: EnterFlags,
    /// A kernel thread takes submissions.
    polled: bool,
    /// How long to watch the completion queue before a sleep.
    busy_poll: Option<Duration>,
    /// Completions taken out while a push made room. Delivered by the next turn.
    early: Vec<cqueue::Entry>,
    stats: UringStats,
    /// Errors the next enters fail with instead of entering.
    #[cfg(test)]
    pub(super) faults: std::collections::VecDeque<i32>,
}

impl Uring {
    /// Creates the ring with the first set of flags the kernel accepts, best first, and says why the
    /// better ones were not.
    ///
    /// # Errors
    /// What `io_uring_setup` says when no set is accepted: `ENOSYS` without io_uring, `EPERM`
    /// where a seccomp profile or `kernel.io_uring_disabled` forbids it.
    pub(super) fn new(
        submissions: u32,
        completions: u32,
        wanted: RingOptions,
    ) -> io::Result<(Self, Setup, Vec<String>)> {
        let mut refused = io::Error::from_raw_os_error(libc::ENOSYS);
        let mut notes = Vec::new();
        for setup in Setup::to_try(wanted) {
            match setup.build(submissions, completions) {
                Ok(ring) => {
                    let mut enter_flags = EnterFlags::EXT_ARG | EnterFlags::GETEVENTS;
                    if ring.params().is_feature_no_iowait() {
                        enter_flags |= EnterFlags::NO_IOWAIT;
                    }
                    let uring = Self {
                        ring,
                        enter_flags,
                        polled: matches!(setup, Setup::Polled(_)),
                        busy_poll: wanted.busy_poll,
                        early: Vec::new(),
                        stats: UringStats::default(),
                        #[cfg(test)]
                        faults: std::collections::VecDeque::new(),
                    };
                    return Ok((uring, setup, notes));
                }
                Err(error) => {
                    notes.push(format!("{setup}: {error}"));
                    refused = error;
                }
            }
        }
        Err(refused)
    }

    /// The ring itself, to register things with it.
    pub(super) fn ring(&self) -> &IoUring {
        &self.ring
    }

    /// True if a kernel thread takes submissions, in its own time: when an enter returns, nothing is
    /// known of what was submitted.
    pub(super) fn is_polled(&self) -> bool {
        self.polled
    }

    /// Counts since the ring was made.
    pub(super) fn stats(&self) -> UringStats {
        self.stats
    }

    /// Queues one entry for the next turn; hands the queue over first when it is full.
    ///
    /// # Safety
    /// Memory the entry points to must stay valid until its completion has been seen or, for an
    /// entry that is decided while it is submitted, until the turn that submits it returns.
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: the caller's promise is the one `push` asks for.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.stats.early_submits += 1;
            self.make_room();
        }
    }

    /// Submits without waiting until the queue has room.
    fn make_room(&mut self) {
        let mut refusals = 0;
        while self.ring.submission().is_full() {
            if self.enter(0, None).is_err() {
                refusals += 1;
                if refusals > REFUSALS_MAX {
                    // The kernel is out of memory for requests. There is nothing to run before
                    // this entry is in, so give it a moment; one that never recovers stops the
                    // core, as it stops every program.
                    std::thread::sleep(REFUSED_NAP);
                }
            }
            self.early.extend(self.ring.completion());
        }
    }

    /// Hands over what is queued, sleeps as `wait` allows, and appends all completions to `out`.
    ///
    /// Returns `true` when the submission queue is empty and no completion was left with the
    /// kernel: whatever was submitted and was decided on the spot has been heard of.
    pub(super) fn turn(&mut self, wait: Wait, out: &mut Vec<cqueue::Entry>) -> bool {
        out.append(&mut self.early);
        let timeout = match wait {
            Wait::AtMost(duration) => Some(types::Timespec::from(duration)),
            Wait::No | Wait::Forever => None,
        };
        let mut ready = !out.is_empty() || !self.ring.completion().is_empty();
        let mut refusals = 0;
        if let Some(time) = self.busy_poll
            && !ready
            && !matches!(wait, Wait::No)
        {
            ready = self.watch(time, wait);
        }
        let want = u32::from(!ready && !matches!(wait, Wait::No));
        if let Err(error) = self.enter(want, timeout.as_ref()) {
            refusals += u32::from(is_refusal(&error));
        }
        loop {
            out.extend(self.ring.completion());
            let (unsubmitted, overflown) = {
                let queue = self.ring.submission();
                // A kernel thread takes them when it comes to it.
                (!queue.is_empty() && !self.polled, queue.cq_overflow())
            };
            if !unsubmitted && !overflown {
                return true;
            }
            self.stats.overflows += u64::from(overflown);
            if refusals > REFUSALS_MAX {
                // Asking again at once would only spin.
                std::thread::sleep(REFUSED_NAP);
                return false;
            }
            if self.enter(0, None).is_err() {
                refusals += 1;
            }
        }
    }

    /// Hands over what is queued and watches for completions. True if some have come, or `wait`
    /// is over.
    fn watch(&mut self, time: Duration, wait: Wait) -> bool {
        let time = if let Wait::AtMost(most) = wait { time.min(most) } else { time };
        let until = Instant::now() + time;
        if self.enter(0, None).is_err() {
            return false;
        }
        loop {
            // The flag says that the kernel has work which an enter would turn into completions.
            if !self.ring.completion().is_empty() || self.ring.submission().taskrun() {
                return true;
            }
            if Instant::now() >= until {
                return matches!(wait, Wait::AtMost(most) if most <= time);
            }
            std::hint::spin_loop();
        }
    }

    fn enter(&mut self, want: u32, timeout: Option<&types::Timespec>) -> io::Result<()> {
        let queued = u32::try_from(self.ring.submission().len())
            .unwrap_or_else(|_| unreachable!("the kernel counts its queue in 32 bits"));
        let mut args = types::SubmitArgs::new();
        if let Some(timeout) = timeout {
            args = args.timespec(timeout);
        }
        let mut flags = self.enter_flags;
        if self.polled {
            let mut queue = self.ring.submission();
            queue.sync();
            flags.set(EnterFlags::SQ_WAKEUP, queue.need_wakeup());
            flags.set(EnterFlags::SQ_WAIT, queue.is_full());
        }
        let needless =
            self.polled && want == 0 && !flags.intersects(EnterFlags::SQ_WAKEUP | EnterFlags::SQ_WAIT);
        if needless && !self.ring.submission().cq_overflow() {
            return Ok(());
        }
        self.stats.enters += 1;
        #[cfg(test)]
        if let Some(fault) = self.faults.pop_front() {
            self.stats.refusals += 1;
            return Err(io::Error::from_raw_os_error(fault));
        }
        // SAFETY: `SubmitArgs` is a transparent `io_uring_getevents_arg`, which is what EXT_ARG
        // announces, and the timespec it points to outlives the call. What the queued entries
        // point to is kept alive by whoever pushed them (see `push`).
        let result = unsafe { self.ring.submitter().enter(queued, want, flags.bits(), Some(&args)) };
        match result {
            Ok(_) => Ok(()),
            // The deadline came or a signal did. Both mean: look at the queues and the clock.
            Err(error) if !is_refusal(&error) => Ok(()),
            Err(error) => {
                self.stats.refusals += 1;
                Err(error)
            }
        }
    }
}

/// True for errors that say the kernel took nothing and may take it later.
fn is_refusal(error: &io::Error) -> bool {
    !matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR))
}
