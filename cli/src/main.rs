//! The `corelane` command. Each subcommand is a module of its own; `corelane help` lists them.

use clap::Parser;

/// Profile, benchmark, diagnose and set up Corelane applications.
#[derive(Parser)]
#[command(name = "corelane", version, arg_required_else_help = true)]
struct Flags {}

fn main() {
    Flags::parse();
}
