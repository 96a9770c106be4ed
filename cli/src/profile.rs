//! `corelane profile`: asks a running program for a profile and writes it into a file.

use std::error::Error;
use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::admin::{AdminError, Target};
use crate::doctor;

#[derive(Args)]
pub(crate) struct Flags {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// CPU time by stack.
    Cpu(Cpu),
    /// What changed in CPU time: the last minutes against those before them, as a flame graph.
    Diff(Diff),
    /// What is wrong, the costliest first: the same as `corelane doctor`.
    Findings(doctor::Flags),
}

#[derive(Args)]
struct Cpu {
    #[command(flatten)]
    target: Target,
    /// How long, 1 to 300 seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    seconds: u64,
    /// Samples per second of CPU, 1 to 999.
    #[arg(long, default_value_t = 99, value_parser = clap::value_parser!(u32).range(1..=999))]
    hz: u32,
    #[command(flatten)]
    file: Output,
}

#[derive(Args)]
struct Diff {
    #[command(flatten)]
    target: Target,
    /// How many minutes on each side.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=30))]
    minutes: u64,
    #[command(flatten)]
    file: Output,
}

#[derive(Args)]
struct Output {
    /// Where to: .svg is a flame graph, .pb or .pprof is for `go tool pprof`, .txt or .folded is collapsed stacks.
    #[arg(long, short, default_value = "flame.svg")]
    output: PathBuf,
}

impl Output {
    /// What the listener calls the format that the file's name asks for.
    fn format(&self) -> Result<&'static str, String> {
        match self.output.extension().and_then(OsStr::to_str) {
            Some("svg") => Ok("svg"),
            Some("pb" | "pprof") => Ok("pprof"),
            Some("txt" | "folded" | "collapsed") => Ok("collapsed"),
            _ => Err(format!(
                "{} says no format: end it with .svg, .pb, .pprof, .txt, .folded or .collapsed",
                self.output.display()
            )),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), String> {
        let written = fs::File::create(&self.output).and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| format!("{} cannot be written: {error}", self.output.display()))?;
        eprintln!("{}: {} bytes", self.output.display(), bytes.len());
        Ok(())
    }
}

pub(crate) fn run(flags: Flags) -> Result<ExitCode, Box<dyn Error>> {
    match flags.what {
        What::Cpu(Cpu { target, seconds, hz, file }) => {
            let path = format!("/profile/cpu?seconds={seconds}&hz={hz}&format={}", file.format()?);
            file.write(&waited(&target, &path, Duration::from_secs(seconds))?)?;
        }
        What::Findings(flags) => return doctor::run(flags),
        What::Diff(Diff { target, minutes, file }) => {
            if file.format()? != "svg" {
                return Err("a comparison is a flame graph: end the file's name with .svg".into());
            }
            let path = format!("/profile/diff?minutes={minutes}");
            file.write(&waited(&target, &path, Duration::ZERO)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks, and meanwhile shows how far it has come if somebody watches.
fn waited(target: &Target, path: &str, length: Duration) -> Result<Vec<u8>, AdminError> {
    if length.is_zero() || !std::io::stderr().is_terminal() {
        return target.get(path, length);
    }
    let bar = ProgressBar::new(millis(length));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {msg}") {
        bar.set_style(style);
    }
    let began = Instant::now();
    thread::scope(|scope| {
        let (done, answer) = mpsc::channel();
        scope.spawn(move || done.send(target.get(path, length)));
        loop {
            match answer.recv_timeout(Duration::from_millis(100)) {
                Ok(answer) => {
                    bar.finish_and_clear();
                    return answer;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(AdminError::NotHttp),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let spent = began.elapsed();
                    bar.set_position(millis(spent.min(length)));
                    let left = length.saturating_sub(spent).as_secs();
                    bar.set_message(if spent < length {
                        format!("{left} s")
                    } else {
                        "naming functions".into()
                    });
                }
            }
        }
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_name_says_the_format() {
        for (name, want) in [
            ("flame.svg", Some("svg")),
            ("a.b.pb", Some("pprof")),
            ("cpu.pprof", Some("pprof")),
            ("stacks.folded", Some("collapsed")),
            ("stacks.txt", Some("collapsed")),
            ("profile", None),
            ("profile.exe", None),
        ] {
            assert_eq!(Output { output: name.into() }.format().ok(), want, "{name}");
        }
    }
}
