//! What goes in and out.

use corelane::config::{Config, Report};
use corelane::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Longest title and text, in characters, and most tags of a note.
const TITLE_CHARS_MAX: usize = 80;
const TEXT_CHARS_MAX: usize = 10_000;
const TAGS_MAX: usize = 8;
const TAG_CHARS_MAX: usize = 24;

/// The `[app]` section.
#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Most notes that are kept: one more is refused.
    pub(crate) notes_max: usize,
    /// Most notes of one page.
    pub(crate) page_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { notes_max: 10_000, page_max: 100 }
    }
}

impl Settings {
    pub(crate) fn check(config: &Config<Settings>, report: &mut Report<'_>) {
        if config.app.page_max == 0 {
            report.error("app.page_max", "has to be at least 1");
        }
    }
}

/// A note as it is kept.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Note {
    /// Its number.
    pub(crate) id: u64,
    title: String,
    text: String,
    pub(crate) tags: Vec<Tag>,
}

impl Note {
    pub(crate) fn new(id: u64, content: Content) -> Note {
        let Content { title, text, tags } = content;
        Note { id, title, text, tags }
    }
}

/// A note as it is written.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// What it is called.
    #[schema(min_length = 1, max_length = 80)]
    title: String,
    /// What it says.
    #[serde(default)]
    #[schema(max_length = 10_000)]
    text: String,
    /// What it is about.
    #[serde(default)]
    #[schema(max_items = 8)]
    tags: Vec<Tag>,
}

/// A word that notes are found by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 24)]
pub(crate) struct Tag(pub(crate) String);

/// Which notes to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Only notes with a higher number: the last one of the page before.
    #[serde(default)]
    pub(crate) after: u64,
    /// Most notes to give; the server may give fewer.
    #[param(minimum = 1)]
    pub(crate) limit: Option<u32>,
    /// Only notes with this tag; all of them if it is empty.
    pub(crate) tag: Option<String>,
}

impl Content {
    /// Everything that types cannot say, told at once.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let mut errors = Vec::new();
        let mut at = |pointer: String, chars: usize, least: usize, most: usize| {
            if !(least..=most).contains(&chars) {
                let detail = format!("has to have {least} to {most} characters, but has {chars}");
                errors.push(serde_json::json!({ "pointer": pointer, "detail": detail }));
            }
        };
        at("/title".to_owned(), self.title.chars().count(), 1, TITLE_CHARS_MAX);
        at("/text".to_owned(), self.text.chars().count(), 0, TEXT_CHARS_MAX);
        for (n, Tag(tag)) in self.tags.iter().enumerate() {
            at(format!("/tags/{n}"), tag.chars().count(), 1, TAG_CHARS_MAX);
        }
        if self.tags.len() > TAGS_MAX {
            let detail = format!("has to have at most {TAGS_MAX} tags");
            errors.push(serde_json::json!({ "pointer": "/tags", "detail": detail }));
        }
        if errors.is_empty() {
            return Ok(());
        }
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail("the note is not valid");
        Err(problem.with("errors", errors))
    }
}
