//! The calls a core has made and not yet seen the answers of.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use slab::Slab;

use super::error::Kind;

/// What comes back from a call: the answer, its type erased, or why there is none.
pub(super) type Outcome = Result<Box<dyn Any + Send>, Kind>;

/// Names a call to the core that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    index: usize,
    /// Differs between calls that had the same index one after the other: an answer that comes after
    /// its call was given up must not reach the next one.
    serial: u64,
}

/// What is to be done by the caller of [`Pending::settle`], once no borrow is held: both run code
/// that is not ours.
#[derive(Debug)]
#[must_use = "holds the waker of the task that waits"]
pub(super) enum Settled {
    /// Somebody waits: wake it.
    Wake(Option<Waker>),
    /// Nobody waits: drop the answer.
    Discard(Outcome),
}

impl Settled {
    pub(super) fn finish(self) {
        match self {
            Settled::Wake(Some(waker)) => waker.wake(),
            Settled::Wake(None) => {}
            Settled::Discard(outcome) => super::drop_quietly(outcome),
        }
    }
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    /// The core that was called.
    target: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No answer yet. The waker is that of the last poll.
    Waiting(Option<Waker>),
    /// The answer is here and was not taken yet.
    Answered(Outcome),
    /// The caller's future was dropped; the entry stays until the answer comes, since the call
    /// occupies its place in the ring until then.
    Abandoned,
}

/// What an abandoned call held: a waker or an answer, to be dropped once no borrow is held.
#[derive(Debug)]
#[must_use = "drop it outside the borrow of the table"]
pub(super) struct Abandoned(State);

impl Abandoned {
    pub(super) fn finish(self) {
        super::drop_quietly(self.0);
    }
}

/// The table of calls of one core. Its bound is that of the calls in flight and in the backlogs.
#[derive(Debug)]
pub(super) struct Pending {
    entries: Slab<Entry>,
    next_serial: u64,
}

impl Default for Pending {
    fn default() -> Self {
        /// Serials of one table. Tables do not share them, because a call may outlive its runtime
        /// and be polled in another on the same thread.
        const SERIALS: u64 = 1 << 40;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { entries: Slab::new(), next_serial: NEXT.fetch_add(SERIALS, Ordering::Relaxed) }
    }
}

impl Pending {
    pub(super) fn insert(&mut self, target: usize, waker: Waker) -> Key {
        let serial = self.next_serial;
        self.next_serial += 1;
        let index = self.entries.insert(Entry { serial, target, state: State::Waiting(Some(waker)) });
        Key { index, serial }
    }

    fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key.index).filter(|entry| entry.serial == key.serial)
    }

    /// Takes the answer, or notes who waits for it.
    pub(super) fn poll(&mut self, key: Key, waker: &Waker) -> Option<Outcome> {
        let Some(entry) = self.entry(key) else {
            // The core ended its side of the mesh, and with it all calls.
            return Some(Err(Kind::CoreEnded));
        };
        match &mut entry.state {
            State::Waiting(Some(old)) => old.clone_from(waker),
            State::Waiting(slot) => *slot = Some(waker.clone()),
            State::Answered(_) => {
                if let State::Answered(outcome) = self.entries.remove(key.index).state {
                    return Some(outcome);
                }
            }
            State::Abandoned => unreachable!("abandoned by the drop of the only future that polls"),
        }
        None
    }

    /// The future of the call is gone. Gives what is to be dropped once no borrow is held.
    pub(super) fn abandon(&mut self, key: Key) -> Option<Abandoned> {
        let entry = self.entry(key)?;
        let before = std::mem::replace(&mut entry.state, State::Abandoned);
        if let State::Answered(_) = before {
            self.entries.remove(key.index);
        }
        Some(Abandoned(before))
    }

    /// True if nobody waits for the call any more; then its entry is gone. For calls not yet sent.
    pub(super) fn forget_if_abandoned(&mut self, key: Key) -> bool {
        let abandoned = self.entry(key).is_none_or(|entry| matches!(entry.state, State::Abandoned));
        if abandoned && self.entry(key).is_some() {
            self.entries.remove(key.index);
        }
        abandoned
    }

    /// An answer has come. One that comes for a call given up before goes to nobody.
    pub(super) fn settle(&mut self, key: Key, outcome: Outcome) -> Settled {
        let Some(entry) = self.entry(key) else { return Settled::Discard(outcome) };
        match &mut entry.state {
            State::Waiting(waker) => {
                let waker = waker.take();
                entry.state = State::Answered(outcome);
                Settled::Wake(waker)
            }
            State::Abandoned => {
                self.entries.remove(key.index);
                Settled::Discard(outcome)
            }
            State::Answered(_) => {
                debug_assert!(false, "a call was answered twice");
                Settled::Discard(outcome)
            }
        }
    }

    /// The core `target` has ended: every call to it that has no answer yet fails.
    pub(super) fn fail_all(&mut self, target: usize) -> Vec<Settled> {
        let failed: Vec<Key> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.target == target && !matches!(entry.state, State::Answered(_)))
            .map(|(index, entry)| Key { index, serial: entry.serial })
            .collect();
        failed.into_iter().map(|key| self.settle(key, Err(Kind::CoreEnded))).collect()
    }

    /// Calls without an answer, or whose answer nobody took yet.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn answer() -> Outcome {
        Ok(Box::new(7))
    }

    fn waker() -> Waker {
        Waker::noop().clone()
    }

    #[test]
    fn an_answer_is_taken_once_and_leaves_nothing() {
        let mut pending = Pending::default();
        let key = pending.insert(0, waker());
        assert!(pending.poll(key, &waker()).is_none());
        assert!(matches!(pending.settle(key, answer()), Settled::Wake(Some(_))));
        assert!(matches!(pending.poll(key, &waker()), Some(Ok(_))));
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn an_abandoned_call_keeps_its_place_until_its_answer() {
        let mut pending = Pending::default();
        let key = pending.insert(0, waker());
        pending.abandon(key).unwrap().finish();
        assert_eq!(pending.len(), 1);
        assert!(matches!(pending.settle(key, answer()), Settled::Discard(Ok(_))));
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn an_answer_abandoned_after_it_came_is_dropped_then() {
        let mut pending = Pending::default();
        let key = pending.insert(0, waker());
        pending.settle(key, answer()).finish();
        pending.abandon(key).unwrap().finish();
        assert_eq!(pending.len(), 0);
    }

    /// The second call has the index of the first; the answer to the first comes late.
    #[test]
    fn a_late_answer_does_not_reach_the_next_call() {
        let mut pending = Pending::default();
        let first = pending.insert(1, waker());
        let failed = pending.fail_all(1);
        assert_eq!(failed.len(), 1);
        assert!(matches!(pending.poll(first, &waker()), Some(Err(Kind::CoreEnded))));
        let second = pending.insert(0, waker());
        assert_eq!(second.index, first.index);
        assert!(matches!(pending.settle(first, answer()), Settled::Discard(Ok(_))));
        assert!(pending.poll(second, &waker()).is_none());
    }

    #[test]
    fn only_calls_to_the_core_that_ended_fail_and_only_those_without_an_answer() {
        let mut pending = Pending::default();
        let (other, answered, abandoned) =
            (pending.insert(0, waker()), pending.insert(1, waker()), pending.insert(1, waker()));
        pending.settle(answered, answer()).finish();
        pending.abandon(abandoned).unwrap().finish();
        for settled in pending.fail_all(1) {
            settled.finish();
        }
        assert!(pending.poll(other, &waker()).is_none());
        assert!(matches!(pending.poll(answered, &waker()), Some(Ok(_))));
        assert_eq!(pending.len(), 1, "the abandoned one has gone");
    }

    #[test]
    fn two_tables_share_no_key() {
        let (mut one, mut other) = (Pending::default(), Pending::default());
        let key = one.insert(0, waker());
        other.insert(0, waker());
        assert!(matches!(other.poll(key, &waker()), Some(Err(Kind::CoreEnded))));
    }
}
