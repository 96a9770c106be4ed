//! The field table: room for fields that stays when the head goes.

use super::{FIELDS_CAP, Field};

/// How many fields the table has room for after it has grown once: more than most requests carry.
const FIRST_ROOM: usize = 24;

/// Fields of a head, in the order they were sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Room: what stands behind `len` is left over from earlier heads.
    room: Vec<Field>,
    /// Fields of this head. Invariant: `len <= room.len()`.
    len: usize,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { room: Vec::new(), len: 0 }
    }

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    #[inline(always)]
    pub(super) fn fields(&self) -> &[Field] {
        &self.room[..self.len]
    }

    /// What room there is for further fields without growing, up to `fields_max` in all.
    /// [`added`](Self::added) tells how many of them were filled.
    #[inline(always)]
    pub(super) fn room(&mut self, fields_max: usize) -> &mut [Field] {
        let end = self.room.len().min(fields_max);
        self.room.get_mut(self.len..end).unwrap_or_default()
    }

    /// Appends a field, after growing if need be. False if the table already holds `fields_max`.
    pub(super) fn push(&mut self, field: Field, fields_max: usize) -> bool {
        if self.len >= fields_max {
            return false;
        }
        if self.len == self.room.len() {
            // Heads of usual size make it happen once in a connection's life.
            self.room.resize((self.room.len() * 2).clamp(FIRST_ROOM, FIELDS_CAP), field);
        }
        self.room[self.len] = field;
        self.len += 1;
        true
    }

    /// The first `count` fields of the room were filled. Those are the answer.
    #[inline(always)]
    pub(super) fn added(&mut self, count: usize) -> &[Field] {
        let start = self.len;
        self.len += count;
        &self.room[start..self.len]
    }
}
