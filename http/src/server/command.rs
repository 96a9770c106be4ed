//! What a program can be asked for in the place of serving, by the environment: `corelane routes` and `corelane
//! check-config` do.
//!
//! | `CORELANE_COMMAND` | what [`Server::run`](super::Server::run) does |
//! | --- | --- |
//! | `routes` | prints the routes, as they are listed in logs, and returns |
//! | `routes-json` | the same as JSON |
//! | `check` | builds the application and returns: the configuration was read, nothing in the application is wrong |
//!
//! No hook runs, no socket is opened. Anything else is refused, so that a misspelt word does not start a server.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::ServerError;
use crate::app::App;
use crate::router::RouteList;

/// The variable's name.
pub(super) const VARIABLE: &str = "CORELANE_COMMAND";

/// Does what the environment asks for. `None` if it asks for nothing: then the program serves.
pub(super) fn asked(factory: &dyn Fn() -> App) -> Option<Result<(), ServerError>> {
    let command = std::env::var(VARIABLE).ok()?;
    Some(carry_out(&command, factory, &mut io::stdout().lock()))
}

fn carry_out(command: &str, factory: &dyn Fn() -> App, out: &mut dyn Write) -> Result<(), ServerError> {
    let show: fn(&RouteList) -> Result<String, serde_json::Error> = match command {
        "routes" => |list| Ok(list.to_string()),
        "routes-json" => |list| serde_json::to_string_pretty(list).map(|json| json + "\n"),
        "check" => |_| Ok(String::new()),
        _ => return Err(ServerError::command(command)),
    };
    // The factory may make clients, which belong to a core.
    let list = catch_unwind(AssertUnwindSafe(|| corelane_runtime::block_on(async { factory().routes() })));
    let list = list.map_err(|panic| ServerError::factory(&*panic))?;
    let text = show(&list).map_err(|error| ServerError::runtime(error.into()))?;
    out.write_all(text.as_bytes()).map_err(ServerError::runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        App::new().get("/notes/{id}", async || "note")
    }

    #[test]
    fn routes_are_told_and_an_unknown_word_is_refused() {
        let mut out = Vec::new();
        carry_out("routes", &app, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("/notes/{id}"));
        let mut out = Vec::new();
        carry_out("routes-json", &app, &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json[0]["path"], "/notes/{id}", "{json}");
        let mut out = Vec::new();
        carry_out("check", &app, &mut out).unwrap();
        assert!(out.is_empty());
        let error = carry_out("route", &app, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("`route`"), "{error}");
    }

    #[test]
    fn a_mistake_in_the_application_is_told() {
        let wrong = || app().get("/notes/{id}", async || "again");
        let error = carry_out("check", &wrong, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("could not be built"), "{error}");
    }
}
