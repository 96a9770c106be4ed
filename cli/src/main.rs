//! The `corelane` command. Each subcommand is a module of its own; `corelane help` lists them.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod admin;
mod doctor;
mod profile;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Profile, benchmark, diagnose and set up Corelane applications.
#[derive(Parser)]
#[command(name = "corelane", version, arg_required_else_help = true)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take a profile of a running program, by its admin listener.
    Profile(profile::Flags),
    /// Say what is wrong with a running program, by its admin listener; the exit status is 2 if something is.
    Doctor(doctor::Flags),
}

fn main() -> ExitCode {
    let done = match Flags::parse().command {
        Command::Profile(flags) => profile::run(flags),
        Command::Doctor(flags) => doctor::run(flags),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprint!("corelane: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                eprint!(": {error}");
                source = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}
