//! An application of HTML pages: forms with validation, log-in, flash messages, uploads, two languages.
//!
//! `cargo run --example web` serves on 127.0.0.1:8081; any name logs in with the password `corelane`. `--help` lists the flags.

mod app;
mod form;
mod page;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use corelane::middlewares::access_log::{AccessLog, Reopen};
use corelane::middlewares::i18n::I18n;
use corelane::middlewares::session::MemoryStore;
use corelane::server::Server;
use corelane::storage::redis::Config;

/// Serves notes that people keep to themselves.
#[derive(Parser)]
#[command(name = "web", version)]
struct Flags {
    /// Address to listen on; port 0 takes a free one, printed at start.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Cores to serve with; all of them if not given.
    #[arg(long)]
    cores: Option<usize>,
    /// Seconds after which an unused session ends.
    #[arg(long, default_value_t = 1800)]
    session_idle: u64,
    /// Redis to keep sessions in, as a URL: they are there after a restart. Without one they are in memory.
    #[arg(long)]
    redis: Option<String>,
    /// File for the access log; the standard output if not given. SIGHUP opens it anew.
    #[arg(long)]
    access_log: Option<std::path::PathBuf>,
    /// Shows panics in the browser.
    #[arg(long)]
    debug: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();

    let flags = Flags::parse();
    let reopen = Reopen::new();
    let log = match &flags.access_log {
        Some(path) => AccessLog::file(path)?,
        None => AccessLog::stdout(),
    };
    let settings = app::Settings {
        log: log.reopen_with(&reopen),
        sessions: match &flags.redis {
            Some(url) => app::Store::Redis(Box::new(Config::from_url(url)?)),
            // Made here, and not in the factory: a session is the same on every core.
            None => app::Store::Memory(MemoryStore::new()),
        },
        session_idle: Duration::from_secs(flags.session_idle),
        texts: I18n::load(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/web/locales"), "en")?,
        debug: flags.debug,
    };
    let mut server = Server::bind(flags.listen).on_hangup(move || reopen.reopen());
    if let Some(cores) = flags.cores {
        server = server.cores(cores);
    }
    server.run(move || app::build(&settings))?;
    Ok(())
}
