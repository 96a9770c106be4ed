//! What is wrong with a folder of languages.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that is wrong with the files of [`I18n::load`](super::I18n::load).
#[derive(Debug)]
pub struct I18nError {
    mistakes: Vec<Mistake>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    path: PathBuf,
    line: Option<usize>,
    what: String,
}

impl Mistake {
    pub(super) fn new(path: &Path, line: Option<usize>, what: impl Into<String>) -> Mistake {
        Mistake { path: path.to_owned(), line, what: what.into() }
    }

    /// The file, or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl I18nError {
    /// At least one.
    pub(super) fn new(mistakes: Vec<Mistake>) -> I18nError {
        debug_assert!(!mistakes.is_empty(), "an error says what is wrong");
        I18nError { mistakes }
    }

    /// All of them, in the order of the files' names.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for I18nError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.mistakes.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl Error for I18nError {}
