//! Languages and their messages, read once.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentError, FluentResource};
use unic_langid::{CharacterDirection, LanguageIdentifier};

use super::error::{I18nError, Mistake};

/// Longest file, in bytes, and most files of a language: texts for people are not longer, and a wrong folder is noticed.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const FILES_MAX: usize = 1000;
/// Most languages.
const LANGUAGES_MAX: usize = 256;
/// Most missing keys that are remembered as having been said in the log. Beyond, nothing more is said.
const SAID_MAX: usize = 1024;

/// Every language. A core loads its own, so nobody waits for the locks inside.
pub(super) struct Catalog {
    /// The default first.
    languages: Vec<Language>,
    /// What was said in the log: language and key.
    said: Mutex<HashSet<(usize, String)>>,
}

struct Language {
    /// As the folder is called, which is what clients are told.
    tag: String,
    /// In lower case, for look-ups.
    lower: String,
    bundle: FluentBundle<FluentResource>,
}

impl Catalog {
    pub(super) fn load(folder: &Path, default: &str) -> Result<Catalog, I18nError> {
        let mut mistakes = Vec::new();
        let mut languages = Vec::new();
        for path in entries(folder, &mut mistakes) {
            if languages.len() == LANGUAGES_MAX {
                mistakes.push(Mistake::new(folder, None, "there are more than 256 languages"));
                break;
            }
            if path.is_dir() {
                languages.extend(language(&path, &mut mistakes));
            }
        }
        match languages.iter().position(|language: &Language| language.lower == default.to_ascii_lowercase())
        {
            Some(at) => languages[..=at].rotate_right(1),
            None => {
                let what = format!("there is no folder `{default}`, the default language");
                mistakes.push(Mistake::new(folder, None, what));
            }
        }
        match mistakes.is_empty() {
            true => Ok(Catalog { languages, said: Mutex::default() }),
            false => Err(I18nError::new(mistakes)),
        }
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|language| &*language.tag)
    }

    pub(super) fn tag(&self, language: usize) -> &str {
        &self.languages[language].tag
    }

    /// The language for a tag (RFC 4647 §3.4): the tag, then shorter and shorter beginnings of it; if none is there, the
    /// first variety of the same language.
    pub(super) fn find(&self, tag: &str) -> Option<usize> {
        let tag = tag.to_ascii_lowercase().replace('_', "-");
        let mut range = &*tag;
        loop {
            if let Some(at) = self.languages.iter().position(|language| language.lower == range) {
                return Some(at);
            }
            match range.rfind('-') {
                Some(at) => range = &range[..at],
                None => break,
            }
        }
        self.languages.iter().position(|language| language.lower.split('-').next() == Some(range))
    }

    /// The text of a key in one language; `None` if it has none.
    pub(super) fn text(&self, language: usize, key: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
        let bundle = &self.languages[language].bundle;
        // `login.title` is the attribute `title` of the message `login`.
        let pattern = match key.split_once('.') {
            None => bundle.get_message(key)?.value()?,
            Some((id, attribute)) => bundle.get_message(id)?.get_attribute(attribute)?.value(),
        };
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, args, &mut errors).into_owned();
        if let Some(error) = errors.first()
            && self.says(language, key)
        {
            let language = self.tag(language);
            tracing::warn!(key, language, %error, "a text could not be formatted whole");
        }
        Some(text)
    }

    /// True if the language has a text for the key.
    pub(super) fn has(&self, language: usize, key: &str) -> bool {
        let bundle = &self.languages[language].bundle;
        match key.split_once('.') {
            None => bundle.get_message(key).is_some_and(|message| message.value().is_some()),
            Some((id, attribute)) => {
                bundle.get_message(id).is_some_and(|message| message.get_attribute(attribute).is_some())
            }
        }
    }

    /// Says in the log, once for each language and key, that there is no text.
    pub(super) fn missing(&self, language: usize, key: &str, instead: Option<usize>) {
        if self.says(language, key) {
            let language = self.tag(language);
            let instead = instead.map(|other| self.tag(other));
            tracing::warn!(key, language, instead, "a text is missing");
        }
    }

    fn says(&self, language: usize, key: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.len() < SAID_MAX && said.insert((language, key.to_owned()))
    }

    /// How many missing or damaged texts were said in the log.
    #[cfg(test)]
    pub(super) fn said(&self) -> usize {
        self.said.lock().unwrap().len()
    }
}

/// What is in a folder, by name, hidden files left out.
fn entries(folder: &Path, mistakes: &mut Vec<Mistake>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let listed = fs::read_dir(folder).and_then(|entries| {
        for entry in entries {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                found.push(entry.path());
            }
        }
        Ok(())
    });
    if let Err(error) = listed {
        mistakes.push(Mistake::new(folder, None, error.to_string()));
    }
    found.sort();
    found
}

fn language(folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<Language> {
    let tag = folder.file_name()?.to_string_lossy().into_owned();
    let Ok(id) = tag.parse::<LanguageIdentifier>() else {
        mistakes.push(Mistake::new(
            folder,
            None,
            format!("`{tag}` is no language tag, such as `en` or `pt-BR`"),
        ));
        return None;
    };
    let direction = id.character_direction();
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // Marks around values keep text of the other direction in place; where all runs left to right they would only
    // be in the way of who compares or copies a text.
    bundle.set_use_isolating(direction == CharacterDirection::RTL);
    let files = entries(folder, mistakes);
    if files.len() > FILES_MAX {
        mistakes.push(Mistake::new(folder, None, "there are more than 1000 files"));
        return None;
    }
    for path in files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "ftl")) {
        match read(path) {
            Ok(text) => add(&mut bundle, path, text, mistakes),
            Err(error) => mistakes.push(Mistake::new(path, None, error.to_string())),
        }
    }
    Some(Language { lower: tag.to_ascii_lowercase(), tag, bundle })
}

fn read(path: &Path) -> std::io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(std::io::Error::other("the file is longer than 4 MiB"));
    }
    fs::read_to_string(path)
}

fn add(bundle: &mut FluentBundle<FluentResource>, path: &Path, text: String, mistakes: &mut Vec<Mistake>) {
    let resource = match FluentResource::try_new(text.clone()) {
        Ok(resource) => resource,
        // What could be read is taken in all the same, so that all mistakes are told at once.
        Err((resource, errors)) => {
            mistakes.extend(errors.into_iter().map(|error| {
                let line = line_at(&text, error.pos.start);
                Mistake::new(path, Some(line), error.kind.to_string())
            }));
            resource
        }
    };
    for error in bundle.add_resource(resource).err().unwrap_or_default() {
        let (line, what) = match error {
            FluentError::Overriding { kind, id } => {
                (last_line_of(&text, &id), format!("the {kind} `{id}` is given twice in this language"))
            }
            other => (None, other.to_string()),
        };
        mistakes.push(Mistake::new(path, line, what));
    }
}

/// The line, counted from 1, of a position in bytes.
fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The last line that begins with a message of this name.
fn last_line_of(text: &str, id: &str) -> Option<usize> {
    let begins = |line: &str| {
        let line = line.strip_prefix('-').unwrap_or(line);
        line.strip_prefix(id).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().enumerate().filter(|(_, line)| begins(line)).last().map(|(at, _)| at + 1)
}
