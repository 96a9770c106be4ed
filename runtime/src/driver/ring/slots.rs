//! A slab whose keys go stale when their slot is freed.

use super::token::{INDEX_MAX, Key};

/// One place in the slab.
struct Slot<T> {
    /// Counts how often this place was freed. A key is valid while its generation equals this.
    generation: u32,
    /// Next free place while vacant, [`NONE`] at the end of the list.
    next_free: u32,
    value: Option<T>,
}

const NONE: u32 = u32::MAX;

/// Values by generation-counted key: constant time, memory reused, stale keys find nothing.
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: u32,
    /// Most values held at once.
    max: u32,
}

impl<T> Slots<T> {
    /// An empty slab for at most `max` values (and never more than a token can name).
    pub(super) fn new(max: u32) -> Self {
        Self { slots: Vec::new(), free: NONE, len: 0, max: max.min(INDEX_MAX) }
    }

    /// Values held.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Stores `value`, or hands it back when the slab is full.
    pub(super) fn insert(&mut self, value: T) -> Result<Key, T> {
        if self.len >= self.max {
            return Err(value);
        }
        if self.free == NONE {
            let Ok(index) = u32::try_from(self.slots.len()) else {
                return Err(value);
            };
            self.slots.push(Slot { generation: 0, next_free: NONE, value: None });
            self.free = index;
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        debug_assert!(slot.value.is_none(), "the free list holds vacant slots only");
        self.free = slot.next_free;
        slot.next_free = NONE;
        slot.value = Some(value);
        self.len += 1;
        Ok(Key { index, generation: slot.generation })
    }

    /// The value under `key`, unless it was removed.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation { slot.value.as_mut() } else { None }
    }

    /// The value under `key`, unless it was removed.
    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation { slot.value.as_ref() } else { None }
    }

    /// Takes the value out and makes every copy of `key` stale.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = self.free;
        self.free = key.index;
        self.len -= 1;
        Some(value)
    }

    /// Keys of all values, for shutting down.
    pub(super) fn keys(&self) -> Vec<Key> {
        (0u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.value.is_some())
            .map(|(index, slot)| Key { index, generation: slot.generation })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_stale_once_its_slot_was_freed_even_if_it_is_filled_again() {
        let mut slots = Slots::new(4);
        let old = slots.insert("old").unwrap();
        assert_eq!(slots.remove(old), Some("old"));
        let new = slots.insert("new").unwrap();
        assert_eq!(old.index, new.index, "the place is reused");
        assert_eq!(slots.get(old), None);
        assert_eq!(slots.get_mut(old), None);
        assert_eq!(slots.remove(old), None);
        assert_eq!(slots.get(new), Some(&"new"));
    }

    #[test]
    fn a_full_slab_hands_the_value_back_and_recovers() {
        let mut slots = Slots::new(2);
        let first = slots.insert(1).unwrap();
        slots.insert(2).unwrap();
        assert_eq!(slots.insert(3), Err(3));
        slots.remove(first);
        assert!(slots.insert(3).is_ok());
        assert_eq!(slots.len(), 2);
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_under_random_inserts_and_removes(steps in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut slots = Slots::new(16);
            let mut truth: Vec<(Key, u32)> = Vec::new();
            let mut gone: Vec<Key> = Vec::new();
            for (number, step) in (0u32..).zip(steps) {
                if step < 150 {
                    match slots.insert(number) {
                        Ok(key) => truth.push((key, number)),
                        Err(back) => {
                            prop_assert_eq!(back, number);
                            prop_assert_eq!(truth.len(), 16);
                        }
                    }
                } else if !truth.is_empty() {
                    let (key, value) = truth.remove(step as usize % truth.len());
                    prop_assert_eq!(slots.remove(key), Some(value));
                    gone.push(key);
                }
                for (key, value) in &truth {
                    prop_assert_eq!(slots.get(*key), Some(value));
                }
                for key in &gone {
                    prop_assert_eq!(slots.get(*key), None);
                }
                prop_assert_eq!(slots.keys().len(), truth.len());
            }
        }
    }
}
