//! Clients in turns, round by round, against one server a round.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{Load, Measured, Server};
use crate::compare::Options;
use crate::host;
use crate::machine::{Machine, Provenance, root};
use crate::stats::Spread;
use crate::subject::target_folder;
use crate::table::Table;

/// Calls under way at a time, in every client.
const CONCURRENCY: usize = 128;

/// The client that `redis-benchmark -P 128 -c 1` is: no runtime, no futures, no replies kept. The bar for throughput.
const BENCHMARK: &str = "redis-benchmark";
/// The client that ours is compared with for processor time.
const RULER: &str = "redis-rs";

/// One client in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// From 0.
    pub round: usize,
    /// Name of the client.
    pub client: String,
    /// What it told.
    pub measured: Measured,
}

/// One client over all rounds. Ratios are taken inside a round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientResult {
    /// Name of the client.
    pub client: String,
    /// Microseconds of the client's processor time for one command; `None` where it is not known.
    pub cpu_us: Option<Spread>,
    /// Commands for a second of processor time, over those of redis-rs.
    pub of_redis_rs: Option<Spread>,
    /// Commands a second.
    pub operations_per_second: Spread,
    /// Those over those of `redis-benchmark`.
    pub of_benchmark: Option<Spread>,
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
    /// Calls under way at a time.
    pub concurrency: usize,
    /// The figures.
    pub results: Vec<ClientResult>,
    /// What they were computed from.
    pub runs: Vec<Run>,
}

/// Builds the clients, measures them in turns, and writes the record if a file was named. Of the options, those of
/// rounds, seconds, warm-up, building and the file count.
///
/// # Errors
/// If something does not build or start, or a client fails.
pub fn run(options: &Options) -> io::Result<Record> {
    let load = Load::of(options.scenario).ok_or_else(|| io::Error::other("not a scenario of redis"))?;
    if !options.no_build {
        build()?;
    }
    let (server_core, client_core) = host::two_cores()?;
    let (provenance, machine) = (Provenance::now(), Machine::here());
    let release = target_folder()?.join("release");
    let peers = target_folder()?.join("peers/release");
    let clients: [(&str, PathBuf); 3] = [
        (RULER, peers.join("peer-redis-rs")),
        ("fred", peers.join("peer-fred")),
        ("corelane", release.join("redis")),
    ];
    let mut runs = Vec::new();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        let server = Server::start(server_core)?;
        for (name, program) in &clients {
            let measured = client(program, server.address(), load, options, client_core)?;
            runs.push(Run { round, client: (*name).to_owned(), measured });
        }
        let measured = benchmark(server.address(), load, options, client_core)?;
        runs.push(Run { round, client: BENCHMARK.to_owned(), measured });
    }
    let record = Record {
        provenance,
        machine,
        scenario: options.scenario.name().to_owned(),
        concurrency: CONCURRENCY,
        results: results(&runs),
        runs,
    };
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(record)
}

fn build() -> io::Result<()> {
    let target = target_folder()?;
    let peers = target.join("peers");
    let (target, peers) = (target.display().to_string(), peers.display().to_string());
    for arguments in [
        &["-p", "corelane-benches", "--bin", "redis", "--target-dir", &target][..],
        &["--locked", "--manifest-path", "benches/peers/Cargo.toml", "--target-dir", &peers][..],
    ] {
        eprintln!("cargo build --release {}", arguments.join(" "));
        let built = Command::new("cargo")
            .args(["build", "--release"])
            .args(arguments)
            .current_dir(root())
            .status()?;
        if !built.success() {
            return Err(io::Error::other("building failed"));
        }
    }
    Ok(())
}

/// Output of a program pinned to `core`.
fn output(command: &mut Command, core: usize) -> io::Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = host::spawn_pinned(command, core)?.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{} fails", command.get_program().to_string_lossy())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn client(
    program: &Path,
    address: SocketAddr,
    load: Load,
    options: &Options,
    core: usize,
) -> io::Result<Measured> {
    let mut command = Command::new(program);
    command.args([&address.to_string(), load.name(), "--concurrency", &CONCURRENCY.to_string()]);
    command.args(["--seconds", &options.seconds.as_secs_f64().to_string()]);
    command.args(["--warmup", &options.warmup.as_secs_f64().to_string()]);
    Ok(serde_json::from_str(&output(&mut command, core)?)?)
}

/// `redis-benchmark` with as many commands in one pipeline; its processor time is not asked for.
fn benchmark(address: SocketAddr, load: Load, options: &Options, core: usize) -> io::Result<Measured> {
    let test = if load == Load::Set { "set" } else { "get" };
    // It counts commands, not seconds: as many as it does in about that time.
    let commands = (options.seconds.as_millis() * 600).max(10_000).to_string();
    let mut command = Command::new(BENCHMARK);
    command.args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "-P", &CONCURRENCY.to_string()]);
    command.args(["-c", "1", "-n", &commands, "-t", test, "--csv"]);
    let text = output(&mut command, core)?;
    // `"GET","746316.38",…` under a line of titles.
    let rate = text.lines().last().and_then(|line| line.split(',').nth(1)).map(|cell| cell.trim_matches('"'));
    let rate: f64 = rate
        .and_then(|cell| cell.parse().ok())
        .ok_or_else(|| io::Error::other("redis-benchmark's figures"))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of commands")]
    let operations = (rate * 1000.0) as u64;
    Ok(Measured { operations, seconds: 1000.0, cpu_seconds: f64::NAN })
}

fn results(runs: &[Run]) -> Vec<ClientResult> {
    let figures = |name: &str, figure: fn(&Measured) -> f64| -> Vec<f64> {
        runs.iter().filter(|run| run.client == name).map(|run| figure(&run.measured)).collect()
    };
    let per_cpu = |measured: &Measured| 1.0 / measured.cpu_us_per_operation();
    let known = |values: Vec<f64>| values.iter().all(|value| value.is_finite()).then_some(values);
    ["corelane", RULER, "fred", BENCHMARK]
        .into_iter()
        .filter_map(|name| {
            let rate = figures(name, Measured::operations_per_second);
            let cpu = known(figures(name, Measured::cpu_us_per_operation));
            Some(ClientResult {
                client: name.to_owned(),
                cpu_us: cpu.as_deref().and_then(Spread::of),
                of_redis_rs: cpu
                    .and_then(|_| Spread::of_ratios(&figures(name, per_cpu), &figures(RULER, per_cpu))),
                operations_per_second: Spread::of(&rate)?,
                of_benchmark: Spread::of_ratios(&rate, &figures(BENCHMARK, Measured::operations_per_second)),
            })
        })
        .collect()
}

/// The figures as a table.
#[must_use]
pub fn table(results: &[ClientResult]) -> Table {
    let mut table =
        Table::new(&["client", "us CPU/op", "ops/CPU s, x redis-rs", "ops/s", "x redis-benchmark"]);
    let ratio = |spread: Option<Spread>| {
        spread.map_or_else(
            || "-".to_owned(),
            |Spread { median, min, max }| format!("{median:.2} [{min:.2}-{max:.2}]"),
        )
    };
    for result in results {
        table.row([
            result.client.clone(),
            result.cpu_us.map_or_else(|| "-".to_owned(), |spread| format!("{:.2}", spread.median)),
            ratio(result.of_redis_rs),
            format!("{:.0}", result.operations_per_second.median),
            ratio(result.of_benchmark),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_paired_and_what_is_not_known_is_left_out() {
        let run = |round, client: &str, operations, cpu_seconds| Run {
            round,
            client: client.to_owned(),
            measured: Measured { operations, seconds: 1.0, cpu_seconds },
        };
        // In round 1 the machine was twice as slow.
        let runs = [
            run(0, RULER, 1_000_000, 1.0),
            run(0, "corelane", 2_000_000, 1.0),
            run(0, BENCHMARK, 2_000_000, f64::NAN),
            run(1, RULER, 500_000, 1.0),
            run(1, "corelane", 1_000_000, 1.0),
            run(1, BENCHMARK, 1_000_000, f64::NAN),
        ];
        let results = results(&runs);
        assert_eq!(results.len(), 3, "fred was not measured");
        assert_eq!(results[0].of_redis_rs, Some(Spread { median: 2.0, min: 2.0, max: 2.0 }));
        assert_eq!(results[0].of_benchmark, Some(Spread { median: 1.0, min: 1.0, max: 1.0 }));
        assert_eq!((results[2].cpu_us, results[2].of_redis_rs), (None, None));
    }
}
