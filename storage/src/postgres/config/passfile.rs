//! The password file.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Secret;

/// Longest password file read, in bytes. It is read at start, into memory.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The [password file](https://www.postgresql.org/docs/17/libpq-pgpass.html): lines of `host:port:database:user:password`.
#[derive(Clone, Default)]
pub(in crate::postgres) struct PassFile {
    lines: Vec<[String; 5]>,
    /// The file that is there and was passed over, and why.
    refused: Option<(PathBuf, &'static str)>,
}

impl PassFile {
    /// Reads a file. One that is not there, or that is refused, holds no passwords: whether that matters is known
    /// once a server asks for one.
    pub(super) fn read(path: &Path) -> PassFile {
        let refuse = |why| PassFile { lines: Vec::new(), refused: Some((path.to_owned(), why)) };
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return PassFile::default(),
            Err(_) => return refuse("it cannot be read"),
            Ok(metadata) => metadata,
        };
        if !metadata.is_file() {
            return refuse("it is no file");
        }
        if metadata.mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "the password file is open to others and passed over: chmod 0600");
            return refuse("others may read it: chmod 0600");
        }
        if metadata.len() > FILE_BYTES_MAX {
            return refuse("it is longer than 1 MiB");
        }
        match fs::read_to_string(path) {
            Ok(text) => PassFile { lines: text.lines().filter_map(line).collect(), refused: None },
            Err(_) => refuse("it cannot be read as UTF-8"),
        }
    }

    /// The password of the first line that fits.
    pub(in crate::postgres) fn find(
        &self,
        host: &str,
        port: u16,
        database: &str,
        user: &str,
    ) -> Option<Secret> {
        let wanted = [host, &port.to_string(), database, user];
        let fits = |fields: &&[String; 5]| {
            fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted)
        };
        self.lines.iter().find(fits).map(|fields| Secret::new(fields[4].clone()))
    }

    /// What to tell someone who has no password.
    pub(in crate::postgres) fn refusal(&self) -> Option<String> {
        let (path, why) = self.refused.as_ref()?;
        Some(format!("the password file {} was passed over: {why}", path.display()))
    }
}

/// `\:` and `\\` stand for the colon and the backslash. The password goes to the end of the line.
fn line(text: &str) -> Option<[String; 5]> {
    if text.starts_with('#') {
        return None;
    }
    let mut fields: [String; 5] = Default::default();
    let mut at = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => fields[at].extend(letters.next()),
            ':' if at < 4 => at += 1,
            letter => fields[at].push(letter),
        }
    }
    (at == 4).then_some(fields)
}

impl fmt::Debug for PassFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassFile").field("lines", &self.lines.len()).field("refused", &self.refused).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let text = "# comment\n\
                    broken line\n\
                    db:5432:shop:app:one\n\
                    db:*:*:app:two:with:colons\n\
                    a\\:b:*:*:*:back\\\\slash\\:colon\n\
                    *:*:*:reader:\n";
        let file = PassFile { lines: text.lines().filter_map(line).collect(), refused: None };
        for (why, (host, port, database, user), want) in [
            ("every field fits", ("db", 5432, "shop", "app"), Some("one")),
            ("the port does not: the next line", ("db", 5433, "shop", "app"), Some("two:with:colons")),
            ("escaped colon and backslash", ("a:b", 1, "x", "y"), Some("back\\slash:colon")),
            ("any host, and an empty password", ("h", 1, "x", "reader"), Some("")),
            ("no line", ("h", 1, "x", "y"), None),
        ] {
            let found = file.find(host, port, database, user);
            assert_eq!(found.as_ref().map(Secret::danger_reveal), want, "{why}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_passed_over_and_said_so() {
        let path = std::env::temp_dir().join(format!("corelane-pgpass-{}", std::process::id()));
        fs::write(&path, "*:*:*:*:secret\n").unwrap();
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o666, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let file = PassFile::read(&path);
            assert_eq!(file.find("h", 1, "d", "u").is_some(), is_read, "{mode:o}");
            assert_eq!(file.refusal().is_some_and(|text| text.contains("chmod 0600")), !is_read, "{mode:o}");
            assert!(!format!("{file:?}").contains("secret"));
        }
        fs::remove_file(&path).unwrap();
        let absent = PassFile::read(&path);
        assert!(absent.lines.is_empty() && absent.refusal().is_none());
    }
}
