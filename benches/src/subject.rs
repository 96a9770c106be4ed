//! The servers under comparison: how each is built and started.
//!
//! ```
//! use corelane_benches::subject::{Scenario, Subject};
//!
//! let ours: Subject = "corelane:epoll".parse()?;
//! assert_eq!(ours.name(), "corelane:epoll");
//! assert!("nginx".parse::<Subject>().is_err());
//! assert_eq!(Scenario::Json.path(), "/json");
//! # Ok::<(), corelane_benches::subject::UnknownSubject>(())
//! ```

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use crate::ask::Ask;
use crate::machine::root;
use crate::server::{self, Server};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// `Hello, World!` as plain text.
    Plaintext,
    /// An object of one member, serialised for each request.
    Json,
    /// 64 KiB sent and sent back, as bodies.
    Echo,
    /// The same without HTTP.
    EchoRaw,
    /// Plaintext through nginx. See [`crate::nginx`].
    Nginx,
    /// Clients instead of servers: `GET` of a small value, 128 calls under way. See [`crate::redis`].
    RedisGet,
    /// The same with `SET`.
    RedisSet,
    /// The same with `GET`s in explicit pipelines.
    RedisPipeline,
}

/// Bytes sent and sent back.
const ECHO_BYTES: usize = 64 * 1024;

impl Scenario {
    /// The route, the same in every server.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Plaintext | Self::Nginx => "/plaintext",
            Self::Json => "/json",
            Self::Echo | Self::EchoRaw => "/echo",
            Self::RedisGet | Self::RedisSet | Self::RedisPipeline => "",
        }
    }

    /// The body that answers it, if it is not what was sent.
    #[must_use]
    pub const fn body(self) -> Option<&'static str> {
        match self {
            Self::Plaintext | Self::Nginx => Some("Hello, World!"),
            Self::Json => Some(r#"{"message":"Hello, World!"}"#),
            _ => None,
        }
    }

    /// Its name on the command line and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Json => "json",
            Self::Echo => "echo",
            Self::EchoRaw => "echo-raw",
            Self::Nginx => "nginx",
            Self::RedisGet => "redis-get",
            Self::RedisSet => "redis-set",
            Self::RedisPipeline => "redis-pipeline",
        }
    }
}

/// A server to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The floor program, which answers the plaintext constant to everything.
    Floor,
    /// The epoll program, which echoes and knows nothing else.
    Bare,
    /// The echo example of our runtime, on a driver of its choice or the named one.
    Runtime(Option<String>),
    /// One of the frameworks in `benches/peers`.
    Peer(Peer),
    /// Our own example server, on a driver of its choice or the named one.
    Corelane(Option<String>),
    /// Any other program that takes `--listen ADDR` and serves the same routes, such as the example server of
    /// another commit: written `name=path`.
    Program(String, PathBuf),
}

/// A framework in `benches/peers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the frameworks' names say it all")]
pub enum Peer {
    Axum,
    Actix,
    Ntex,
    Xitca,
    May,
}

impl Peer {
    const ALL: [Self; 5] = [Self::Axum, Self::Actix, Self::Ntex, Self::Xitca, Self::May];

    const fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Ntex => "ntex",
            Self::Xitca => "xitca",
            Self::May => "may",
        }
    }
}

/// A name that is no [`Subject`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSubject;

impl fmt::Display for UnknownSubject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("not one of floor, bare, axum, actix, ntex, xitca, may, corelane, corelane:DRIVER, runtime, runtime:DRIVER, NAME=PATH")
    }
}

impl std::error::Error for UnknownSubject {}

impl FromStr for Subject {
    type Err = UnknownSubject;

    fn from_str(text: &str) -> Result<Self, UnknownSubject> {
        if let Some((name, path)) = text.split_once('=') {
            return Ok(Self::Program(name.to_owned(), path.into()));
        }
        match text.split_once(':') {
            Some(("corelane", driver)) => Ok(Self::Corelane(Some(driver.to_owned()))),
            Some(("runtime", driver)) => Ok(Self::Runtime(Some(driver.to_owned()))),
            Some(_) => Err(UnknownSubject),
            None if text == "floor" => Ok(Self::Floor),
            None if text == "bare" => Ok(Self::Bare),
            None if text == "runtime" => Ok(Self::Runtime(None)),
            None if text == "corelane" => Ok(Self::Corelane(None)),
            None => {
                Peer::ALL.into_iter().find(|peer| peer.name() == text).map(Self::Peer).ok_or(UnknownSubject)
            }
        }
    }
}

impl Subject {
    /// Its name in tables and records.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Floor => "floor".to_owned(),
            Self::Bare => "bare".to_owned(),
            Self::Runtime(None) => "runtime".to_owned(),
            Self::Runtime(Some(driver)) => format!("runtime:{driver}"),
            Self::Peer(peer) => peer.name().to_owned(),
            Self::Corelane(None) => "corelane".to_owned(),
            Self::Corelane(Some(driver)) => format!("corelane:{driver}"),
            Self::Program(name, _) => name.clone(),
        }
    }

    /// True for the frameworks we want to be faster than.
    #[must_use]
    pub fn is_peer(&self) -> bool {
        matches!(self, Self::Peer(_))
    }

    /// What it is asked in `scenario`, and what it must answer.
    #[must_use]
    pub fn ask(&self, scenario: Scenario) -> Ask {
        let body = if *self == Self::Floor { Scenario::Plaintext.body() } else { scenario.body() };
        let upload = matches!(scenario, Scenario::Echo | Scenario::EchoRaw).then_some(ECHO_BYTES);
        Ask { upload, raw: scenario == Scenario::EchoRaw, ..Ask::get(scenario.path(), body) }
    }

    /// The arguments of the cargo command that builds it; `None` for a program that is given built. Peers are built
    /// all at once: one by one, each would build what they share anew with other features.
    fn recipe(&self) -> io::Result<Option<Vec<String>>> {
        let (arguments, target): (&[&str], _) = match self {
            Self::Floor => (&["-p", "corelane-benches", "--bin", "floor"], target_folder()?),
            Self::Bare => (&["-p", "corelane-benches", "--bin", "bare"], target_folder()?),
            Self::Runtime(_) => (&["-p", "corelane-runtime", "--example", "echo"], target_folder()?),
            Self::Corelane(_) => (&["-p", "corelane", "--example", "showcase"], target_folder()?),
            Self::Peer(_) => {
                (&["--locked", "--manifest-path", "benches/peers/Cargo.toml"], target_folder()?.join("peers"))
            }
            Self::Program(..) => return Ok(None),
        };
        let target = target.display().to_string();
        let all = ["build", "--release"].into_iter().chain(arguments.iter().copied());
        Ok(Some(all.chain(["--target-dir", &target]).map(str::to_owned).collect()))
    }

    /// The built program.
    fn program(&self) -> io::Result<PathBuf> {
        Ok(match self {
            Self::Floor => target_folder()?.join("release/floor"),
            Self::Bare => target_folder()?.join("release/bare"),
            Self::Runtime(_) => target_folder()?.join("release/examples/echo"),
            Self::Corelane(_) => target_folder()?.join("release/examples/showcase"),
            Self::Peer(peer) => target_folder()?.join(format!("peers/release/peer-{}", peer.name())),
            Self::Program(_, path) => path.clone(),
        })
    }

    /// Starts it on a free port of the loopback interface, pinned to `core`, and waits until it answers `scenario`.
    ///
    /// # Errors
    /// If it does not start, or does not answer rightly within 10 s; what it wrote to standard error is in the message.
    pub fn start(&self, scenario: Scenario, core: usize) -> io::Result<Server> {
        let program = self.program()?;
        let address = server::free_address()?;
        let log = target_folder()?.join(format!("{}.log", self.name().replace(':', "-")));
        let mut command = Command::new(&program);
        command.arg("--listen").arg(address.to_string());
        if let Self::Corelane(_) = self {
            command.args(["--cores", "1"]);
        }
        if let Self::Corelane(Some(driver)) | Self::Runtime(Some(driver)) = self {
            command.args(["--driver", driver]);
        }
        if *self == Self::Bare && scenario == Scenario::EchoRaw {
            command.arg("--raw");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        Server::start(&mut command, address, core, &self.ask(scenario)).map_err(|error| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            io::Error::new(error.kind(), format!("{} ({}): {error}\n{said}", self.name(), program.display()))
        })
    }
}

/// Builds all of `subjects`, saying how on standard error. Cargo decides whether there is anything to do: a program
/// that is there but older than its source must not be measured.
///
/// # Errors
/// If a build fails.
pub fn build(subjects: &[Subject]) -> io::Result<()> {
    let mut done = Vec::new();
    for subject in subjects {
        let Some(recipe) = subject.recipe()?.filter(|recipe| !done.contains(recipe)) else { continue };
        eprintln!("{}: cargo {}", subject.name(), recipe.join(" "));
        let status = Command::new("cargo").args(&recipe).current_dir(root()).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("building {} failed", subject.name())));
        }
        done.push(recipe);
    }
    Ok(())
}

/// The folder cargo built this program into: the one above `release` or `debug`.
pub(crate) fn target_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let profile = program.ancestors().find(|folder| folder.ends_with("release") || folder.ends_with("debug"));
    Ok(profile.and_then(Path::parent).map_or_else(|| root().join("target"), Path::to_path_buf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for name in [
            "floor",
            "bare",
            "axum",
            "actix",
            "ntex",
            "xitca",
            "may",
            "corelane",
            "corelane:uring",
            "runtime",
            "runtime:ring",
        ] {
            assert_eq!(name.parse::<Subject>().unwrap().name(), name);
        }
        let base: Subject = "base=/tmp/showcase".parse().unwrap();
        assert_eq!(base, Subject::Program("base".to_owned(), "/tmp/showcase".into()));
        for name in ["", "hyper", "axum:uring"] {
            assert_eq!(name.parse::<Subject>(), Err(UnknownSubject), "{name}");
        }
    }

    #[test]
    fn a_program_that_ends_at_once_is_an_error() {
        let subject = Subject::Program("false".to_owned(), "/bin/false".into());
        assert!(subject.start(Scenario::Plaintext, 0).is_err());
    }
}
