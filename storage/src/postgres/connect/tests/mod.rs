//! Against a real server, and against lying ones.

mod hosts;
mod lies;
mod real;
#[path = "../../../../tests/it/support/pg_server.rs"]
mod server;

use std::future::Future;
use std::time::Duration;

use corelane_runtime as runtime;

use super::{Established, open};
use crate::postgres::{Config, Environment, PgError};

/// Runs a test's future on a core. The bound turns a hang into a failure and measures nothing.
fn on_core<F: Future>(test: F) -> F::Output {
    runtime::block_on(async {
        runtime::time::timeout(Duration::from_secs(120), test).await.expect("the test hangs")
    })
}

fn config(text: &str) -> Config {
    let environment = Environment::empty().with_user("postgres");
    Config::parse_in(text, &environment).unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn connect(text: &str) -> Result<Established, PgError> {
    let mut config = config(text);
    // For what must work, on a busy machine.
    config.connect_timeout = Duration::from_secs(60);
    open(&config).await
}

/// The error with all that is behind it.
fn whole(error: &PgError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
