//! Samples by stack.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use corelane_runtime::observe::Route;

use crate::profile::{Profile, RawStack, Unit};

/// Different stacks that one profile keeps apart, at most. What comes beyond is counted under its owner, without a stack.
const STACKS_MAX: usize = 64 * 1024;

/// On whose behalf a sample was taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) core: Option<usize>,
    pub(crate) route: Route,
    pub(crate) thread: Arc<str>,
}

type Key = (Owner, Box<[u64]>);

/// Samples since a moment.
#[derive(Debug)]
pub(crate) struct Tally {
    began: SystemTime,
    /// Value and count by owner and addresses.
    stacks: HashMap<Key, (u64, u64)>,
    lost: u64,
    left_out: usize,
}

impl Tally {
    fn new() -> Tally {
        Tally { began: SystemTime::now(), stacks: HashMap::new(), lost: 0, left_out: 0 }
    }

    fn add(&mut self, owner: &Owner, addresses: &[u64], nanos: u64) {
        let addresses = if self.stacks.len() < STACKS_MAX { addresses } else { &[] };
        let (value, count) = self.stacks.entry((owner.clone(), addresses.into())).or_default();
        *value += nanos;
        *count += 1;
    }

    fn profile(self, hz: u32) -> Profile {
        let duration = self.began.elapsed().unwrap_or_default();
        let stacks = self.stacks.into_iter().map(|((owner, addresses), (value, count))| RawStack {
            core: owner.core,
            route: owner.route.name(),
            thread: Some(owner.thread),
            addresses,
            value,
            count,
        });
        Profile {
            unit: Unit::CpuNanos,
            source: Some(super::source()),
            hz,
            began: self.began,
            duration,
            stacks: stacks.collect(),
            lost: self.lost,
            threads_left_out: self.left_out,
        }
    }
}

/// Where samples of one session go.
#[derive(Debug)]
pub(crate) struct Sink {
    hz: u32,
    tally: Tally,
    /// Length of a window and how many are kept; `None` for a session that is one window.
    windows: Option<(Duration, usize)>,
    past: VecDeque<Profile>,
}

impl Sink {
    pub(super) fn new(hz: u32, windows: Option<(Duration, usize)>) -> Sink {
        Sink { hz, tally: Tally::new(), windows, past: VecDeque::new() }
    }

    pub(super) fn add(&mut self, owner: &Owner, addresses: &[u64], nanos: u64) {
        self.tally.add(owner, addresses, nanos);
    }

    pub(super) fn lose(&mut self, samples: u64) {
        self.tally.lost += samples;
    }

    /// A round of the collector is over.
    pub(super) fn round(&mut self, left_out: usize) {
        self.tally.left_out = self.tally.left_out.max(left_out);
        let Some((length, keep)) = self.windows else { return };
        if self.tally.began.elapsed().unwrap_or_default() >= length {
            let past = self.take();
            self.past.push_back(past);
            while self.past.len() > keep {
                self.past.pop_front();
            }
        }
    }

    /// The window at hand, which begins anew.
    pub(super) fn take(&mut self) -> Profile {
        std::mem::replace(&mut self.tally, Tally::new()).profile(self.hz)
    }

    pub(super) fn past(&self) -> &VecDeque<Profile> {
        &self.past
    }
}
