//! The thread that finds the process's threads, has them sampled, and takes their samples in.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use corelane_runtime::observe::Route;

use super::signal::{self, Source, Trigger};
use super::slot::{self, Cause, Slot};
use super::tally::{Owner, Sink};
use crate::stacks::Unwinder;

/// How often rings are emptied and new threads looked for. A thread that lives shorter may have no samples.
const ROUND: Duration = Duration::from_millis(100);

/// Everybody who wants samples, and whether there is a thread that takes them.
struct State {
    sinks: Vec<(u64, u32, Arc<Mutex<Sink>>)>,
    next: u64,
    running: bool,
    /// Counts rounds, for those who wait for one to be over.
    rounds: u64,
}

static STATE: Mutex<State> = Mutex::new(State { sinks: Vec::new(), next: 0, running: false, rounds: 0 });
/// Signalled when somebody comes or goes, and when a round is over.
static CHANGED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What makes samples here, found once.
pub(super) fn source() -> Source {
    static FOUND: std::sync::OnceLock<Source> = std::sync::OnceLock::new();
    *FOUND.get_or_init(|| if signal::perf_events_work() { Source::PerfEvents } else { Source::CpuTimers })
}

/// Has samples put into `sink`, `hz` per second of CPU or more.
///
/// # Errors
/// If the signal is taken, or no thread can be started.
pub(super) fn join(hz: u32, sink: Arc<Mutex<Sink>>) -> io::Result<u64> {
    Unwinder::get();
    signal::install()?;
    let source = source();
    let mut state = state();
    if !state.running {
        thread::Builder::new().name("corelane-sample".into()).spawn(move || run(source))?;
        state.running = true;
    }
    let id = state.next;
    state.next += 1;
    state.sinks.push((id, hz, sink));
    CHANGED.notify_all();
    // A round that begins now has all threads sampled when it is over, so that what the caller does next is seen.
    wait_for_round(state);
    Ok(id)
}

/// Takes a sink out, after what is in the rings has come to it.
pub(super) fn leave(id: u64) {
    {
        let state = state();
        if state.sinks.iter().any(|(present, ..)| *present == id) {
            CHANGED.notify_all();
            wait_for_round(state);
        }
    }
    state().sinks.retain(|(present, ..)| *present != id);
    CHANGED.notify_all();
}

/// Waits until a round has begun after this was called, and ended. Not longer than a second: a round is quicker.
fn wait_for_round(mut state: MutexGuard<'static, State>) {
    let (enough, until) = (state.rounds + 2, Instant::now() + Duration::from_secs(1));
    while state.running && state.rounds < enough {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        state = CHANGED.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        CHANGED.notify_all();
    }
}

/// A thread that is being sampled.
struct Sampled {
    name: Arc<str>,
    trigger: Option<Trigger>,
    slot: &'static Slot,
    lost: u64,
    seen: bool,
}

impl Drop for Sampled {
    fn drop(&mut self) {
        // In this order: no new sample after the slot is free for another thread.
        drop(self.trigger.take());
        self.slot.release();
    }
}

fn run(source: Source) {
    let mut threads: HashMap<u32, Sampled> = HashMap::new();
    let mut present = 0;
    loop {
        let (sinks, hz) = {
            let mut state = state();
            if state.sinks.is_empty() {
                state.running = false;
                return;
            }
            let hz = state.sinks.iter().map(|(_, hz, _)| *hz).max().unwrap_or(1);
            let sinks: Vec<_> = state.sinks.iter().map(|(.., sink)| Arc::clone(sink)).collect();
            (sinks, hz)
        };
        let period = 1_000_000_000 / u64::from(hz.max(1));
        if period != present {
            for sampled in threads.values() {
                sampled.slot.set_period(period);
                // A thread that has ended has no clock any more.
                let _ended = sampled.trigger.as_ref().map(|trigger| trigger.set_period(period));
            }
            present = period;
        }
        drain(&mut threads, &sinks);
        let left_out = look_for_threads(source, period, &mut threads);
        for sink in &sinks {
            sink.lock().unwrap_or_else(PoisonError::into_inner).round(left_out);
        }
        let mut state = state();
        state.rounds += 1;
        CHANGED.notify_all();
        drop(CHANGED.wait_timeout(state, ROUND));
    }
}

/// Takes in what the threads have written.
fn drain(threads: &mut HashMap<u32, Sampled>, sinks: &[Arc<Mutex<Sink>>]) {
    let mut sinks: Vec<_> =
        sinks.iter().map(|sink| sink.lock().unwrap_or_else(PoisonError::into_inner)).collect();
    for sampled in threads.values_mut() {
        let name = &sampled.name;
        sampled.slot.drain(|sample| {
            if sample.cause != Cause::Time {
                return;
            }
            let route = Route::from_index(sample.route);
            let owner = Owner { core: sample.core, route, thread: name.clone() };
            for sink in &mut sinks {
                sink.add(&owner, sample.addresses, sample.nanos);
            }
        });
        let lost = sampled.slot.lost();
        for sink in &mut sinks {
            sink.lose(lost - sampled.lost);
        }
        sampled.lost = lost;
    }
}

/// Has new threads sampled and forgets those that have ended. Gives how many there was no slot for.
fn look_for_threads(source: Source, period: u64, threads: &mut HashMap<u32, Sampled>) -> usize {
    let mut left_out = 0;
    for sampled in threads.values_mut() {
        sampled.seen = false;
    }
    for thread in thread_ids() {
        if let Some(sampled) = threads.get_mut(&thread) {
            sampled.seen = true;
            continue;
        }
        let Some(index) = slot::assign(thread, period) else {
            left_out += 1;
            continue;
        };
        let Some(slot) = slot::at(index) else { continue };
        let trigger = Trigger::new(source, thread, index, period);
        let mut sampled = Sampled { name: thread_name(thread), trigger: None, slot, lost: 0, seen: true };
        match trigger {
            Ok(trigger) => {
                sampled.trigger = Some(trigger);
                threads.insert(thread, sampled);
            }
            // It has ended since the look, or descriptors are short: tried again in the next round.
            Err(_) => drop(sampled),
        }
    }
    threads.retain(|_, sampled| sampled.seen);
    left_out
}

/// The threads of this process.
fn thread_ids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What the kernel calls a thread.
fn thread_name(thread: u32) -> Arc<str> {
    let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap_or_default();
    Arc::from(name.trim_end())
}
