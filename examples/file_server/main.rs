//! A folder over HTTP: listings, ranges, conditional requests, compressed siblings.
//!
//! `cargo run --release --example file_server -- --root public` serves on 127.0.0.1:8080. `--help` lists the flags.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use corelane::files::Files;
use corelane::prelude::*;
use corelane::response::CacheControl;
use corelane::runtime::DriverChoice;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves the files beneath a folder.
#[derive(Parser)]
#[command(name = "file_server", version)]
struct Flags {
    /// The folder.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Address to listen on; port 0 takes a free one, printed at start.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Cores to serve with; all of them if not given.
    #[arg(long)]
    cores: Option<usize>,
    /// How the kernel is asked for I/O.
    #[arg(long, default_value = "auto", value_parser = |name: &str| name.parse::<DriverChoice>())]
    driver: DriverChoice,
    /// Seconds for which clients may keep a file without asking.
    #[arg(long, default_value_t = 60)]
    max_age: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();

    let flags = Flags::parse();
    // Tried here for a message; the factory opens the folder again on each core.
    Files::open(&flags.root).map_err(|error| format!("--root {}: {error}", flags.root.display()))?;
    let mut server = Server::bind(flags.listen).driver(flags.driver);
    if let Some(cores) = flags.cores {
        server = server.cores(cores);
    }
    let max_age = Duration::from_secs(flags.max_age);
    server.run(move || {
        let files = Files::new(&flags.root)
            .listing()
            .precompressed()
            .cache_control(CacheControl::public().max_age(max_age))
            .development(false);
        App::new().get("/", files.clone()).get("/{*path}", files)
    })?;
    Ok(())
}
