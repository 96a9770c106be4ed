//! A REST API: notes that can be listed, made, read, changed and deleted, with validation, an OpenAPI document and
//! configuration.
//!
//! `cargo run --example rest` serves on 127.0.0.1:8080; `/docs` shows the API. `corelane.toml` in the working
//! directory, the environment and `--set key=value` configure it:
//!
//! ```sh
//! CORELANE_SERVER__LISTEN=127.0.0.1:9000 cargo run --example rest -- --set app.page_max=20
//! ```
//!
//! `kill -HUP` reads the configuration again.

mod api;
mod model;
mod store;

use std::sync::Arc;

use corelane::config::{Live, Loader, Overrides};
use corelane::server::Server;

use model::Settings;
use store::Store;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();

    let (mut overrides, rest) = Overrides::from_args(std::env::args().skip(1))?;
    match &rest[..] {
        [] => {}
        [flag, address] if flag == "--listen" => {
            overrides.set.push(format!("server.listen={address}").parse()?);
        }
        _ => {
            return Err(
                "there are --listen ADDRESS, --set KEY=VALUE, --config FILE and --profile NAME".into()
            );
        }
    }
    let loader = Loader::<Settings>::new().overrides(overrides).check(Settings::check);
    let config = loader.load()?;
    let server = Server::from_config(&config.server);
    let live = Live::new(config.app);
    let reload = live.reloader(loader, config.server);
    // One store for the process: every core has the same notes.
    let store = Arc::new(Store::default());
    server.on_hangup(reload).run(move || api::app(store.clone(), live.clone()))?;
    Ok(())
}
