//! A hierarchical timing wheel: six levels of 64 slots, one tick a millisecond.
//!
//! Inserting, moving and removing are constant time: entries live in a slab and are linked into
//! slots by index. An entry sits at the lowest level whose slots are fine enough to tell its tick
//! from the wheel's own; it moves down as time gets near (Varghese and Lauck, scheme 7). The wheel
//! reads no clock: it is told the time.
//!
//! Two kinds of target. A waker is woken once and its entry is gone. A [`Lazy`] target is asked
//! what it wants next: a socket whose deadline moved later since it was armed only stores the new
//! deadline in a cell, and is looked at when the old one comes.

#![allow(clippy::cast_possible_truncation, reason = "slots and lists are counted in hundreds")]

use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Milliseconds since the wheel began.
type Tick = u64;

const LEVELS: usize = 6;
const SLOT_BITS: usize = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Farthest tick ahead that a slot can tell: a little over two years. Entries farther out are
/// linked at this distance and linked again when it comes.
const SPAN: Tick = 1 << (SLOT_BITS * LEVELS);
/// The list of entries that are due.
const DUE: usize = LEVELS * SLOTS;
const NONE: u32 = u32::MAX;

/// Something that decides at expiry what happens, and when to look at it again.
pub(crate) trait Lazy {
    /// Called when the entry's time has come. Returns the next time to call, if any.
    fn expired(&self, now: Instant) -> Option<Instant>;
}

/// What an entry is for.
pub(crate) enum Target {
    /// Wake once.
    Wake(Waker),
    /// Ask.
    Lazy(Rc<dyn Lazy>),
}

/// An entry whose time has come.
pub(crate) enum Fired {
    /// The entry is gone: wake this.
    Wake(Waker),
    /// The entry is kept, unlinked: ask, then tell the answer to [`Wheel::settle`].
    Expire(Key, Rc<dyn Lazy>),
}

/// Names an entry. A key outlives its entry safely: the generation tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

struct Entry {
    /// `None` while the entry is free.
    target: Option<Target>,
    tick: Tick,
    prev: u32,
    /// Next in its list, or next free entry.
    next: u32,
    /// The list it is in, or `NONE`.
    list: u32,
    generation: u32,
}

/// The wheel of one core.
pub(crate) struct Wheel {
    began: Instant,
    /// All ticks up to and including this one have been looked at.
    elapsed: Tick,
    entries: Vec<Entry>,
    free: u32,
    /// First and last entry of each slot's list, and of the due list.
    lists: Box<[(u32, u32); LEVELS * SLOTS + 1]>,
    /// One bit per slot that has entries.
    occupied: [u64; LEVELS],
}

impl Wheel {
    pub(crate) fn new(now: Instant) -> Wheel {
        Wheel {
            began: now,
            elapsed: 0,
            entries: Vec::new(),
            free: NONE,
            lists: Box::new([(NONE, NONE); LEVELS * SLOTS + 1]),
            occupied: [0; LEVELS],
        }
    }

    /// Adds an entry that fires at `at`, never before.
    pub(crate) fn insert(&mut self, at: Instant, target: Target) -> Key {
        let key = self.reserve(target);
        self.entries[key.index as usize].tick = self.tick_after(at);
        self.link(key.index);
        key
    }

    /// Adds an entry that is not armed.
    pub(crate) fn reserve(&mut self, target: Target) -> Key {
        if self.free == NONE {
            let index = u32::try_from(self.entries.len()).ok().filter(|&index| index != NONE);
            let index = index.expect("fewer than 2^32 timers fit in memory");
            self.entries.push(Entry {
                target: Some(target),
                tick: 0,
                prev: NONE,
                next: NONE,
                list: NONE,
                generation: 0,
            });
            return Key { index, generation: 0 };
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        entry.target = Some(target);
        entry.next = NONE;
        Key { index, generation: entry.generation }
    }

    /// Moves an entry, or arms it. Nothing if the entry is gone.
    pub(crate) fn arm(&mut self, key: Key, at: Instant) {
        if !self.is_live(key) {
            return;
        }
        let tick = self.tick_after(at);
        self.unlink(key.index);
        self.entries[key.index as usize].tick = tick;
        self.link(key.index);
    }

    /// Replaces an entry's target. False if the entry is gone.
    pub(crate) fn set_waker(&mut self, key: Key, waker: &Waker) -> bool {
        if !self.is_live(key) {
            return false;
        }
        match &mut self.entries[key.index as usize].target {
            Some(Target::Wake(old)) => old.clone_from(waker),
            other => *other = Some(Target::Wake(waker.clone())),
        }
        true
    }

    /// Removes an entry; nothing if it is gone. The target is returned so that it is dropped
    /// outside any borrow of the wheel.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Target> {
        if !self.is_live(key) {
            return None;
        }
        self.unlink(key.index);
        self.release(key.index)
    }

    /// The next entry that is due at `now`, or `None` when all have been given out.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Fired> {
        let now = self.tick_before(now).max(self.elapsed);
        loop {
            let (first, _) = self.lists[DUE];
            if first != NONE {
                self.unlink(first);
                return Some(self.fire(first));
            }
            match self.next_slot() {
                Some((level, slot, begins)) if begins <= now => {
                    self.elapsed = begins;
                    self.spill(level * SLOTS + slot);
                }
                _ => {
                    self.elapsed = now;
                    return None;
                }
            }
        }
    }

    /// Takes a [`Lazy`] target's answer.
    pub(crate) fn settle(&mut self, key: Key, next: Option<Instant>) {
        if let Some(at) = next {
            self.arm(key, at);
        }
    }

    /// The time to look again: never later than the first entry's time, and earlier by less than
    /// a slot's width if that entry is far out.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.lists[DUE].0 != NONE {
            return Some(self.instant(self.elapsed));
        }
        self.next_slot().map(|(_, _, begins)| self.instant(begins))
    }

    /// Drops every entry.
    pub(crate) fn clear(&mut self) {
        for index in 0..u32::try_from(self.entries.len()).unwrap_or(NONE) {
            self.unlink(index);
            if self.entries[index as usize].target.is_some() {
                drop(self.release(index));
            }
        }
    }

    fn is_live(&self, key: Key) -> bool {
        let entry = &self.entries[key.index as usize];
        entry.generation == key.generation && entry.target.is_some()
    }

    /// The tick at which `at` has passed: rounded up, so nothing fires early.
    fn tick_after(&self, at: Instant) -> Tick {
        let since = at.saturating_duration_since(self.began);
        let millis = since.as_nanos().div_ceil(1_000_000);
        Tick::try_from(millis).unwrap_or(Tick::MAX)
    }

    /// The tick that `at` has reached: rounded down.
    fn tick_before(&self, at: Instant) -> Tick {
        Tick::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(Tick::MAX)
    }

    fn instant(&self, tick: Tick) -> Instant {
        self.began + Duration::from_millis(tick)
    }

    fn fire(&mut self, index: u32) -> Fired {
        let entry = &mut self.entries[index as usize];
        match &entry.target {
            Some(Target::Lazy(target)) => {
                Fired::Expire(Key { index, generation: entry.generation }, Rc::clone(target))
            }
            _ => match self.release(index) {
                Some(Target::Wake(waker)) => Fired::Wake(waker),
                _ => unreachable!("a linked entry has a target"),
            },
        }
    }

    fn release(&mut self, index: u32) -> Option<Target> {
        let entry = &mut self.entries[index as usize];
        debug_assert_eq!(entry.list, NONE, "released entries are unlinked first");
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        entry.target.take()
    }

    /// The list an entry with this tick belongs to now.
    fn list_of(&self, tick: Tick) -> usize {
        if tick <= self.elapsed {
            return DUE;
        }
        let tick = tick.min(self.elapsed + (SPAN - 1));
        // The highest bit in which the two differ tells how coarse a slot may be.
        let differ = (tick ^ self.elapsed) | (SLOTS as u64 - 1);
        let level = ((63 - differ.leading_zeros() as usize) / SLOT_BITS).min(LEVELS - 1);
        let slot = (tick >> (SLOT_BITS * level)) as usize & (SLOTS - 1);
        level * SLOTS + slot
    }

    fn link(&mut self, index: u32) {
        let list = self.list_of(self.entries[index as usize].tick);
        let (_, last) = self.lists[list];
        let entry = &mut self.entries[index as usize];
        debug_assert_eq!(entry.list, NONE, "an entry is in one list");
        entry.list = list as u32;
        entry.prev = last;
        entry.next = NONE;
        if last == NONE {
            self.lists[list].0 = index;
        } else {
            self.entries[last as usize].next = index;
        }
        self.lists[list].1 = index;
        if list != DUE {
            self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
        }
    }

    fn unlink(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        let list = entry.list as usize;
        if entry.list == NONE {
            return;
        }
        let (prev, next) = (entry.prev, entry.next);
        entry.list = NONE;
        entry.prev = NONE;
        entry.next = NONE;
        match prev {
            NONE => self.lists[list].0 = next,
            prev => self.entries[prev as usize].next = next,
        }
        match next {
            NONE => self.lists[list].1 = prev,
            next => self.entries[next as usize].prev = prev,
        }
        if list != DUE && self.lists[list].0 == NONE {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }

    /// Links every entry of a slot again, relative to the new `elapsed`.
    fn spill(&mut self, list: usize) {
        let mut index = self.lists[list].0;
        while index != NONE {
            let next = self.entries[index as usize].next;
            self.unlink(index);
            self.link(index);
            index = next;
        }
    }

    /// The first slot with entries, and the tick at which it begins.
    ///
    /// A lower level's slots all begin before a higher level's next one, so the first level that
    /// has any is the one.
    fn next_slot(&self) -> Option<(usize, usize, Tick)> {
        for (level, &occupied) in self.occupied.iter().enumerate() {
            if occupied == 0 {
                continue;
            }
            let shift = SLOT_BITS * level;
            let here = (self.elapsed >> shift) as usize & (SLOTS - 1);
            // The slot `here` is over: what lies in it is a round away. Only the top level has such
            // entries, the others' rounds end where their parent's slot ends.
            let ahead = occupied.rotate_right(here as u32 + 1).trailing_zeros() as usize + 1;
            let slot = (here + ahead) & (SLOTS - 1);
            let begins = ((self.elapsed >> shift) + ahead as Tick) << shift;
            return Some((level, slot, begins));
        }
        None
    }
}

#[cfg(test)]
mod tests;
