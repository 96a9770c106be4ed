//! Notes in memory, for all cores of the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Content, Note, Page};

/// The notes. Behind a lock that is held for a few lines and never across an await.
#[derive(Default)]
pub(crate) struct Store {
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    by_id: BTreeMap<u64, Note>,
    last: u64,
}

impl Store {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn list(&self, page: &Page, most: usize) -> Vec<Note> {
        let has_tag = |note: &&Note| match &page.tag {
            Some(wanted) => note.tags.iter().any(|tag| tag.0 == *wanted),
            None => true,
        };
        let notes = self.notes();
        let after = notes.by_id.range((std::ops::Bound::Excluded(page.after), std::ops::Bound::Unbounded));
        after.map(|(_, note)| note).filter(has_tag).take(most).cloned().collect()
    }

    /// The new note; `None` if there are `most` already.
    pub(crate) fn add(&self, content: Content, most: usize) -> Option<Note> {
        let mut notes = self.notes();
        if notes.by_id.len() >= most {
            return None;
        }
        notes.last += 1;
        let note = Note::new(notes.last, content);
        notes.by_id.insert(note.id, note.clone());
        Some(note)
    }

    pub(crate) fn find(&self, id: u64) -> Option<Note> {
        self.notes().by_id.get(&id).cloned()
    }

    pub(crate) fn replace(&self, id: u64, content: Content) -> Option<Note> {
        let mut notes = self.notes();
        let note = notes.by_id.get_mut(&id)?;
        *note = Note::new(id, content);
        Some(note.clone())
    }

    /// False if there is none of this number.
    pub(crate) fn remove(&self, id: u64) -> bool {
        self.notes().by_id.remove(&id).is_some()
    }
}
