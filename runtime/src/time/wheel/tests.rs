//! The wheel against a sorted map that does the same slowly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use proptest::prelude::*;

use super::*;

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64),
    Remove(usize),
    Move(usize, u64),
    Advance(u64),
}

fn delay() -> impl Strategy<Value = u64> {
    // Each level, its borders, and beyond the last.
    prop_oneof![
        0..4u64,
        60..70u64,
        4090..4100u64,
        0..300_000u64,
        0..20_000_000_000u64,
        (SPAN - 2)..(SPAN + 1000),
        Just(SPAN * 3),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => delay().prop_map(Step::Insert),
        1 => any::<usize>().prop_map(Step::Remove),
        2 => (any::<usize>(), delay()).prop_map(|(which, at)| Step::Move(which, at)),
        4 => delay().prop_map(Step::Advance),
    ]
}

proptest! {
    #[test]
    fn fires_what_a_sorted_map_fires(steps in prop::collection::vec(step(), 1..80)) {
        let began = Instant::now();
        let mut wheel = Wheel::new(began);
        let mut model: BTreeMap<usize, (u64, Key, Arc<Count>)> = BTreeMap::new();
        let mut now = 0u64;
        let mut made = 0;
        let at = |tick: u64| began + Duration::from_millis(tick);
        for step in steps {
            match step {
                Step::Insert(after) => {
                    let count = Arc::new(Count::default());
                    let key = wheel.insert(at(now + after), Target::Wake(Arc::clone(&count).into()));
                    model.insert(made, (now + after, key, count));
                    made += 1;
                }
                Step::Remove(which) => {
                    let Some(&id) = model.keys().nth(which % model.len().max(1)) else { continue };
                    let (_, key, count) = model.remove(&id).unwrap();
                    prop_assert!(wheel.remove(key).is_some());
                    prop_assert!(wheel.remove(key).is_none(), "a removed key is dead");
                    prop_assert_eq!(count.0.load(Ordering::Relaxed), 0);
                }
                Step::Move(which, after) => {
                    let len = model.len().max(1);
                    let Some((tick, key, _)) = model.values_mut().nth(which % len) else { continue };
                    *tick = now + after;
                    wheel.arm(*key, at(now + after));
                }
                Step::Advance(by) => {
                    now += by;
                    while let Some(fired) = wheel.pop(at(now)) {
                        let Fired::Wake(waker) = fired else { panic!("only wakers here") };
                        waker.wake();
                    }
                    let due: Vec<usize> =
                        model.iter().filter(|(_, entry)| entry.0 <= now).map(|(&id, _)| id).collect();
                    for id in due {
                        let (_, _, count) = model.remove(&id).unwrap();
                        prop_assert_eq!(count.0.load(Ordering::Relaxed), 1, "due at or before {}", now);
                    }
                    for (tick, _, count) in model.values() {
                        prop_assert_eq!(count.0.load(Ordering::Relaxed), 0, "due at {} only", tick);
                    }
                }
            }
            // The wheel may ask to be looked at early, never late and never for nothing.
            let first = model.values().map(|entry| entry.0.max(now)).min();
            match (wheel.next_deadline(), first) {
                (None, None) => {}
                (Some(asked), Some(first)) => prop_assert!(asked <= at(first)),
                (asked, first) => prop_assert!(false, "asked {:?}, first {:?}", asked, first),
            }
        }
    }
}

/// Moves its own deadline, as a socket does.
struct Moving(std::cell::Cell<u64>, std::cell::Cell<usize>, Instant);

impl Lazy for Moving {
    fn expired(&self, now: Instant) -> Option<Instant> {
        self.1.set(self.1.get() + 1);
        let deadline = self.2 + Duration::from_millis(self.0.get());
        (deadline > now).then_some(deadline)
    }
}

#[test]
fn a_lazy_entry_is_asked_again_at_the_time_it_named() {
    let began = Instant::now();
    let mut wheel = Wheel::new(began);
    let moving = Rc::new(Moving(std::cell::Cell::new(100), std::cell::Cell::new(0), began));
    let key = wheel.reserve(Target::Lazy(moving.clone()));
    wheel.arm(key, began + Duration::from_millis(100));
    moving.0.set(250);
    for (why, millis, asked) in [
        ("nothing before the first time", 99, 0),
        ("asked at the first time; names a later one", 100, 1),
        ("nothing in between", 249, 1),
        ("asked at the later time; names none", 250, 2),
        ("never again", 10_000, 2),
    ] {
        while let Some(fired) = wheel.pop(began + Duration::from_millis(millis)) {
            let Fired::Expire(key, target) = fired else { panic!("lazy") };
            let next = target.expired(began + Duration::from_millis(millis));
            wheel.settle(key, next);
        }
        assert_eq!(moving.1.get(), asked, "{why}");
    }
    wheel.arm(key, began + Duration::from_millis(11_000));
    assert!(wheel.next_deadline().is_some(), "an entry that fired can be armed again");
    assert!(wheel.remove(key).is_some());
    assert!(wheel.next_deadline().is_none());
}

#[test]
fn rounds_up_so_that_nothing_is_early() {
    let began = Instant::now();
    let mut wheel = Wheel::new(began);
    wheel.insert(began + Duration::from_micros(1500), Target::Wake(Waker::noop().clone()));
    assert!(wheel.pop(began + Duration::from_micros(1600)).is_none());
    assert!(wheel.pop(began + Duration::from_millis(2)).is_some());
}
