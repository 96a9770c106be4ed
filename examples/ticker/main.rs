//! A page that counts seconds: server-sent events, taken up again where a client was cut off.
//!
//! `cargo run --release --example ticker` serves on 127.0.0.1:8080. `--help` lists the flags.

use std::cell::Cell;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use corelane::prelude::*;
use corelane::runtime::{self, DriverChoice};
use corelane::sse::{Event, LastEventId, Receiver, Sse};
use serde::Serialize;

/// Serves a page that counts.
#[derive(Parser)]
#[command(name = "ticker", version)]
struct Flags {
    /// Address to listen on; port 0 takes a free one, printed at start.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Cores to serve with; all of them if not given.
    #[arg(long)]
    cores: Option<usize>,
    /// How the kernel is asked for I/O.
    #[arg(long, default_value = "auto", value_parser = |name: &str| name.parse::<DriverChoice>())]
    driver: DriverChoice,
    /// Milliseconds from one tick to the next.
    #[arg(long, default_value_t = 1000)]
    every_ms: u64,
}

/// What the core knows: how fast it ticks, and who listens.
struct Ticker {
    every: Duration,
    listeners: Cell<usize>,
}

#[derive(Serialize)]
struct Tick {
    number: u64,
    listeners: usize,
}

/// Ticks from behind the last one that the client saw, for as long as it stays.
async fn ticks(State(ticker): State<Ticker>, last: Option<Header<LastEventId>>) -> Sse<Receiver> {
    let mut number: u64 = last.and_then(|last| last.as_str().parse().ok()).unwrap_or(0);
    // A client that reads too slowly has eight ticks waiting; then the task below waits for it.
    let (events, sse) = Sse::channel(8);
    drop(runtime::spawn(async move {
        ticker.listeners.set(ticker.listeners.get() + 1);
        let mut interval = runtime::time::interval(ticker.every);
        loop {
            number = number.wrapping_add(1);
            let tick = Tick { number, listeners: ticker.listeners.get() };
            let event = Event::json(&tick).map(|event| event.with_retry(Duration::from_secs(1)));
            let Ok(Ok(event)) = event.map(|event| event.with_id(number.to_string())) else { break };
            // The client has left, or the server is told to stop.
            if events.send(event).await.is_err() {
                break;
            }
            interval.tick().await;
        }
        ticker.listeners.set(ticker.listeners.get() - 1);
    }));
    sse
}

async fn listeners(State(ticker): State<Ticker>) -> String {
    ticker.listeners.get().to_string()
}

const PAGE: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Ticker</title></head>
<body><h1>Tick <output id="tick">-</output></h1>
<script>
new EventSource("/ticks").onmessage = event => {
  document.getElementById("tick").textContent = JSON.parse(event.data).number;
};
</script></body></html>
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();

    let flags = Flags::parse();
    let every = Duration::from_millis(flags.every_ms.max(1));
    let mut server = Server::bind(flags.listen).driver(flags.driver);
    if let Some(cores) = flags.cores {
        server = server.cores(cores);
    }
    server.run(move || {
        App::new()
            .state(Ticker { every, listeners: Cell::new(0) })
            .get("/", async || Html(PAGE))
            .get("/ticks", ticks)
            .get("/listeners", listeners)
    })?;
    Ok(())
}
