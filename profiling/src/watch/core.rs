//! One core, as it is watched.

use std::collections::VecDeque;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use corelane_runtime::observe::{Probe, Route};

use super::{STALLS_MAX, Stall, StallCause};
use crate::sampler::Asker;

/// What the scheduler says of a thread (`/proc/PID/task/TID/schedstat`, proc_pid_schedstat(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Nanoseconds on a CPU.
    pub(super) ran: u64,
    /// Nanoseconds ready, without a CPU.
    pub(super) waited: u64,
}

impl Schedule {
    pub(super) fn of(thread: u32) -> Option<Schedule> {
        let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
        let mut numbers = text.split_whitespace().map(str::parse);
        Some(Schedule { ran: numbers.next()?.ok()?, waited: numbers.next()?.ok()? })
    }
}

/// What is known of the poll under way.
struct Poll {
    number: u64,
    /// When it was first seen.
    since: Instant,
    /// When it was seen the second time, and what the scheduler said then.
    again: Option<(Instant, Schedule)>,
    /// Which of the stalls that were ever noted on this core it is.
    noted: Option<SystemTime>,
}

pub(super) struct Watched {
    core: Probe,
    /// Made when it is needed first; `None` in it if that failed.
    asker: Option<Option<Asker>>,
    poll: Option<Poll>,
}

impl Watched {
    pub(super) fn new(core: Probe) -> Watched {
        Watched { core, asker: None, poll: None }
    }

    pub(super) fn thread(&self) -> u32 {
        self.core.thread()
    }

    /// Looks once.
    pub(super) fn look(&mut self, longest: Duration, stalls: &Mutex<VecDeque<Stall>>) {
        let now = Instant::now();
        let Some(number) = self.core.poll_under_way() else {
            self.poll = None;
            return;
        };
        let Some(poll) = self.poll.as_mut().filter(|poll| poll.number == number) else {
            self.poll = Some(Poll { number, since: now, again: None, noted: None });
            return;
        };
        let held = now - poll.since;
        if let Some(noticed) = poll.noted {
            let mut stalls = stalls.lock().unwrap_or_else(PoisonError::into_inner);
            let same = |stall: &&mut Stall| stall.noticed == noticed && stall.core == self.core.id().index();
            if let Some(stall) = stalls.iter_mut().rev().find(same) {
                stall.held = held;
            }
            return;
        }
        let Some((again, before)) = poll.again else {
            poll.again = Schedule::of(self.core.thread()).map(|schedule| (now, schedule));
            return;
        };
        if held < longest {
            return;
        }
        let Some(after) = Schedule::of(self.core.thread()) else { return };
        let passed = u64::try_from((now - again).as_nanos()).unwrap_or(u64::MAX);
        let (ran, waited) = (after.ran - before.ran, after.waited - before.waited);
        // Ready without a CPU for most of the time: the machine is busy, and the task did nothing wrong. Looked at again when
        // it goes on. A thread on its CPU is told of at the next tick, so what it ran is told late, by 4 ms and less.
        if waited > passed / 2 {
            poll.again = Some((now, after));
            poll.since = now;
            return;
        }
        let asker = self.asker.get_or_insert_with(|| Asker::new(self.core.thread()).ok());
        let whereabouts = asker.as_ref().and_then(Asker::ask);
        if self.core.poll_under_way() != Some(number) {
            // It ended just now, and what answered was something else.
            self.poll = None;
            return;
        }
        let noticed = SystemTime::now();
        poll.noted = Some(noticed);
        let (route, addresses) =
            whereabouts.map_or((Route::NONE, Vec::new()), |found| (found.route, found.addresses));
        let stall = Stall {
            core: self.core.id().index(),
            noticed,
            held,
            cause: if ran > passed / 4 { StallCause::Running } else { StallCause::Blocked },
            route,
            addresses,
        };
        let mut stalls = stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.push_back(stall);
        while stalls.len() > STALLS_MAX {
            stalls.pop_front();
        }
    }
}
