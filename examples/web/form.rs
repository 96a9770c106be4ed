//! What may be in a note.

use serde::Deserialize;

const TITLE_CHARS_MAX: usize = 60;
const TEXT_CHARS_MAX: usize = 500;
const NOTES_MAX: usize = 20;

/// What the form sends, as it was typed.
#[derive(Default, Deserialize)]
pub(crate) struct NewNote {
    pub(crate) title: String,
    pub(crate) text: String,
}

/// What is wrong with a field: the key of its text, and the bound that the text tells.
pub(crate) type Wrong = (&'static str, usize);

/// What is wrong with each field, all of it at once.
#[derive(Default)]
pub(crate) struct Errors {
    pub(crate) title: Option<Wrong>,
    pub(crate) text: Option<Wrong>,
}

impl Errors {
    pub(crate) fn is_empty(&self) -> bool {
        self.title.is_none() && self.text.is_none()
    }
}

impl NewNote {
    /// Checks the note that would be put behind `count` others.
    pub(crate) fn errors(&self, count: usize) -> Errors {
        let mut errors = Errors::default();
        let title = self.title.trim();
        if title.is_empty() {
            errors.title = Some(("title-missing", 0));
        } else if title.chars().count() > TITLE_CHARS_MAX {
            errors.title = Some(("title-long", TITLE_CHARS_MAX));
        } else if count >= NOTES_MAX {
            errors.title = Some(("too-many", NOTES_MAX));
        }
        if self.text.chars().count() > TEXT_CHARS_MAX {
            errors.text = Some(("text-long", TEXT_CHARS_MAX));
        }
        errors
    }
}
