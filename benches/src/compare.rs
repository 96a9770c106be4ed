//! The paired comparison: servers take turns, round by round, and only ratios inside a round are compared.
//!
//! The machine's speed moves by a third from minute to minute; what hits two servers of the same round alike cancels
//! out in their ratio. Each server is started anew in each round, so that the luck of a memory layout is averaged too.
//!
//! ```
//! use corelane_benches::compare::{Record, results};
//!
//! assert!(results(&[]).is_empty());
//! ```

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::host;
use crate::load::{self, Outcome};
use crate::machine::{Machine, Provenance};
use crate::process::CpuTime;
use crate::stats::Spread;
use crate::subject::{self, Scenario, Subject};
use crate::table::Table;
use crate::wrk;

/// What makes the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// [`crate::load`].
    Corelane,
    /// wrk, as a check on ours.
    Wrk,
}

/// What to compare, and how thoroughly.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// What is asked for.
    #[arg(long, value_enum, default_value_t = Scenario::Plaintext)]
    pub scenario: Scenario,
    /// Open connections.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Requests sent at once on a connection.
    #[arg(long, default_value_t = 1)]
    pub pipeline: usize,
    /// Requests a second over all connections (open loop); without it, as many as the server answers.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Rounds. Each measures every server once.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Seconds a server is measured in a round.
    #[arg(long, default_value = "4", value_parser = load::parse_seconds)]
    pub seconds: Duration,
    /// Seconds of load before that.
    #[arg(long, default_value = "1", value_parser = load::parse_seconds)]
    pub warmup: Duration,
    /// Servers to compare.
    #[arg(long = "subjects", value_delimiter = ',', default_value = "corelane")]
    pub subjects: Vec<Subject>,
    /// Servers to compare them with: floor, bare, axum, actix, ntex, xitca, may, corelane:DRIVER, runtime:DRIVER, NAME=PATH.
    #[arg(long, value_delimiter = ',', default_value = "floor,axum,actix,ntex,xitca,may")]
    pub against: Vec<Subject>,
    /// What makes the load.
    #[arg(long, value_enum, default_value_t = Load::Corelane)]
    pub load: Load,
    /// Measure what is built already.
    #[arg(long)]
    pub no_build: bool,
    /// File to write the record to.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// One server in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// From 0.
    pub round: usize,
    /// Name of the server.
    pub server: String,
    /// Whether it counts among the best peers.
    pub peer: bool,
    /// What was measured.
    pub outcome: Outcome,
}

/// One server over all rounds. Spreads are of the rounds; ratios are taken inside a round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerResult {
    /// Name of the server.
    pub server: String,
    /// Errors over all rounds: with any, the other figures are no result.
    pub errors: u64,
    /// Processor time of the server per request, in microseconds.
    pub cpu_us: Spread,
    /// The part in user space, added up over all rounds: it is sampled, and one round is too short.
    pub user_us: f64,
    /// `cpu_us` over the floor's, or the bare epoll program's where there is no floor.
    pub of_floor: Option<Spread>,
    /// `cpu_us` over that of the peer with the lowest median.
    pub of_best_peer: Option<Spread>,
    /// Answers a second.
    pub requests_per_second: Spread,
    /// Share of its core that the server used. Under 1, the load generator was the bottleneck.
    pub core_busy: Spread,
    /// Latencies, in microseconds.
    pub p50_us: Spread,
    /// The same.
    pub p99_us: Spread,
    /// The same.
    pub p999_us: Spread,
    /// Resident memory under load, in bytes.
    pub resident_bytes: Spread,
}

/// A comparison as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The source and the moment.
    pub provenance: Provenance,
    /// The machine.
    pub machine: Machine,
    /// What was asked for.
    pub scenario: String,
    /// Open connections.
    pub connections: usize,
    /// Requests sent at once on a connection.
    pub pipeline: usize,
    /// Requests a second of an open loop.
    pub rate: Option<f64>,
    /// What made the load.
    pub load: Load,
    /// The figures.
    pub results: Vec<ServerResult>,
    /// What they were computed from.
    pub runs: Vec<Run>,
}

impl Record {
    /// True if no answer was missing or wrong in any run.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.results.iter().all(|result| result.errors == 0)
    }
}

/// Builds, measures, and writes the record if a file was named.
///
/// # Errors
/// If a server cannot be built or started, or the load generator fails. Wrong and missing answers are in the record.
pub fn run(options: &Options) -> io::Result<Record> {
    let connections = u64::try_from(options.connections).unwrap_or(u64::MAX);
    host::raise_descriptor_limit(connections.saturating_add(256))?;
    let mut subjects = options.against.clone();
    subjects.extend(options.subjects.iter().filter(|subject| !options.against.contains(subject)).cloned());
    if !options.no_build {
        subject::build(&subjects)?;
    }
    let cores = host::two_cores()?;
    let (provenance, machine) = (Provenance::now(), Machine::here());

    let bar = ProgressBar::new((options.rounds * subjects.len()) as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta} left)") {
        bar.set_style(style);
    }
    let mut runs = Vec::new();
    for round in 0..options.rounds {
        for subject in &subjects {
            bar.set_message(subject.name());
            let outcome = measure(options, subject, cores)?;
            runs.push(Run { round, server: subject.name(), peer: subject.is_peer(), outcome });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();

    let record = Record {
        provenance,
        machine,
        scenario: options.scenario.name().to_owned(),
        connections: options.connections,
        pipeline: options.pipeline,
        rate: options.rate,
        load: options.load,
        results: results(&runs),
        runs,
    };
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(record)
}

/// Starts the server on the first core, loads it from the second, ends it.
fn measure(options: &Options, subject: &Subject, cores: (usize, usize)) -> io::Result<Outcome> {
    let server = subject.start(options.scenario, cores.0)?;
    let load = load::Options {
        address: server.address(),
        ask: subject.ask(options.scenario),
        connections: options.connections,
        pipeline: options.pipeline,
        rate: options.rate,
        seconds: options.seconds,
        warmup: options.warmup,
        timeout: Duration::from_secs(5),
        core: Some(cores.1),
        pid: Some(server.id()),
    };
    match options.load {
        Load::Corelane => load_in_a_process(&load),
        Load::Wrk => wrk::run(&load),
    }
}

/// Our load generator takes a process of its own: it takes its thread for a runtime, which lasts as long as the process.
pub(crate) fn load_in_a_process(load: &load::Options) -> io::Result<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("load").args(load.to_arguments()).arg("--json");
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The figures of each server, in the order of the first round.
#[must_use]
pub fn results(runs: &[Run]) -> Vec<ServerResult> {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.server.as_str()) {
            names.push(&run.server);
        }
    }
    let cpu = |name: &str| -> Vec<f64> {
        let outcomes = runs.iter().filter(|run| run.server == name);
        outcomes.map(|run| run.outcome.cpu_us_per_request().unwrap_or(f64::NAN)).collect()
    };
    let median = |name: &str| Spread::of(&cpu(name)).map_or(f64::INFINITY, |spread| spread.median);
    let peers = names.iter().filter(|name| runs.iter().any(|run| run.peer && run.server == **name));
    let best_peer = peers.min_by(|a, b| median(a).total_cmp(&median(b)));
    names
        .iter()
        .filter_map(|name| {
            let outcomes: Vec<&Outcome> =
                runs.iter().filter(|run| run.server == *name).map(|run| &run.outcome).collect();
            let spread = |figure: fn(&Outcome) -> f64| {
                Spread::of(&outcomes.iter().map(|outcome| figure(outcome)).collect::<Vec<_>>())
            };
            Some(ServerResult {
                server: (*name).to_owned(),
                errors: outcomes.iter().map(|outcome| outcome.errors.total()).sum(),
                cpu_us: Spread::of(&cpu(name))?,
                user_us: user_us_per_request(&outcomes),
                of_floor: Spread::of_ratios(
                    &cpu(name),
                    &cpu(if names.contains(&"floor") { "floor" } else { "bare" }),
                ),
                of_best_peer: best_peer.and_then(|best| Spread::of_ratios(&cpu(name), &cpu(best))),
                requests_per_second: spread(Outcome::requests_per_second)?,
                core_busy: spread(|outcome| server_cpu(outcome).on_core.as_secs_f64() / outcome.seconds)?,
                p50_us: spread(|outcome| outcome.latency.p50_us)?,
                p99_us: spread(|outcome| outcome.latency.p99_us)?,
                p999_us: spread(|outcome| outcome.latency.p999_us)?,
                resident_bytes: spread(|outcome| {
                    load::as_f64(outcome.server.map_or(0, |server| server.resident_bytes))
                })?,
            })
        })
        .collect()
}

fn server_cpu(outcome: &Outcome) -> CpuTime {
    outcome.server.map(|server| server.cpu).unwrap_or_default()
}

fn user_us_per_request(outcomes: &[&Outcome]) -> f64 {
    let user: Duration = outcomes.iter().map(|outcome| server_cpu(outcome).user).sum();
    let requests: u64 = outcomes.iter().map(|outcome| outcome.requests).sum();
    user.as_secs_f64() * 1e6 / load::as_f64(requests)
}

/// The figures as a table.
#[must_use]
pub fn table(results: &[ServerResult]) -> Table {
    let mut table = Table::new(&[
        "server",
        "us CPU/req",
        "user",
        "x floor",
        "x best peer",
        "req/s",
        "core",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "RSS MiB",
        "errors",
    ]);
    let ratio = |spread: Option<Spread>| {
        spread.map_or_else(
            || "-".to_owned(),
            |Spread { median, min, max }| format!("{median:.2} [{min:.2}-{max:.2}]"),
        )
    };
    for result in results {
        table.row([
            result.server.clone(),
            format!("{:.2}", result.cpu_us.median),
            format!("{:.2}", result.user_us),
            ratio(result.of_floor),
            ratio(result.of_best_peer),
            format!("{:.0}", result.requests_per_second.median),
            format!("{:.0}%", result.core_busy.median * 100.0),
            format!("{:.0}", result.p50_us.median),
            format!("{:.0}", result.p99_us.median),
            format!("{:.0}", result.p999_us.median),
            format!("{:.1}", result.resident_bytes.median / (1024.0 * 1024.0)),
            result.errors.to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Summary;
    use crate::load::{Errors, ServerUse};

    fn run(round: usize, server: &str, cpu_us: u64, wrong: u64) -> Run {
        let cpu = CpuTime { on_core: Duration::from_micros(cpu_us * 1_000), ..CpuTime::default() };
        let outcome = Outcome {
            requests: 1_000,
            seconds: 1.0,
            errors: Errors { wrong, ..Errors::default() },
            first_error: None,
            latency: Summary::default(),
            load_busy: 0.5,
            unsent: 0,
            server: Some(ServerUse { cpu, resident_bytes: 1 }),
        };
        Run { round, server: server.to_owned(), peer: server.starts_with("peer"), outcome }
    }

    #[test]
    fn ratios_are_paired_and_the_best_peer_is_the_cheapest() {
        // In round 1 the whole machine was twice as slow.
        let runs = [
            run(0, "floor", 5, 0),
            run(0, "peer-a", 10, 0),
            run(0, "peer-b", 8, 0),
            run(0, "corelane", 6, 0),
            run(1, "floor", 10, 0),
            run(1, "peer-a", 20, 0),
            run(1, "peer-b", 16, 0),
            run(1, "corelane", 12, 1),
        ];
        let results = results(&runs);
        let ours = results.iter().find(|result| result.server == "corelane").unwrap();
        assert_eq!(ours.of_floor.unwrap(), Spread { median: 1.2, min: 1.2, max: 1.2 });
        assert_eq!(ours.of_best_peer.unwrap(), Spread { median: 0.75, min: 0.75, max: 0.75 });
        assert_eq!(ours.cpu_us, Spread { median: 9.0, min: 6.0, max: 12.0 });
        assert_eq!(ours.errors, 1, "an error in one round is an error");
        assert_eq!(
            results.iter().map(|result| result.server.as_str()).next(),
            Some("floor"),
            "in the order of the runs"
        );
    }

    #[test]
    fn without_floor_and_peers_there_are_no_ratios() {
        let results = results(&[run(0, "corelane", 6, 0)]);
        assert_eq!((results[0].of_floor, results[0].of_best_peer), (None, None));
    }
}
