//! The showcase: one small server that shows what Corelane does, and what the benchmark measures.
//!
//! `cargo run --release --example showcase` serves on 127.0.0.1:8080 with every core. `--help` lists the flags.

mod cache;
mod edge;
mod routes;

use std::io::IsTerminal;
use std::net::SocketAddr;

use clap::Parser;
use corelane::middlewares::admin::Admin;
use corelane::profiling::sampler::HISTORY_HZ;
use corelane::runtime::DriverChoice;
use corelane::server::{Listen, Server, TrustedProxies};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves the showcase's routes; `GET /` lists them. With REDIS_URL set, /cache/{key} keeps values in Redis.
#[derive(Parser)]
#[command(name = "showcase", version)]
struct Flags {
    /// Where to listen: ADDRESS:PORT (port 0 takes a free one, printed at start), unix:PATH, systemd. May be repeated.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: Vec<Listen>,
    /// Cores to serve with; all of them if not given.
    #[arg(long)]
    cores: Option<usize>,
    /// How the kernel is asked for I/O: auto takes the best that works here, the others or an error.
    #[arg(long, default_value = "auto", value_parser = |name: &str| name.parse::<DriverChoice>())]
    driver: DriverChoice,
    /// A proxy that is believed about the client, as an address or a network, or `unix` for all that come over a Unix
    /// socket; may be given more than once.
    #[arg(long, value_name = "NETWORK|unix")]
    trusted_proxy: Vec<String>,
    /// Answer profiles and statistics on this address; 127.0.0.1:9090 if none is given. One that is not loopback needs
    /// CORELANE_ADMIN_TOKEN.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:9090")]
    admin: Option<SocketAddr>,
    /// List the routes and exit.
    #[arg(long)]
    routes: bool,
    /// With --routes: as JSON.
    #[arg(long, requires = "routes")]
    json: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();

    let flags = Flags::parse();
    if flags.routes {
        let routes = routes::app().routes();
        match flags.json {
            true => println!("{}", serde_json::to_string_pretty(&routes)?),
            false => print!("{routes}"),
        }
        return Ok(());
    }
    // Answers until the end of `main`.
    let _admin = match flags.admin {
        Some(address) => {
            let mut admin = Admin::bind(address).history(HISTORY_HZ);
            if let Ok(token) = std::env::var("CORELANE_ADMIN_TOKEN") {
                admin = admin.token(token);
            }
            Some(admin.start()?)
        }
        None => None,
    };
    let mut places = flags.listen.into_iter();
    let first = places.next().expect("there is a default");
    let mut server = places
        .fold(Server::new(first), Server::listen)
        .driver(flags.driver)
        .trust(trust(&flags.trusted_proxy)?);
    if let Some(cores) = flags.cores {
        server = server.cores(cores);
    }
    server.run(|| cache::with_redis(routes::app()))?;
    Ok(())
}

fn trust(proxies: &[String]) -> Result<TrustedProxies, corelane::server::TrustError> {
    let trusted = TrustedProxies::new(proxies.iter().filter(|proxy| *proxy != "unix"))?;
    Ok(if proxies.iter().any(|proxy| proxy == "unix") { trusted.unix() } else { trusted })
}
