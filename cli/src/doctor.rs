//! `corelane doctor`: what is wrong with a running program.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::admin::Target;

#[derive(Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Prints findings. The exit status is 2 if there are any.
pub(crate) fn run(flags: Flags) -> Result<ExitCode, Box<dyn Error>> {
    let path = if flags.json { "/findings" } else { "/findings?format=text" };
    let body = flags.target.get(path, Duration::ZERO)?;
    let text = String::from_utf8(body)?;
    print!("{text}");
    let none = if flags.json {
        let told: serde_json::Value = serde_json::from_str(&text)?;
        told.get("findings").and_then(|found| found.as_array()).is_some_and(Vec::is_empty)
    } else {
        text.starts_with("nothing found")
    };
    Ok(if none { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
