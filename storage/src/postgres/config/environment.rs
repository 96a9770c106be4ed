//! What surrounds a process: variables, its user, its home.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Where settings come from that a connection string does not give.
///
/// ```
/// use corelane_storage::postgres::{Config, Environment};
///
/// // Independent of where the program runs.
/// let environment = Environment::empty().with("PGUSER", "app").with("PGSSLMODE", "verify-full");
/// let config = Config::parse_in("postgres://db.internal/orders", &environment)?;
/// assert_eq!((config.user.as_str(), config.database.as_str()), ("app", "orders"));
/// # Ok::<(), corelane_storage::postgres::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Environment {
    variables: HashMap<String, String>,
    user: Option<String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// Nothing: no variables, no user, no home.
    pub fn empty() -> Environment {
        Environment { variables: HashMap::new(), user: None, home: None }
    }

    /// That of this process: the variables whose names begin with `PG`, the name of its user, and `HOME`.
    pub fn of_process() -> Environment {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("PG"))
            .collect();
        let account = Account::own();
        let home = std::env::var_os("HOME").map(PathBuf::from);
        Environment {
            variables,
            user: account.as_ref().map(|account| account.name.clone()),
            home: home.or(account.map(|account| account.home)),
        }
    }

    /// Sets one variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Environment {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets the name of the operating system's user, which is the user of the database if none is given.
    #[must_use]
    pub fn with_user(mut self, name: impl Into<String>) -> Environment {
        self.user = Some(name.into());
        self
    }

    /// Sets the home folder, in which `.pgpass` and `.postgresql/` are looked for.
    #[must_use]
    pub fn with_home(mut self, folder: impl Into<PathBuf>) -> Environment {
        self.home = Some(folder.into());
        self
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn in_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be passwords.
        let names: Vec<&String> = self.variables.keys().collect();
        f.debug_struct("Environment")
            .field("variables", &names)
            .field("user", &self.user)
            .field("home", &self.home)
            .finish()
    }
}

/// A line of `/etc/passwd`.
struct Account {
    name: String,
    home: PathBuf,
}

impl Account {
    /// That of this process's user. Users from elsewhere than the file are not found: then `user` has to be given.
    fn own() -> Option<Account> {
        let id = fs::metadata("/proc/self").ok()?.uid().to_string();
        let users = fs::read_to_string("/etc/passwd").ok()?;
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.get(2) == Some(&id.as_str())).then(|| {
                Some(Account { name: (*fields.first()?).to_owned(), home: PathBuf::from(fields.get(5)?) })
            })?
        })
    }
}
