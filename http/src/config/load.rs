//! Gathering the sources, and reading the types from what they gave.

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::error::{ConfigError, Problem};
use super::hint::nearest;
use super::overrides::Overrides;
use super::server::{ServerConfig, ServerFile};
use super::value::{Node, Origin, Value, below};
use super::{de, file};

/// What variables of the environment begin with.
const PREFIX: &str = "CORELANE_";
/// The sections that there are.
const SECTIONS: [&str; 2] = ["app", "server"];

/// A configuration: the framework's section and the application's. See the [module](super).
#[derive(Clone, Debug, Default)]
pub struct Config<A = ()> {
    /// `[server]`.
    pub server: ServerConfig,
    /// `[app]`.
    pub app: A,
}

impl<A: DeserializeOwned> Config<A> {
    /// Reads the configuration from its usual places, without flags.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load() -> Result<Config<A>, ConfigError> {
        Loader::new().load()
    }
}

type Check<A> = Arc<dyn Fn(&Config<A>, &mut Report<'_>) + Send + Sync>;

/// Where a configuration comes from. [`Loader::load`] can be called again, which is what a reload does.
pub struct Loader<A> {
    path: PathBuf,
    /// Instead of the file.
    text: Option<String>,
    /// Instead of the process's environment.
    environment: Option<Vec<(OsString, OsString)>>,
    overrides: Overrides,
    check: Option<Check<A>>,
    app: PhantomData<fn() -> A>,
}

impl<A: DeserializeOwned> Loader<A> {
    /// The usual places: `corelane.toml`, its profile, the environment.
    pub fn new() -> Loader<A> {
        Loader {
            path: PathBuf::from("corelane.toml"),
            text: None,
            environment: None,
            overrides: Overrides::default(),
            check: None,
            app: PhantomData,
        }
    }

    /// Reads another file than `corelane.toml`, unless the environment or a flag names one. It may be absent.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Loader<A> {
        self.path = path.into();
        self
    }

    /// Takes this text for that of the file, as tests do.
    #[must_use]
    pub fn text(mut self, toml: impl Into<String>) -> Loader<A> {
        self.text = Some(toml.into());
        self
    }

    /// Takes these variables for those of the process, as tests do.
    #[must_use]
    pub fn environment<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Loader<A> {
        self.environment =
            Some(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        self
    }

    /// Takes what the command line says.
    #[must_use]
    pub fn overrides(mut self, overrides: Overrides) -> Loader<A> {
        self.overrides = overrides;
        self
    }

    /// Checks what types cannot say, after the types have been read. What it reports is told with the rest.
    ///
    /// ```
    /// use corelane_http::config::Loader;
    ///
    /// #[derive(serde::Deserialize, Debug)]
    /// struct Pool {
    ///     least: u32,
    ///     most: u32,
    /// }
    ///
    /// let loader = Loader::<Pool>::new().environment([("", ""); 0]).text("[app]\nleast = 5\nmost = 2").check(|config, report| {
    ///     if config.app.most < config.app.least {
    ///         report.error("app.most", "has to be at least `app.least`");
    ///     }
    /// });
    /// let error = loader.load().unwrap_err();
    /// assert_eq!(error.problems()[0].to_string(), "corelane.toml:3: app.most: has to be at least `app.least`");
    /// ```
    #[must_use]
    pub fn check(mut self, check: impl Fn(&Config<A>, &mut Report<'_>) + Send + Sync + 'static) -> Loader<A> {
        self.check = Some(Arc::new(check));
        self
    }

    /// Reads the configuration. Blocks for as long as the files take.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config<A>, ConfigError> {
        let mut problems = Vec::new();
        let mut root = self.gather(&mut problems);
        if !problems.is_empty() {
            return Err(ConfigError::new(problems));
        }
        refuse_unknown_sections(&root, &mut problems);
        for section in SECTIONS {
            let Value::Table(table) = &mut root.value else { unreachable!("the root is a table") };
            table.entry(section.to_owned()).or_insert_with(|| Node::table(Origin::Nowhere));
        }
        // One after the other, so that the framework's problems are told with the application's.
        let server = de::read::<ServerFile>(&mut root, "server", &mut problems);
        let app = de::read::<A>(&mut root, "app", &mut problems);
        let mut report = Report { root: &root, problems: &mut problems };
        let server = server.map(|server| server.finish(&mut report));
        let config = server.zip(app).map(|(server, app)| Config { server, app });
        if let (Some(check), Some(config)) = (&self.check, &config)
            && report.problems.is_empty()
        {
            check(config, &mut report);
        }
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigError::new(problems)),
        }
    }

    /// All sources laid over each other.
    fn gather(&self, problems: &mut Vec<Problem>) -> Node {
        let variables = self.variables(problems);
        let named =
            |name: &str| variables.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        let mut root = Node::table(Origin::Nowhere);
        let mut layer = |read: Result<Option<Node>, Vec<Problem>>, required: Option<Problem>| match read {
            Ok(Some(node)) => root.merge(node),
            Ok(None) => problems.extend(required),
            Err(found) => problems.extend(found),
        };
        let chosen = self.overrides.config.clone().map(|path| (path, Origin::Override("config".into())));
        let variable =
            named("CORELANE_CONFIG").map(|path| (path.into(), Origin::Environment("CORELANE_CONFIG".into())));
        let (path, named_by) = match chosen.or(variable) {
            Some((path, origin)) => (path, Some(origin)),
            None => (self.path.clone(), None),
        };
        let absent =
            |path: &Path, origin| Problem::new("", origin, format!("there is no file {}", path.display()));
        match &self.text {
            Some(text) => layer(file::parse(text, &Arc::from(&*path)).map(Some), None),
            None => layer(file::read(&path), named_by.map(|origin| absent(&path, origin))),
        }
        let flag =
            self.overrides.profile.clone().map(|profile| (profile, Origin::Override("profile".into())));
        let variable = named("CORELANE_PROFILE")
            .map(|profile| (profile, Origin::Environment("CORELANE_PROFILE".into())));
        if let Some((profile, origin)) = flag.or(variable) {
            let is_name = profile.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if is_name && !profile.is_empty() {
                let path = path.with_extension(format!("{profile}.toml"));
                layer(file::read(&path), Some(absent(&path, origin)));
            } else {
                let message = "a profile's name is made of letters, digits, `-` and `_`";
                layer(Err(vec![Problem::new("", origin, message)]), None);
            }
        }
        self.lay_over(&mut root, &variables);
        root
    }

    /// The variables that are meant for us.
    fn variables(&self, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
        let all: Vec<(OsString, OsString)> = match &self.environment {
            Some(given) => given.clone(),
            None => std::env::vars_os().collect(),
        };
        let mut ours = Vec::new();
        for (name, value) in all {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            match value.into_string() {
                Ok(value) => ours.push((name.to_owned(), value)),
                Err(_) => {
                    problems.push(Problem::new("", Origin::Environment(name.into()), "is not UTF-8"));
                }
            }
        }
        ours.sort();
        ours
    }

    /// Puts the environment and then the overrides over what the files gave.
    fn lay_over(&self, root: &mut Node, variables: &[(String, String)]) {
        for (name, value) in variables {
            // A name without `__` names no key: it is for a tool, such as CORELANE_PROFILE.
            let Some(key) = name.strip_prefix(PREFIX).filter(|key| key.contains("__")) else { continue };
            let key = key.to_ascii_lowercase();
            let keys: Vec<&str> = key.split("__").filter(|key| !key.is_empty()).collect();
            root.put(&keys, value, &Origin::Environment(name.as_str().into()));
        }
        for given in &self.overrides.set {
            let keys: Vec<&str> = given.key().split('.').collect();
            root.put(&keys, &given.value, &Origin::Override(given.key().into()));
        }
    }
}

impl<A: DeserializeOwned> Default for Loader<A> {
    fn default() -> Self {
        Loader::new()
    }
}

impl<A> fmt::Debug for Loader<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("path", &self.path).finish_non_exhaustive()
    }
}

fn refuse_unknown_sections(root: &Node, problems: &mut Vec<Problem>) {
    let Value::Table(table) = &root.value else { return };
    for (key, node) in table.iter().filter(|(key, _)| !SECTIONS.contains(&key.as_str())) {
        let hint = match nearest(key, SECTIONS) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "there are `server` and `app`, which is the application's own".to_owned(),
        };
        problems.push(Problem::new(key, node.origin.clone(), format!("there is no section `{key}`; {hint}")));
    }
}

/// Takes what a check finds. See [`Loader::check`].
pub struct Report<'r> {
    root: &'r Node,
    problems: &'r mut Vec<Problem>,
}

impl Report<'_> {
    /// Something is wrong with the value of a key, such as `app.pool.size`. Where it was given is added.
    pub fn error(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(key, self.root.origin_of(key), message));
    }

    /// As [`Report::error`], for a key of the application's section.
    pub fn app_error(&mut self, key: &str, message: impl Into<String>) {
        self.error(&below("app", key), message);
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("problems", &self.problems).finish_non_exhaustive()
    }
}
