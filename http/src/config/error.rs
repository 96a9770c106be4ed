//! What is wrong with a configuration: all of it.

use std::error::Error;
use std::fmt;

use super::value::Origin;

/// One thing that is wrong. `Display` gives one line: where, which key, what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    key: String,
    origin: Origin,
    message: String,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, origin: Origin, message: impl Into<String>) -> Problem {
        Problem { key: key.into(), origin, message: message.into() }
    }

    /// The key, such as `server.cores`; empty if the file as a whole is meant.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where the value was given.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is wrong with it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "{}: {}", self.origin, self.message);
        }
        write!(f, "{}: {}: {}", self.origin, self.key, self.message)
    }
}

/// Why a configuration was refused: everything that is wrong with it.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> ConfigError {
        debug_assert!(!problems.is_empty(), "an error says what is wrong");
        ConfigError { problems }
    }

    /// All that is wrong: `[server]` first, then `[app]`, then what the check has found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problems[..] {
            [one] => write!(f, "the configuration is not valid: {one}"),
            all => {
                write!(f, "the configuration is not valid in {} places:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl fmt::Debug for ConfigError {
    /// As `Display`: this is what a `main` that returns it prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}
