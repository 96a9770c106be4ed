//! nginx in front: a recipe of `nginx/` against what `proxy_pass` does by itself.
//!
//! Both go to the same showcase; nginx (one worker) and the showcase share the server's core, so that what is compared is what
//! the whole stack costs. Round by round, each is started anew.
//!
//! ```
//! use corelane_benches::nginx::Front;
//!
//! assert!(Front::Stock.configuration("127.0.0.1:80", "127.0.0.1:8080", "/run/app.sock".as_ref())?.contains("proxy_pass"));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::compare::{self, Options};
use crate::host;
use crate::load::{self, Outcome};
use crate::machine::{Machine, Provenance, root};
use crate::server::{Server, free_address};
use crate::stats::Spread;
use crate::subject::{self, Scenario, Subject, target_folder};
use crate::table::Table;

/// How nginx is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// `proxy_pass` and nothing else, in Debian's main file.
    Stock,
    /// `nginx/recipes/unix-socket.conf`, with kept connections over TCP instead.
    Tcp,
    /// `nginx/recipes/unix-socket.conf`.
    Unix,
}

impl Front {
    const ALL: [Self; 3] = [Self::Stock, Self::Tcp, Self::Unix];

    /// Its name in tables and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock proxy_pass",
            Self::Tcp => "recipe, TCP",
            Self::Unix => "recipe, Unix socket",
        }
    }

    /// The file that nginx reads: listens on `listen`, asks the application on `tcp` or `unix`.
    ///
    /// # Errors
    /// If a recipe cannot be read.
    pub fn configuration(self, listen: &str, tcp: &str, unix: &Path) -> io::Result<String> {
        let unix = unix.display();
        if self == Self::Stock {
            return Ok(format!(
                "worker_processes 1;\nevents {{ worker_connections 768; }}\nhttp {{\nsendfile on;\ntcp_nopush on;\n\
                 access_log access.log;\nserver {{ listen {listen}; location / {{ proxy_pass http://{tcp}; }} }}\n}}\n"
            ));
        }
        let main = fs::read_to_string(root().join("nginx/nginx.conf"))?;
        let recipe = fs::read_to_string(root().join("nginx/recipes/unix-socket.conf"))?;
        let upstream = if self == Self::Tcp { tcp.to_owned() } else { format!("unix:{unix}") };
        let recipe = recipe
            .replace("unix:/run/corelane/app.sock", &upstream)
            .replace("listen 80", &format!("listen {listen}"))
            .replace("include snippets", &format!("include {}/nginx/snippets", root().display()));
        Ok(main
            .replace("user www-data;", "")
            .replace("worker_processes auto;", "worker_processes 1;")
            .replace("include recipes/*.conf;", &recipe))
    }
}

/// One way in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// From 0.
    pub round: usize,
    /// How nginx was set up.
    pub front: String,
    /// What the load saw.
    pub outcome: Outcome,
}

/// One way over all rounds. Ratios to stock are taken inside a round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FrontResult {
    /// How nginx was set up.
    pub front: String,
    /// Answers a second.
    pub requests_per_second: Spread,
    /// Those over stock's.
    pub of_stock: Option<Spread>,
    /// 99th percentile of latency, in microseconds.
    pub p99_us: Spread,
    /// That over stock's.
    pub p99_of_stock: Option<Spread>,
}

/// A comparison as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The source and the moment.
    pub provenance: Provenance,
    /// The machine.
    pub machine: Machine,
    /// Connections of the load.
    pub connections: usize,
    /// The figures.
    pub results: Vec<FrontResult>,
    /// What they were computed from.
    pub runs: Vec<Run>,
}

impl Record {
    /// True if nothing went wrong in any run.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.runs.iter().all(|run| run.outcome.errors.total() == 0)
    }
}

/// Builds the showcase, measures each way in turns, and writes the record if a file was named.
///
/// # Errors
/// If something does not build or start, or nginx is missing.
pub fn run(options: &Options) -> io::Result<Record> {
    if !options.no_build {
        subject::build(&[Subject::Corelane(None)])?;
    }
    let cores = host::two_cores()?;
    let (provenance, machine) = (Provenance::now(), Machine::here());
    let mut runs = Vec::new();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for front in Front::ALL {
            let outcome = measure(options, front, cores)?;
            runs.push(Run { round, front: front.name().to_owned(), outcome });
        }
    }
    let record =
        Record { provenance, machine, connections: options.connections, results: results(&runs), runs };
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(record)
}

/// A folder for nginx's files, removed when dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it lies in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn measure(options: &Options, front: Front, cores: (usize, usize)) -> io::Result<Outcome> {
    let ask = Ask::get(Scenario::Plaintext.path(), Scenario::Plaintext.body());
    let folder = Folder(std::env::temp_dir().join(format!("corelane-nginx-{}", std::process::id())));
    fs::create_dir_all(&folder.0)?;
    let (app, listen, unix) = (free_address()?, free_address()?, folder.0.join("app.sock"));

    let mut showcase = Command::new(target_folder()?.join("release/examples/showcase"));
    showcase.args([
        "--cores",
        "1",
        "--listen",
        &app.to_string(),
        "--listen",
        &format!("unix:{}", unix.display()),
    ]);
    showcase.stdout(Stdio::null()).stderr(Stdio::null());
    let _showcase = Server::start(&mut showcase, app, cores.0, &ask)?;

    let file = folder.0.join("nginx.conf");
    // As root, nginx's worker would give up root's rights, and with them the socket of the showcase.
    let user = if rustix::process::getuid().is_root() { "user root;\n" } else { "" };
    let conf = front.configuration(&listen.to_string(), &app.to_string(), &unix)?;
    fs::write(&file, format!("{user}{}", in_folder(&conf, &folder.0)))?;
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(&folder.0).arg("-e").arg(folder.0.join("error.log")).arg("-c").arg(&file);
    nginx.args(["-g", "daemon off; master_process off;"]);
    let nginx = Server::start(&mut nginx, listen, cores.0, &ask).map_err(|error| {
        let log = fs::read_to_string(folder.0.join("error.log")).unwrap_or_default();
        io::Error::other(format!("nginx: {error}; {log} (not installed? sudo apt-get install nginx)"))
    })?;
    compare::load_in_a_process(&load_of(options, listen, nginx.id(), cores.1))
}

/// The configuration with all paths of the system's in this folder.
fn in_folder(conf: &str, folder: &Path) -> String {
    let folder = folder.display();
    conf.replace("/run/nginx.pid", &format!("{folder}/nginx.pid"))
        .replace("/var/log/nginx/error.log", &format!("{folder}/error.log"))
        .replace("access.log", &format!("{folder}/access.log"))
}

fn load_of(options: &Options, address: SocketAddr, pid: u32, core: usize) -> load::Options {
    load::Options {
        address,
        ask: Ask::get(Scenario::Plaintext.path(), Scenario::Plaintext.body()),
        connections: options.connections,
        pipeline: 1,
        rate: options.rate,
        seconds: options.seconds,
        warmup: options.warmup,
        timeout: std::time::Duration::from_secs(5),
        core: Some(core),
        pid: Some(pid),
    }
}

fn results(runs: &[Run]) -> Vec<FrontResult> {
    let figures = |front: Front, figure: fn(&Outcome) -> f64| -> Vec<f64> {
        runs.iter().filter(|run| run.front == front.name()).map(|run| figure(&run.outcome)).collect()
    };
    let p99 = |outcome: &Outcome| outcome.latency.p99_us;
    let of = |front| {
        let (rate, slow) = (figures(front, Outcome::requests_per_second), figures(front, p99));
        Some(FrontResult {
            front: front.name().to_owned(),
            requests_per_second: Spread::of(&rate)?,
            of_stock: Spread::of_ratios(&rate, &figures(Front::Stock, Outcome::requests_per_second)),
            p99_us: Spread::of(&slow)?,
            p99_of_stock: Spread::of_ratios(&slow, &figures(Front::Stock, p99)),
        })
    };
    Front::ALL.into_iter().filter_map(of).collect()
}

/// The figures as a table.
#[must_use]
pub fn table(results: &[FrontResult]) -> Table {
    let mut table = Table::new(&["nginx", "req/s", "x stock", "p99 us", "x stock"]);
    let ratio = |spread: Option<Spread>| {
        spread.map_or_else(
            || "-".to_owned(),
            |Spread { median, min, max }| format!("{median:.2} [{min:.2}-{max:.2}]"),
        )
    };
    for result in results {
        table.row([
            result.front.clone(),
            format!("{:.0}", result.requests_per_second.median),
            ratio(result.of_stock),
            format!("{:.0}", result.p99_us.median),
            ratio(result.p99_of_stock),
        ]);
    }
    table
}
