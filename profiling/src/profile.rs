//! What a profile is: stacks with values, first by address and then by name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::sampler::Source;
use crate::stacks::{Frame, Symbols};

/// What the values of a profile are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// CPU time, in nanoseconds.
    CpuNanos,
    /// Bytes on the heap.
    HeapBytes,
    /// Time that tasks waited, in nanoseconds.
    WaitNanos,
}

impl Unit {
    /// What it measures, and in what: `("cpu", "nanoseconds")`.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Unit::CpuNanos => ("cpu", "nanoseconds"),
            Unit::HeapBytes => ("heap", "bytes"),
            Unit::WaitNanos => ("wait", "nanoseconds"),
        }
    }
}

/// A stack whose addresses have no names yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawStack {
    /// The core it was on, if on one.
    pub core: Option<usize>,
    /// The route it worked for.
    pub route: Option<Arc<str>>,
    /// The thread's name, where that is known.
    pub thread: Option<Arc<str>>,
    /// Innermost first; all but the first are return addresses. Empty where there was no room for one more stack.
    pub addresses: Box<[u64]>,
    /// In the profile's unit.
    pub value: u64,
    /// How many samples make up the value.
    pub count: u64,
}

/// What was seen between two moments.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What the values are.
    pub unit: Unit,
    /// What made the samples, if a clock did.
    pub source: Option<Source>,
    /// Samples per second of CPU that were asked for; 0 if a clock did not make them.
    pub hz: u32,
    /// When it began.
    pub began: SystemTime,
    /// How long it was.
    pub duration: Duration,
    /// All stacks, each once, in no order.
    pub stacks: Vec<RawStack>,
    /// Samples for which there was no room.
    pub lost: u64,
    /// Threads that were not sampled, as there were too many.
    pub threads_left_out: usize,
}

impl Profile {
    /// How many samples there are.
    pub fn count(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.count).sum()
    }

    /// The sum of all values.
    pub fn total(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.value).sum()
    }

    /// Several as one: it begins with the first and is as long as all of them together.
    pub fn merged<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> Profile {
        let mut all: Option<Profile> = None;
        let mut stacks: HashMap<_, (u64, u64)> = HashMap::new();
        for profile in profiles {
            for stack in &profile.stacks {
                let key = (stack.core, stack.route.clone(), stack.thread.clone(), stack.addresses.clone());
                let (value, count) = stacks.entry(key).or_default();
                *value += stack.value;
                *count += stack.count;
            }
            match &mut all {
                Some(all) => {
                    all.duration += profile.duration;
                    all.lost += profile.lost;
                    all.threads_left_out = all.threads_left_out.max(profile.threads_left_out);
                }
                None => all = Some(Profile { stacks: Vec::new(), ..profile.clone() }),
            }
        }
        let mut all = all.unwrap_or(Profile {
            unit: Unit::CpuNanos,
            source: None,
            hz: 0,
            began: SystemTime::now(),
            duration: Duration::ZERO,
            stacks: Vec::new(),
            lost: 0,
            threads_left_out: 0,
        });
        let merged = stacks.into_iter().map(|((core, route, thread, addresses), (value, count))| RawStack {
            core,
            route,
            thread,
            addresses,
            value,
            count,
        });
        all.stacks = merged.collect();
        all
    }

    /// Names every address. Reads files and may take a second: not for cores.
    pub fn resolve(&self, symbols: &mut Symbols) -> Named {
        let mut stacks: Vec<NamedStack> = self
            .stacks
            .iter()
            .map(|stack| {
                let mut frames = Vec::new();
                for (index, address) in stack.addresses.iter().enumerate().rev() {
                    frames.extend(symbols.name(*address, index > 0).iter().rev().cloned());
                }
                if frames.is_empty() {
                    frames.push(Frame::label("(no room for its stack)"));
                }
                NamedStack {
                    core: stack.core,
                    route: stack.route.clone(),
                    thread: stack.thread.clone(),
                    frames,
                    value: stack.value,
                    count: stack.count,
                }
            })
            .collect();
        // In one order, so that the same profile gives the same file.
        stacks.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.labels().cmp(&b.labels())));
        Named { unit: self.unit, began: self.began, duration: self.duration, hz: self.hz, stacks }
    }
}

/// A stack of functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedStack {
    /// The core it was on, if on one.
    pub core: Option<usize>,
    /// The route it worked for.
    pub route: Option<Arc<str>>,
    /// The thread's name.
    pub thread: Option<Arc<str>>,
    /// Outermost first.
    pub frames: Vec<Frame>,
    /// In the profile's unit.
    pub value: u64,
    /// How many samples make up the value.
    pub count: u64,
}

impl NamedStack {
    /// What stands at the root of a flame graph: the core or the thread, and the route.
    pub fn labels(&self) -> Vec<String> {
        let place = match (self.core, &self.thread) {
            (Some(core), Some(thread)) if !thread.is_empty() => format!("core {core} ({thread})"),
            (Some(core), _) => format!("core {core}"),
            (None, Some(thread)) if !thread.is_empty() => format!("thread {thread}"),
            _ => "no core".to_owned(),
        };
        std::iter::once(place).chain(self.route.as_deref().map(str::to_owned)).collect()
    }

    /// Names from the root to the innermost function, labels first.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let frames = self.frames.iter().map(|frame| frame.function.to_string());
        self.labels().into_iter().chain(frames.collect::<Vec<_>>())
    }
}

/// A profile with names. [`output`](crate::output) writes it.
#[derive(Debug, Clone)]
pub struct Named {
    /// What the values are.
    pub unit: Unit,
    /// When it began.
    pub began: SystemTime,
    /// How long it was.
    pub duration: Duration,
    /// Samples per second of CPU, or 0.
    pub hz: u32,
    /// All stacks, the largest value first.
    pub stacks: Vec<NamedStack>,
}

impl Named {
    /// The sum of all values.
    pub fn total(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.value).sum()
    }

    /// The part of all values, from 0 to 1, whose stacks have a function whose name contains `name`.
    pub fn share_of(&self, name: &str) -> f64 {
        let has = |stack: &&NamedStack| stack.frames.iter().any(|frame| frame.function.contains(name));
        let value: u64 = self.stacks.iter().filter(has).map(|stack| stack.value).sum();
        if value == 0 { 0.0 } else { value as f64 / self.total() as f64 }
    }
}
