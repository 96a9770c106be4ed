//! The command line of the benchmarks.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use clap::Parser;
use corelane_benches::subject::Scenario;
use corelane_benches::{compare, idle, load, nginx, redis, smoke};
use indicatif::{ProgressBar, ProgressStyle};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(version, about = "Measures Corelane against a floor and against other frameworks")]
enum Arguments {
    /// Servers in turns under the same load: processor time per request, ratios, latencies, memory.
    Compare(compare::Options),
    /// Memory of idle connections.
    Idle(idle::Options),
    /// The load generator alone.
    Load {
        #[command(flatten)]
        options: load::Options,
        /// Print the outcome as JSON, and no progress bar.
        #[arg(long)]
        json: bool,
    },
    /// A short run of everything that fails on errors only.
    Smoke {
        /// Measure what is built already.
        #[arg(long)]
        no_build: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("there were errors: these figures are no result");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// False if there are figures, but errors beside them.
fn run(arguments: Arguments) -> io::Result<bool> {
    match arguments {
        Arguments::Compare(options) if redis::Load::of(options.scenario).is_some() => {
            let record = redis::run(&options)?;
            redis::table(&record.results).print();
            Ok(true)
        }
        Arguments::Compare(options) if options.scenario == Scenario::Nginx => {
            let record = nginx::run(&options)?;
            nginx::table(&record.results).print();
            Ok(record.is_clean())
        }
        Arguments::Compare(options) => {
            let record = compare::run(&options)?;
            compare::table(&record.results).print();
            Ok(record.is_clean())
        }
        Arguments::Idle(options) => {
            let record = idle::run(&options)?;
            idle::table(&record).print();
            Ok(record.results.iter().all(|result| result.alive == record.connections))
        }
        Arguments::Load { options, json } => load_alone(&options, json),
        Arguments::Smoke { no_build } => smoke::run(no_build).map(|()| true),
    }
}

fn load_alone(options: &load::Options, json: bool) -> io::Result<bool> {
    let bar = if json { ProgressBar::hidden() } else { ProgressBar::new(1000) };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}%") {
        bar.set_style(style);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 1000")]
    let outcome = load::run(options, |share| bar.set_position((share * 1000.0) as u64))?;
    bar.finish_and_clear();
    if json {
        println!("{}", serde_json::to_string(&outcome)?);
        // Whoever reads the JSON reads the errors there.
        return Ok(true);
    }
    print!("{}", load::report(&outcome));
    Ok(outcome.errors.total() == 0)
}
