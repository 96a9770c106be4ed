//! The machine, the source and the moment of a measurement: what a record needs so that a reader can judge it.
//!
//! ```
//! let machine = corelane_benches::machine::Machine::here();
//! assert!(machine.cores >= 1);
//! assert!(machine.kernel.contains('.'));
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use corelane_http_proto::date::imf_fixdate;
use serde::{Deserialize, Serialize};

/// What `/proc` says about this machine. Empty where it says nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Model name of the first processor.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Memory, in KiB.
    pub memory_kib: u64,
    /// Kernel release.
    pub kernel: String,
    /// True under a hypervisor, where time on a core includes time the host took away.
    pub virtual_machine: bool,
    /// Load averages at the start: what else was running.
    pub load_average: String,
}

impl Machine {
    /// The machine this runs on.
    #[must_use]
    pub fn here() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        Self {
            cpu: field(&cpuinfo, "model name"),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_kib: memory.trim_end_matches(" kB").parse().unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease"),
            virtual_machine: field(&cpuinfo, "flags").split(' ').any(|flag| flag == "hypervisor"),
            load_average: read("/proc/loadavg"),
        }
    }
}

/// The source that was measured and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// Commit of the work tree, with `-dirty` if files differ from it; empty outside a work tree.
    pub commit: String,
    /// Now, as an IMF-fixdate.
    pub date: String,
    /// The command line.
    pub command: String,
    /// The compiler that is on the path.
    pub compiler: String,
    /// Versions of what was measured, by package.
    pub versions: BTreeMap<String, String>,
}

impl Provenance {
    /// Of this process. Two lock files say the versions: the workspace's and the peers'.
    #[must_use]
    pub fn now() -> Self {
        let root = root();
        let mut commit = output(&root, "git", &["rev-parse", "HEAD"]);
        if !commit.is_empty() && !output(&root, "git", &["status", "--porcelain"]).is_empty() {
            commit.push_str("-dirty");
        }
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let date = imf_fixdate(seconds).into_iter().map(char::from).collect();
        let mut versions =
            locked(&read(root.join("Cargo.lock")), &["corelane", "io-uring", "monoio", "mimalloc"]);
        versions.extend(locked(
            &read(root.join("benches/peers/Cargo.lock")),
            &["actix-web", "axum", "hyper", "may", "may_minihttp", "ntex", "tokio", "xitca-web"],
        ));
        Self {
            commit,
            date,
            command: std::env::args().collect::<Vec<_>>().join(" "),
            compiler: output(&root, "rustc", &["--version"]),
            versions,
        }
    }
}

/// The workspace: the folder above this package, as it was when this was compiled.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A whole file without the white space around it; empty if it cannot be read.
fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// What a command prints; empty if it fails.
fn output(folder: &Path, program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).current_dir(folder).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => String::new(),
    }
}

/// The versions of `packages` in a lock file. Several versions of one package are listed newest last, as Cargo does.
fn locked(lock: &str, packages: &[&str]) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::<String, String>::new();
    let quoted = |line: Option<&str>, key: &str| {
        line.and_then(|line| line.strip_prefix(key)).map(|value| value.trim_matches('"').to_owned())
    };
    for block in lock.split("[[package]]\n") {
        let mut lines = block.lines();
        let (name, version) = (quoted(lines.next(), "name = "), quoted(lines.next(), "version = "));
        let (Some(name), Some(version)) = (name, version) else { continue };
        if packages.contains(&name.as_str()) {
            versions
                .entry(name)
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(&version);
                })
                .or_insert(version);
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\n\n\
            [[package]]\nname = \"b\"\nversion = \"0.6.4\"\n\n[[package]]\nname = \"b\"\nversion = \"0.7.16\"\n";
        let versions = locked(lock, &["b", "absent"]);
        assert_eq!(versions.into_iter().collect::<Vec<_>>(), [("b".to_owned(), "0.6.4, 0.7.16".to_owned())]);
    }

    #[test]
    fn the_root_is_the_workspace() {
        assert!(root().join("benches/peers/Cargo.lock").exists());
    }
}
