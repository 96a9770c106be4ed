//! What may be in a note.

use serde::Deserialize;

use crate::text::Text;

const TITLE_CHARS_MAX: usize = 60;
const TEXT_CHARS_MAX: usize = 500;
const NOTES_MAX: usize = 20;

/// What the form sends, as it was typed.
#[derive(Default, Deserialize)]
pub(crate) struct NewNote {
    pub(crate) title: String,
    pub(crate) text: String,
}

/// What is wrong with each field, all of it at once. Each gives its message in a language.
#[derive(Default)]
pub(crate) struct Errors {
    pub(crate) title: Option<fn(&Text) -> &'static str>,
    pub(crate) text: Option<fn(&Text) -> &'static str>,
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
            errors.title = Some(|text| text.title_missing);
        } else if title.chars().count() > TITLE_CHARS_MAX {
            errors.title = Some(|text| text.title_long);
        } else if count >= NOTES_MAX {
            errors.title = Some(|text| text.too_many);
        }
        if self.text.chars().count() > TEXT_CHARS_MAX {
            errors.text = Some(|text| text.text_long);
        }
        errors
    }
}
