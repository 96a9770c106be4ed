//! Configuration: one value of the application's own type, from defaults, files, the environment and flags.
//!
//! Later sources win, key by key:
//!
//! 1. the defaults of the types;
//! 2. `corelane.toml` in the working directory, or the file that `CORELANE_CONFIG` or `--config` names;
//! 3. the profile's file beside it, `corelane.production.toml`, if `CORELANE_PROFILE` or `--profile` names one;
//! 4. the environment: `CORELANE_SERVER__LIMITS__HEAD_TIMEOUT=5s` is `server.limits.head_timeout`;
//! 5. overrides: `--set app.greeting=Hello`.
//!
//! There are two sections. `[server]` is the framework's ([`ServerConfig`], every key in `docs/configuration.md`);
//! `[app]` is the application's: any type that serde reads.
//!
//! ```
//! use corelane_http::config::{Loader, Period, Secret};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, Debug)]
//! struct Settings {
//!     greeting: String,
//!     #[serde(default = "session_age")]
//!     session_age: Period,
//!     api_key: Secret<String>,
//! }
//!
//! fn session_age() -> Period {
//!     Period(std::time::Duration::from_secs(3600))
//! }
//!
//! let loader = Loader::<Settings>::new()
//!     .text("[app]\ngreeting = \"Hello\"")
//!     .environment([("CORELANE_APP__API_KEY", "k-123"), ("CORELANE_SERVER__CORES", "2")]);
//! let config = loader.load()?;
//! assert_eq!(config.app.greeting, "Hello");
//! assert_eq!(config.server.cores, Some(2));
//! assert_eq!(format!("{:?}", config.app.api_key), "Secret(hidden)");
//!
//! // Everything that is wrong is told at once, with its place.
//! let broken = Loader::<Settings>::new()
//!     .text("[server]\ncroes = 2\n\n[app]\ngreeting = 1")
//!     .environment([("CORELANE_SERVER__CORES", "two")]);
//! let problems: Vec<String> = broken.load().unwrap_err().problems().iter().map(|p| p.to_string()).collect();
//! assert_eq!(problems, [
//!     "corelane.toml:2: server.croes: there is no key `croes`; did you mean `cores`?",
//!     "environment CORELANE_SERVER__CORES: server.cores: has to be a whole number or \"all\", but is string \"two\"",
//!     "corelane.toml:5: app.greeting: has to be a string, but is integer `1`",
//! ]);
//! # Ok::<(), corelane_http::config::ConfigError>(())
//! ```
//!
//! One thing can hide another: of the keys that a table lacks and that have no default, serde names the first, and
//! none if one that is there is wrong.
//!
//! [`Live`] holds what may change while the server runs, and reloads it on SIGHUP.

mod de;
mod error;
mod file;
mod hint;
mod live;
mod load;
mod overrides;
mod secret;
mod server;
#[cfg(test)]
mod tests;
mod units;
mod value;

pub use error::{ConfigError, Problem};
pub use file::FILE_BYTES_MAX;
pub use live::{Current, Live};
pub use load::{Config, Loader, Report};
pub use overrides::{Override, OverrideError, Overrides};
pub use secret::Secret;
pub use server::{Entry, ServerConfig, reference};
pub use units::{ByteSize, Period, UnitError};
pub use value::Origin;

use value::below;
