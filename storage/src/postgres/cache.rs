//! The statements that a connection has prepared, by their text.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::task::Waker;

use super::error::PgError;
use super::statement::Statement;

pub(super) struct Cache {
    entries: HashMap<Rc<str>, Entry, BuildHasherDefault<TextHasher>>,
    /// Goes up with every use.
    clock: u64,
    /// Statements named so far.
    named: u64,
    max: usize,
}

enum Entry {
    Ready {
        statement: Rc<Statement>,
        used: u64,
    },
    /// Somebody has asked for it already.
    Coming(Rc<Coming>),
}

/// A statement on its way, and who waits for it.
#[derive(Default)]
pub(super) struct Coming {
    pub(super) outcome: RefCell<Option<Result<Rc<Statement>, PgError>>>,
    pub(super) wakers: RefCell<Vec<Waker>>,
}

/// What there is for a text.
pub(super) enum Found {
    Ready(Rc<Statement>),
    Coming(Rc<Coming>),
    Nothing,
}

impl Cache {
    pub(super) fn new(max: usize) -> Cache {
        Cache { entries: HashMap::default(), clock: 0, named: 0, max: max.max(1) }
    }

    #[inline]
    pub(super) fn find(&mut self, sql: &str) -> Found {
        self.clock += 1;
        match self.entries.get_mut(sql) {
            Some(Entry::Ready { statement, used }) => {
                *used = self.clock;
                Found::Ready(Rc::clone(statement))
            }
            Some(Entry::Coming(coming)) => Found::Coming(Rc::clone(coming)),
            None => Found::Nothing,
        }
    }

    /// A name that no statement of this connection has had.
    pub(super) fn next_name(&mut self) -> Box<str> {
        self.named += 1;
        format!("c{}", self.named).into()
    }

    /// Notes that `sql` is being prepared.
    pub(super) fn expect(&mut self, sql: &str) -> Rc<Coming> {
        let coming = Rc::new(Coming::default());
        self.entries.insert(sql.into(), Entry::Coming(Rc::clone(&coming)));
        coming
    }

    /// The end of that. Gives the statement that has to go for it, if one does.
    pub(super) fn arrive(
        &mut self,
        sql: &str,
        coming: &Rc<Coming>,
        outcome: &Result<Rc<Statement>, PgError>,
    ) -> Option<Rc<Statement>> {
        // Everything may have been forgotten meanwhile; then this is not for the next one either.
        if !matches!(self.entries.get(sql), Some(Entry::Coming(known)) if Rc::ptr_eq(known, coming)) {
            return outcome.as_ref().ok().map(Rc::clone);
        }
        let Ok(statement) = outcome else {
            self.entries.remove(sql);
            return None;
        };
        let entry = Entry::Ready { statement: Rc::clone(statement), used: self.clock };
        self.entries.insert(sql.into(), entry);
        self.evict()
    }

    /// Takes out what was not used for longest, if there are too many. What a call holds stays.
    fn evict(&mut self) -> Option<Rc<Statement>> {
        if self.entries.len() <= self.max {
            return None;
        }
        let free = self.entries.iter().filter_map(|(sql, entry)| match entry {
            Entry::Ready { statement, used } if Rc::strong_count(statement) == 1 => Some((*used, sql)),
            _ => None,
        });
        let (_, sql) = free.min_by_key(|(used, _)| *used)?;
        let sql = Rc::clone(sql);
        match self.entries.remove(&sql) {
            Some(Entry::Ready { statement, .. }) => Some(statement),
            _ => None,
        }
    }

    /// Forgets `statement`. False if it was forgotten before.
    pub(super) fn forget(&mut self, sql: &str, statement: &Rc<Statement>) -> bool {
        let is_known = matches!(self.entries.get(sql), Some(Entry::Ready { statement: known, .. }) if Rc::ptr_eq(known, statement));
        if is_known {
            self.entries.remove(sql);
        }
        is_known
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Hashes a statement's text, eight bytes at a time. The texts are the program's and few, so that a hash which nobody
/// can steer is not needed: what collides costs a comparison.
#[derive(Default)]
struct TextHasher(u64);

impl TextHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        #[allow(clippy::cast_possible_truncation, reason = "both halves are wanted")]
        let (low, high) = (product as u64, (product >> 64) as u64);
        self.0 = low ^ high;
    }
}

impl Hasher for TextHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.mix(byte.into());
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
