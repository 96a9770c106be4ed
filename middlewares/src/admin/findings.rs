//! What is wrong.

use corelane_http::extract::{Json, Query, Shared};
use corelane_http::problem::Problem;
use corelane_http::response::{IntoResponse, Response};
use corelane_profiling::findings::{Evidence, find};
use corelane_runtime::blocking;
use serde::Deserialize;
use serde_json::json;

use super::Listener;
use super::cpu::unavailable;

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    format: Format,
}

pub(super) async fn findings(
    Query(wanted): Query<Wanted>,
    listener: Shared<Listener>,
) -> Result<Response, Problem> {
    let listener = listener.arc();
    let look = move || {
        let evidence = Evidence::of(&listener.watch);
        (evidence.seconds(), find(&evidence))
    };
    let (seconds, found) = blocking::run(look).await.map_err(unavailable)?;
    if wanted.format == Format::Json {
        return Ok(Json(json!({ "seconds": seconds, "findings": found })).into_response());
    }
    let mut text = String::new();
    for finding in &found {
        text.push_str(&format!("{finding}\n\n"));
    }
    if found.is_empty() {
        text = format!("nothing found in the last {seconds:.0} s\n");
    }
    Ok(text.into_response())
}
