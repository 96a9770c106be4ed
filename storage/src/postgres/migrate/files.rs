//! Migrations as files.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::Path;

use sha2::Digest;

use super::error::{Kind, MigrateError};

/// A comment in a migration by itself on the first line, for what PostgreSQL does not do in a transaction.
const NO_TRANSACTION: &str = "-- no transaction";

/// One step, and how it is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    version: i64,
    name: Cow<'static, str>,
    up: Cow<'static, str>,
    down: Option<Cow<'static, str>>,
}

impl Migration {
    /// Its number.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What its file name says behind the number.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn up(&self) -> &str {
        &self.up
    }

    /// How it is undone, if there is a way.
    pub fn down(&self) -> Option<&str> {
        self.down.as_deref()
    }

    /// The SHA-256 of what it does. Line ends count as one character whatever they are, so that a checkout on another system
    /// does not change it.
    pub fn checksum(&self) -> [u8; 32] {
        let mut hash = sha2::Sha256::new();
        for piece in self.up.split_inclusive('\n') {
            match piece.strip_suffix("\r\n") {
                Some(line) => {
                    hash.update(line);
                    hash.update("\n");
                }
                None => hash.update(piece),
            }
        }
        hash.finalize().into()
    }
}

/// Whether a script is to be executed outside a transaction.
pub(super) fn is_outside_transaction(sql: &str) -> bool {
    sql.lines().next().is_some_and(|line| line.trim_end() == NO_TRANSACTION)
}

/// A set of migrations, in the order of their numbers: from a [folder](Self::from_folder), or from the program itself with
/// [`from_files`](Self::from_files) and `include_str!`.
///
/// | file | what |
/// | --- | --- |
/// | `0001_create_users.sql` | what migration 1 does; it cannot be undone |
/// | `0002_add_email.up.sql` | what migration 2 does |
/// | `0002_add_email.down.sql` | how it is undone |
///
/// The number may have any number of digits, so that a date and time will do. Each migration is one transaction, unless
/// its first line is `-- no transaction`, which `CREATE INDEX CONCURRENTLY` needs; then it has to be a single statement.
/// Files that do not end in `.sql` are passed over.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Migrations {
    list: Vec<Migration>,
}

impl Migrations {
    /// Reads a folder. Its own folders are not looked into.
    ///
    /// # Errors
    /// [`is_files`](MigrateError::is_files): what cannot be read, names that are none, numbers that are there twice.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Migrations, MigrateError> {
        let read = |path: &Path| {
            let path = path.to_owned();
            move |source| MigrateError::new(Kind::Read { path, source })
        };
        let folder = folder.as_ref();
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(read(folder))? {
            let path = entry.map_err(read(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_file() && name.ends_with(".sql") {
                let text = fs::read_to_string(&path).map_err(read(&path))?;
                files.push((name, Cow::Owned(text)));
            }
        }
        Migrations::from_files(files)
    }

    /// Takes files from anywhere, each as its name and what is in it.
    ///
    /// ```
    /// use corelane_storage::postgres::Migrations;
    ///
    /// let migrations = Migrations::from_files([
    ///     ("0001_users.up.sql", "CREATE TABLE users (id bigint PRIMARY KEY)"),
    ///     ("0001_users.down.sql", "DROP TABLE users"),
    /// ])?;
    /// assert_eq!(migrations.iter().next().map(|first| first.name()), Some("users"));
    /// # Ok::<(), corelane_storage::postgres::MigrateError>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_folder`](Self::from_folder).
    pub fn from_files<N, T>(files: impl IntoIterator<Item = (N, T)>) -> Result<Migrations, MigrateError>
    where
        N: AsRef<str>,
        T: Into<Cow<'static, str>>,
    {
        let mut ups: Vec<(Migration, String)> = Vec::new();
        let mut downs = Vec::new();
        for (file, text) in files {
            let file = file.as_ref();
            let name = Name::parse(file)
                .map_err(|why| MigrateError::new(Kind::Name { file: file.to_owned(), why }))?;
            if name.is_down {
                downs.push((name.version, file.to_owned(), text.into()));
            } else {
                let Name { version, name, .. } = name;
                let step = Migration { version, name: name.to_owned().into(), up: text.into(), down: None };
                ups.push((step, file.to_owned()));
            }
        }
        ups.sort_by_key(|(step, _)| step.version);
        let twice = |version, first: &str, second: &str| {
            MigrateError::new(Kind::Twice { version, first: first.to_owned(), second: second.to_owned() })
        };
        if let Some([(step, first), (_, second)]) =
            ups.array_windows().find(|[(one, _), (other, _)]| one.version == other.version)
        {
            return Err(twice(step.version, first, second));
        }
        for (version, file, text) in downs {
            let Some((step, other)) = ups.iter_mut().find(|(step, _)| step.version == version) else {
                return Err(MigrateError::new(Kind::DownAlone { file }));
            };
            if step.down.replace(text).is_some() {
                return Err(twice(version, other, &file));
            }
        }
        Ok(Migrations { list: ups.into_iter().map(|(step, _)| step).collect() })
    }

    /// The migrations, lowest number first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Migration> + ExactSizeIterator {
        self.list.iter()
    }

    /// That of this number.
    pub fn get(&self, version: i64) -> Option<&Migration> {
        let place = self.list.binary_search_by_key(&version, |step| step.version).ok()?;
        self.list.get(place)
    }
}

impl fmt::Debug for Migrations {
    /// Numbers and names: the texts may be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.list.iter().map(|step| (step.version, &step.name))).finish()
    }
}

/// What a file name says.
struct Name<'a> {
    version: i64,
    name: &'a str,
    is_down: bool,
}

impl Name<'_> {
    fn parse(file: &str) -> Result<Name<'_>, &'static str> {
        let stem = file.strip_suffix(".sql").ok_or("it does not end in .sql")?;
        let (stem, is_down) = match (stem.strip_suffix(".up"), stem.strip_suffix(".down")) {
            (Some(stem), _) => (stem, false),
            (None, Some(stem)) => (stem, true),
            (None, None) => (stem, false),
        };
        let (number, name) = stem.split_once('_').ok_or("there is no _ behind the number")?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("it does not begin with a number");
        }
        let version = number.parse().map_err(|_| "the number is too large")?;
        if name.is_empty() || name.contains('.') {
            return Err("what stands behind the number is no name");
        }
        Ok(Name { version, name, is_down })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str]) -> Result<Vec<String>, MigrateError> {
        let migrations = Migrations::from_files(files.iter().map(|file| (file, "")))?;
        Ok(migrations.iter().map(|step| format!("{} {}", step.version(), step.name())).collect())
    }

    #[test]
    fn files_are_ordered_by_their_numbers() {
        let files = ["10_c.sql", "2_b.up.sql", "0001_a.sql", "2_b.down.sql"];
        assert_eq!(names(&files).unwrap(), ["1 a", "2 b", "10 c"]);
    }

    #[test]
    fn wrong_files_are_named() {
        for (why, files, want) in [
            ("no number", &["a_b.sql"][..], "a_b.sql: it does not begin with a number"),
            ("a sign", &["+1_b.sql"], "+1_b.sql: it does not begin with a number"),
            ("no name", &["1_.sql"], "1_.sql: what stands behind the number is no name"),
            (
                "a direction that is none",
                &["1_a.dwon.sql"],
                "1_a.dwon.sql: what stands behind the number is no name",
            ),
            ("no number at all", &["create.sql"], "create.sql: there is no _ behind the number"),
            (
                "too large",
                &["99999999999999999999_a.sql"],
                "99999999999999999999_a.sql: the number is too large",
            ),
            ("a number twice", &["1_a.sql", "01_b.sql"], "1_a.sql and 01_b.sql have the same number, 1"),
            (
                "two ways back",
                &["1_a.sql", "1_a.down.sql", "1_b.down.sql"],
                "1_a.sql and 1_b.down.sql have the same",
            ),
            ("only a way back", &["1_a.down.sql"], "1_a.down.sql undoes a migration that is not there"),
        ] {
            let error = names(files).unwrap_err();
            assert!(error.is_files() && error.to_string().starts_with(want), "{why}: {error}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_text_whatever_the_line_ends() {
        let sum = |text: &'static str| {
            Migrations::from_files([("1_a.sql", text)]).unwrap().get(1).unwrap().checksum()
        };
        assert_eq!(sum("a\nb\n"), sum("a\r\nb\r\n"));
        assert_ne!(sum("a\nb\n"), sum("a\nb"));
        // Of `printf 'SELECT 1\n' | sha256sum`: it must never change, or applied migrations would count as changed.
        let hex: String = sum("SELECT 1\r\n").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "a0a22c9dfa428cdce6fb3e58a40d4052335e17e5fbe42efc2f17f9ca813be62c");
    }
}
