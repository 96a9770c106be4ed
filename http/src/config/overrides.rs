//! Flags of the command line that change single keys.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// One `key=value`, as `--set` takes it.
///
/// For programs that parse their flags with clap, this is the type of the argument:
/// `#[arg(long = "set", value_name = "KEY=VALUE")] set: Vec<Override>`.
///
/// ```
/// use corelane_http::config::Override;
///
/// let given: Override = "server.cores=2".parse()?;
/// assert_eq!(given.key(), "server.cores");
/// assert!("cores".parse::<Override>().is_err());
/// # Ok::<(), corelane_http::config::OverrideError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    key: String,
    pub(super) value: String,
}

impl Override {
    /// The key, such as `server.limits.head_timeout`.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for Override {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Override").field("key", &self.key).finish_non_exhaustive()
    }
}

impl FromStr for Override {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Override, OverrideError> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(OverrideError("an override is written key=value, such as server.cores=2"));
        };
        let key = key.trim();
        if key.split('.').any(str::is_empty) {
            return Err(OverrideError(
                "the key of an override is made of names and dots, such as server.cores",
            ));
        }
        Ok(Override { key: key.to_owned(), value: value.to_owned() })
    }
}

/// A flag that is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrideError(&'static str);

impl fmt::Display for OverrideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for OverrideError {}

/// What the command line says about the configuration: `--set`, `--config`, `--profile`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The values of `--set`, in order: later ones win.
    pub set: Vec<Override>,
    /// The value of `--config`.
    pub config: Option<PathBuf>,
    /// The value of `--profile`.
    pub profile: Option<String>,
}

impl Overrides {
    /// Takes the three flags out of a command line; gives what is left of it.
    ///
    /// Both `--set key=value` and `--set=key=value` are understood. What follows `--` is left alone.
    ///
    /// ```
    /// use corelane_http::config::Overrides;
    ///
    /// let (overrides, rest) = Overrides::from_args(["--set", "server.cores=2", "import", "--profile=test"])?;
    /// assert_eq!(overrides.set[0].key(), "server.cores");
    /// assert_eq!(overrides.profile.as_deref(), Some("test"));
    /// assert_eq!(rest, ["import"]);
    /// # Ok::<(), corelane_http::config::OverrideError>(())
    /// ```
    ///
    /// # Errors
    /// A flag without its value, or a `--set` that is no `key=value`.
    pub fn from_args<S: Into<String>>(
        args: impl IntoIterator<Item = S>,
    ) -> Result<(Overrides, Vec<String>), OverrideError> {
        let (mut overrides, mut rest) = (Overrides::default(), Vec::new());
        let mut args = args.into_iter().map(Into::into);
        while let Some(arg) = args.next() {
            if arg == "--" {
                rest.push(arg);
                rest.extend(args);
                break;
            }
            let (flag, value) = match arg.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (arg.clone(), None),
            };
            if !["--set", "--config", "--profile"].contains(&flag.as_str()) {
                rest.push(arg);
                continue;
            }
            let missing = OverrideError("--set, --config and --profile each want a value");
            let value = value.or_else(|| args.next()).ok_or(missing)?;
            match flag.as_str() {
                "--set" => overrides.set.push(value.parse()?),
                "--config" => overrides.config = Some(value.into()),
                _ => overrides.profile = Some(value),
            }
        }
        Ok((overrides, rest))
    }
}
