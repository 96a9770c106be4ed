//! What is wrong with a configuration.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

/// Which setting is wrong, and what to do. It never repeats a value, which may be a password.
#[derive(Debug)]
pub struct ConfigError {
    key: Cow<'static, str>,
    /// A sentence that goes on after the key.
    problem: Cow<'static, str>,
    source: Option<io::Error>,
}

impl ConfigError {
    pub(super) fn new(
        key: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> ConfigError {
        ConfigError { key: key.into(), problem: problem.into(), source: None }
    }

    /// A file that a setting names cannot be read.
    pub(super) fn file(key: &'static str, problem: String, error: io::Error) -> ConfigError {
        ConfigError { key: key.into(), problem: problem.into(), source: Some(error) }
    }

    /// The setting, by libpq's name for it: `sslmode`, `host`, … or `connection string` if it cannot be read at all.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL setting `{}` {}", self.key, self.problem)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as &(dyn Error + 'static))
    }
}

impl Clone for ConfigError {
    fn clone(&self) -> ConfigError {
        ConfigError {
            key: self.key.clone(),
            problem: self.problem.clone(),
            source: self.source.as_ref().map(|error| io::Error::new(error.kind(), error.to_string())),
        }
    }
}
