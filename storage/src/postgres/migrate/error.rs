//! What can go wrong with migrations.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::postgres::error::PgError;

/// Why migrations were not applied. What was applied before stays.
#[derive(Debug)]
pub struct MigrateError {
    kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Read { path: PathBuf, source: io::Error },
    Name { file: String, why: &'static str },
    Twice { version: i64, first: String, second: String },
    DownAlone { file: String },
    Changed { version: i64, name: String },
    Unknown { version: i64, name: String },
    OutOfOrder { version: i64, name: String, last: i64 },
    NoDown { version: i64, name: String },
    Locked { waited: Duration },
    Failed { version: i64, name: String, line: Option<usize>, source: PgError },
    Database(PgError),
}

impl MigrateError {
    pub(super) fn new(kind: Kind) -> MigrateError {
        MigrateError { kind }
    }

    /// True if the files themselves are wrong: a name, a number that is there twice, one that cannot be read.
    pub fn is_files(&self) -> bool {
        matches!(
            self.kind,
            Kind::Read { .. } | Kind::Name { .. } | Kind::Twice { .. } | Kind::DownAlone { .. }
        )
    }

    /// True if the files and what the database has had do not fit: one was changed or is missing, comes too late, or
    /// cannot be undone.
    pub fn is_mismatch(&self) -> bool {
        matches!(
            self.kind,
            Kind::Changed { .. } | Kind::Unknown { .. } | Kind::OutOfOrder { .. } | Kind::NoDown { .. }
        )
    }

    /// True if another instance was migrating for all of the time that was to be waited.
    pub fn is_locked(&self) -> bool {
        matches!(self.kind, Kind::Locked { .. })
    }

    /// What the database said, if that is the reason.
    pub fn database(&self) -> Option<&PgError> {
        match &self.kind {
            Kind::Failed { source, .. } | Kind::Database(source) => Some(source),
            _ => None,
        }
    }
}

impl From<PgError> for MigrateError {
    fn from(error: PgError) -> MigrateError {
        MigrateError::new(Kind::Database(error))
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Read { path, .. } => write!(f, "{} cannot be read", path.display()),
            Kind::Name { file, why } => {
                write!(
                    f,
                    "{file}: {why}; a migration is called 0001_what_it_does.sql, or .up.sql and .down.sql"
                )
            }
            Kind::Twice { version, first, second } => {
                write!(f, "{first} and {second} have the same number, {version}: rename one")
            }
            Kind::DownAlone { file } => write!(f, "{file} undoes a migration that is not there"),
            Kind::Changed { version, name } => write!(
                f,
                "{version} {name} was applied and has been changed since: undo the change, and put it into a new migration"
            ),
            Kind::Unknown { version, name } => {
                write!(f, "{version} {name} was applied, and there is no such file: is this an older build?")
            }
            Kind::OutOfOrder { version, name, last } => {
                write!(f, "{version} {name} was not applied, but {last} was: give it a higher number")
            }
            Kind::NoDown { version, name } => {
                write!(f, "{version} {name} has no .down.sql: it cannot be undone")
            }
            Kind::Locked { waited } => {
                write!(f, "another instance has been migrating for {} s", waited.as_secs())
            }
            Kind::Failed { version, name, line: Some(line), .. } => {
                write!(f, "{version} {name} failed at line {line}")
            }
            Kind::Failed { version, name, line: None, .. } => write!(f, "{version} {name} failed"),
            Kind::Database(_) => f.write_str("the database cannot be migrated"),
        }
    }
}

impl Error for MigrateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Read { source, .. } => Some(source),
            Kind::Failed { source, .. } | Kind::Database(source) => Some(source),
            _ => None,
        }
    }
}
