//! Memory of idle connections: many are opened, each makes one request, and then nothing happens on them.
//!
//! ```
//! use corelane_benches::idle::bytes_per_connection;
//!
//! assert_eq!(bytes_per_connection(10_000_000, 30_000_000, 10_000), 2_000.0);
//! ```

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::answer::Checker;
use crate::host;
use crate::load::as_f64;
use crate::machine::{Machine, Provenance};
use crate::process::resident_bytes;
use crate::server::{exchange, request};
use crate::subject::{self, Scenario, Subject};
use crate::table::Table;

/// Connections opened and closed again before the first look at memory, so that what a server allocates once and keeps
/// is not charged to the idle ones.
const WARM_UP_CONNECTIONS: usize = 100;
/// Memory counts as settled when it has not moved by more than a page in this time.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Longest wait for that.
const SETTLE_MAX: Duration = Duration::from_secs(15);
const PAGE_BYTES: u64 = 4096;

/// How many connections to which servers.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Connections to leave idle.
    #[arg(long, default_value_t = 10_000)]
    pub connections: usize,
    /// Servers to measure.
    #[arg(long, value_delimiter = ',', default_value = "corelane,floor,axum,actix,ntex,xitca,may")]
    pub against: Vec<Subject>,
    /// Measure what is built already.
    #[arg(long)]
    pub no_build: bool,
    /// File to write the record to.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// One server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerResult {
    /// Name of the server.
    pub server: String,
    /// Resident memory before the connections, in bytes.
    pub before_bytes: u64,
    /// Resident memory with all of them idle, in bytes.
    pub idle_bytes: u64,
    /// The difference for one connection.
    pub bytes_per_connection: f64,
    /// Connections that still answered after the rest.
    pub alive: usize,
}

/// A measurement as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The source and the moment.
    pub provenance: Provenance,
    /// The machine.
    pub machine: Machine,
    /// Idle connections.
    pub connections: usize,
    /// The figures.
    pub results: Vec<ServerResult>,
}

/// Builds, measures one server after the other, and writes the record if a file was named.
///
/// # Errors
/// If a server cannot be built or started, or a connection fails: all must be there for the division to mean something.
pub fn run(options: &Options) -> io::Result<Record> {
    let connections = u64::try_from(options.connections).unwrap_or(u64::MAX);
    host::raise_descriptor_limit(connections.saturating_add(256))?;
    if !options.no_build {
        subject::build(&options.against)?;
    }
    let record = Record {
        provenance: Provenance::now(),
        machine: Machine::here(),
        connections: options.connections,
        results: options
            .against
            .iter()
            .map(|subject| measure(subject, options.connections))
            .collect::<io::Result<_>>()?,
    };
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(record)
}

fn measure(subject: &Subject, connections: usize) -> io::Result<ServerResult> {
    let scenario = Scenario::Plaintext;
    let server = subject.start(scenario, host::two_cores()?.0)?;
    let checker = subject.ask(scenario).checker();
    let request = request(scenario.path());
    drop(open(server.address(), WARM_UP_CONNECTIONS, &request, &checker, &ProgressBar::hidden())?);
    let before = settled(server.id())?;
    let bar = ProgressBar::new(connections as u64).with_message(subject.name());
    let mut open = open(server.address(), connections, &request, &checker, &bar)?;
    bar.finish_and_clear();
    let idle = settled(server.id())?;
    // A server that had closed some of them would look frugal.
    let alive =
        open.iter_mut().filter_map(|stream| exchange(stream, &request, &mut checker.clone(), 1).ok()).count();
    Ok(ServerResult {
        server: subject.name(),
        before_bytes: before,
        idle_bytes: idle,
        bytes_per_connection: bytes_per_connection(before, idle, connections),
        alive,
    })
}

/// Opens `count` connections one after the other, each with one request and its answer.
fn open(
    address: SocketAddr,
    count: usize,
    request: &[u8],
    checker: &Checker,
    bar: &ProgressBar,
) -> io::Result<Vec<TcpStream>> {
    (0..count)
        .map(|_| {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            exchange(&mut stream, request, &mut checker.clone(), 1)?;
            bar.inc(1);
            Ok(stream)
        })
        .collect()
}

/// Resident memory once it has stopped moving.
fn settled(id: u32) -> io::Result<u64> {
    let deadline = Instant::now() + SETTLE_MAX;
    let mut last = resident_bytes(id)?;
    loop {
        thread::sleep(SETTLED_AFTER);
        let now = resident_bytes(id)?;
        if now.abs_diff(last) <= PAGE_BYTES || Instant::now() > deadline {
            return Ok(now);
        }
        last = now;
    }
}

/// Growth for one connection.
#[must_use]
pub fn bytes_per_connection(before: u64, idle: u64, connections: usize) -> f64 {
    as_f64(idle.saturating_sub(before)) / as_f64(connections as u64)
}

/// The figures as a table.
#[must_use]
pub fn table(record: &Record) -> Table {
    let mut table =
        Table::new(&["server", "bytes/idle connection", "RSS before MiB", "RSS idle MiB", "still alive"]);
    let mib = |bytes: u64| format!("{:.1}", as_f64(bytes) / (1024.0 * 1024.0));
    for result in &record.results {
        table.row([
            result.server.clone(),
            format!("{:.0}", result.bytes_per_connection),
            mib(result.before_bytes),
            mib(result.idle_bytes),
            format!("{} of {}", result.alive, record.connections),
        ]);
    }
    table
}
