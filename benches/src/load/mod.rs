//! The load generator: many connections from one core, on Corelane's own runtime.
//!
//! - **Closed loop** (the default): each connection sends its next batch when the last is answered. Its throughput is what
//!   the server gives; its latencies say little about a server under a given load, because a slow answer delays
//!   the requests after it instead of making them wait.
//! - **Open loop** (`rate`): requests are due at fixed times, whatever the server does, and a latency counts from the time
//!   its request was *due*. That is the correction for coordinated omission: a stall of a second shows in
//!   every request that should have been sent in it.
//!
//! Every answer is checked ([`crate::answer`]); what went wrong is counted beside the figures, and a run with errors
//! is no result.
//!
//! ```
//! use corelane_benches::load::Errors;
//!
//! let errors = Errors { closed: 2, timeout: 1, ..Errors::default() };
//! assert_eq!(errors.total(), 3);
//! ```

mod arrivals;
mod client;
mod run;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::host;
use crate::latency::Summary;
use crate::process::CpuTime;

/// What load to make, and whom to watch meanwhile.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Server to load.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub address: SocketAddr,
    /// What to send, and what to expect.
    #[command(flatten)]
    pub ask: Ask,
    /// Open connections.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Requests sent at once on a connection, before their answers are awaited.
    #[arg(long, default_value_t = 1)]
    pub pipeline: usize,
    /// Requests a second over all connections (open loop); without it, as many as the server answers (closed loop).
    #[arg(long)]
    pub rate: Option<f64>,
    /// Seconds to measure.
    #[arg(long, default_value = "5", value_parser = parse_seconds)]
    pub seconds: Duration,
    /// Seconds of load before that.
    #[arg(long, default_value = "1", value_parser = parse_seconds)]
    pub warmup: Duration,
    /// Seconds after which an answer is given up.
    #[arg(long, default_value = "5", value_parser = parse_seconds)]
    pub timeout: Duration,
    /// Core to run on.
    #[arg(long)]
    pub core: Option<usize>,
    /// Process id of the server, to report its processor time and memory too.
    #[arg(long)]
    pub pid: Option<u32>,
}

impl Options {
    /// The command line that means these options.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<String> {
        let seconds = |duration: Duration| duration.as_secs_f64().to_string();
        let given = [
            ("--address", Some(self.address.to_string())),
            ("--connections", Some(self.connections.to_string())),
            ("--pipeline", Some(self.pipeline.to_string())),
            ("--rate", self.rate.map(|rate| rate.to_string())),
            ("--seconds", Some(seconds(self.seconds))),
            ("--warmup", Some(seconds(self.warmup))),
            ("--timeout", Some(seconds(self.timeout))),
            ("--core", self.core.map(|core| core.to_string())),
            ("--pid", self.pid.map(|pid| pid.to_string())),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])).flatten();
        given.chain(self.ask.to_arguments()).collect()
    }
}

/// Seconds as people write them, such as `2` or `0.5`.
///
/// # Errors
/// If it is no number of seconds.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// What a run measured. The figures cover the window after the warm-up only; the errors cover the whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Answers that came in the window.
    pub requests: u64,
    /// Length of the window.
    pub seconds: f64,
    /// What went wrong.
    pub errors: Errors,
    /// The first of them in words.
    #[serde(default)]
    pub first_error: Option<String>,
    /// Latencies: from the time a request was sent (closed loop) or due (open loop).
    pub latency: Summary,
    /// Share of the window that the load generator spent on its core. Near 1, it is the bottleneck.
    pub load_busy: f64,
    /// Open loop: requests that were due but could not be sent before the end, because every connection was waiting.
    pub unsent: u64,
    /// The server's side, if its process was given.
    #[serde(default)]
    pub server: Option<ServerUse>,
}

impl Outcome {
    /// Answers a second.
    #[must_use]
    pub fn requests_per_second(&self) -> f64 {
        as_f64(self.requests) / self.seconds
    }

    /// The server's processor time per answer, in microseconds.
    #[must_use]
    pub fn cpu_us_per_request(&self) -> Option<f64> {
        let server = self.server.filter(|_| self.requests > 0)?;
        Some(server.cpu.on_core.as_secs_f64() * 1e6 / as_f64(self.requests))
    }
}

/// Counts as figures to divide. Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no run counts that far")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// What a server's process used in the window.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ServerUse {
    /// Processor time.
    pub cpu: CpuTime,
    /// Resident memory at the end of the window, connections open, in bytes.
    pub resident_bytes: u64,
}

/// What went wrong, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// Connections that could not be made.
    pub connect: u64,
    /// Connections the server closed.
    pub closed: u64,
    /// Answers that did not come in time.
    pub timeout: u64,
    /// Other failures of sending and receiving.
    pub io: u64,
    /// Answers with another status, length or body than expected.
    pub wrong: u64,
}

impl Errors {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.connect + self.closed + self.timeout + self.io + self.wrong
    }
}

/// Makes the load and measures. `progress` is called every tenth of a second with the elapsed share of the run.
///
/// Call it once in a process: it takes the calling thread for its runtime and pins it.
///
/// # Errors
/// If the descriptor limit or the core cannot be had, no connection can be made, or the server's process is gone.
/// Failures of single requests are no error here; they are in [`Outcome::errors`].
pub fn run(options: &Options, progress: impl Fn(f64)) -> io::Result<Outcome> {
    let connections = u64::try_from(options.connections).unwrap_or(u64::MAX);
    host::raise_descriptor_limit(connections.saturating_add(64))?;
    if let Some(core) = options.core {
        host::pin_thread(core)?;
    }
    corelane_runtime::block_on(run::run(options, &progress))
}

/// The outcome for people.
#[must_use]
pub fn report(outcome: &Outcome) -> String {
    let Outcome { requests, seconds, errors, latency, .. } = outcome;
    let mut text = format!(
        "{requests} answers in {seconds:.2} s: {:.0} a second; load generator {:.0}% busy\n\
         latency us: p50 {:.0}, p99 {:.0}, p99.9 {:.0}, longest {:.0}\n",
        outcome.requests_per_second(),
        outcome.load_busy * 100.0,
        latency.p50_us,
        latency.p99_us,
        latency.p999_us,
        latency.max_us,
    );
    if let (Some(cpu), Some(server)) = (outcome.cpu_us_per_request(), outcome.server) {
        let mib = as_f64(server.resident_bytes) / (1024.0 * 1024.0);
        text.push_str(&format!("server: {cpu:.2} us CPU a request, {mib:.1} MiB resident\n"));
    }
    if outcome.unsent > 0 {
        text.push_str(&format!("{} requests were due but not sent\n", outcome.unsent));
    }
    if errors.total() > 0 {
        let Errors { connect, closed, timeout, io, wrong } = errors;
        text.push_str(&format!(
            "errors: {connect} connecting, {closed} closed, {timeout} timed out, {io} other I/O, {wrong} wrong answers; the first: {}\n",
            outcome.first_error.as_deref().unwrap_or("unknown"),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn options_go_through_a_command_line() {
        let line = "load --address 127.0.0.1:81 --connections 3 --pipeline 2 --rate 10.5 \
            --seconds 0.5 --warmup 0.25 --timeout 1 --core 1 --pid 7 --path /json --body {} --upload 5 --raw";
        let options = Command::parse_from(line.split_whitespace()).options;
        assert_eq!(options.to_arguments(), line.split_whitespace().skip(1).collect::<Vec<_>>());
    }

    #[test]
    fn figures_are_per_answer() {
        let cpu = CpuTime { on_core: Duration::from_millis(10), ..CpuTime::default() };
        let outcome = Outcome {
            requests: 2_000,
            seconds: 0.5,
            errors: Errors::default(),
            first_error: None,
            latency: Summary::default(),
            load_busy: 0.5,
            unsent: 0,
            server: Some(ServerUse { cpu, resident_bytes: 0 }),
        };
        assert_eq!(outcome.requests_per_second(), 4_000.0);
        assert_eq!(outcome.cpu_us_per_request(), Some(5.0));
        assert_eq!(Outcome { requests: 0, ..outcome }.cpu_us_per_request(), None, "no answer, no figure");
    }
}
