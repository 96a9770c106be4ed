//! What goes in and out.

use corelane::config::{Config, Report};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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

/// A note as it is written. What the schema says of lengths, garde checks.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// What it is called.
    #[schema(min_length = 1, max_length = 80)]
    #[garde(length(chars, min = 1, max = 80))]
    title: String,
    /// What it says.
    #[serde(default)]
    #[schema(max_length = 10_000)]
    #[garde(length(chars, max = 10_000))]
    text: String,
    /// What it is about.
    #[serde(default)]
    #[schema(max_items = 8)]
    #[garde(length(max = 8), dive)]
    tags: Vec<Tag>,
}

/// A word that notes are found by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[schema(value_type = String, min_length = 1, max_length = 24)]
#[garde(transparent)]
pub(crate) struct Tag(#[garde(length(chars, min = 1, max = 24))] pub(crate) String);

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
