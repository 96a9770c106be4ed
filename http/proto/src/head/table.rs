//! The field table: room for fields that stays when the head goes.

use super::{FIELDS_CAP, Field, Span};
use crate::name::Name;

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

    /// Room for further fields, up to `fields_max` in all. Empty only if the table already holds so many.
    /// [`added`](Self::added) tells how many of them were filled.
    #[inline(always)]
    pub(super) fn room(&mut self, fields_max: usize) -> &mut [Field] {
        if self.len == self.room.len() && self.len < fields_max {
            self.grow();
        }
        let end = self.room.len().min(fields_max).max(self.len);
        &mut self.room[self.len..end]
    }

    /// The first `count` fields of the room were filled. Those are the answer.
    #[inline(always)]
    pub(super) fn added(&mut self, count: usize) -> &[Field] {
        let start = self.len;
        self.len += count;
        &self.room[start..self.len]
    }

    /// Doubles the room. Heads of usual size make it happen once in a connection's life.
    #[cold]
    fn grow(&mut self) {
        let empty = Field { name: Name::Other, name_span: Span::new(0, 0), value: Span::new(0, 0) };
        self.room.resize((self.room.len() * 2).clamp(FIRST_ROOM, FIELDS_CAP), empty);
    }
}
