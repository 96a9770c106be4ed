//! CPU profiles, taken while the client waits, or kept.

use std::sync::Arc;
use std::time::Duration;

use corelane_http::extract::{Query, Shared};
use corelane_http::problem::Problem;
use corelane_http::response::{Body, Response, StatusCode};
use corelane_profiling::output;
use corelane_profiling::profile::Profile;
use corelane_profiling::sampler::{self, History};
use corelane_profiling::stacks::Symbols;
use corelane_runtime::{blocking, time};
use serde::Deserialize;

use super::Listener;

/// Longest profile that is waited for, in seconds.
const SECONDS_MAX: u64 = 300;

/// How a profile is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    Svg,
    Collapsed,
    Pprof,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default = "ten")]
    seconds: u64,
    #[serde(default = "usual")]
    hz: u32,
    #[serde(default)]
    format: Format,
}

fn ten() -> u64 {
    10
}

fn usual() -> u32 {
    99
}

pub(super) async fn profile(Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    if !(1..=SECONDS_MAX).contains(&wanted.seconds) {
        return Err(refused(format!("seconds is 1 to {SECONDS_MAX}")));
    }
    if !(1..=sampler::HZ_MAX).contains(&wanted.hz) {
        return Err(refused(format!("hz is 1 to {}", sampler::HZ_MAX)));
    }
    let started = blocking::run(move || sampler::start(wanted.hz)).await.map_err(unavailable)?;
    // A client that goes away drops this future, and with it the session.
    let session = started.map_err(unavailable)?;
    time::sleep(Duration::from_secs(wanted.seconds)).await;
    let named = move || written(&session.finish(), wanted.format);
    blocking::run(named).await.map_err(unavailable).map(|(bytes, kind)| answer(bytes, kind))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Minutes {
    #[serde(default = "five")]
    minutes: usize,
    #[serde(default)]
    skip: usize,
    #[serde(default)]
    format: Format,
}

fn five() -> usize {
    5
}

pub(super) async fn history(
    Query(wanted): Query<Minutes>,
    listener: Shared<Listener>,
) -> Result<Response, Problem> {
    let listener = listener.arc();
    let job = move || Some(written(&kept(&listener)?.last(wanted.minutes, wanted.skip), wanted.format));
    let done = blocking::run(job).await.map_err(unavailable)?;
    done.map(|(bytes, kind)| answer(bytes, kind)).ok_or_else(not_kept)
}

pub(super) async fn diff(
    Query(wanted): Query<Minutes>,
    listener: Shared<Listener>,
) -> Result<Response, Problem> {
    let listener = listener.arc();
    let job = move || {
        let history = kept(&listener)?;
        let after = history.last(wanted.minutes, wanted.skip);
        let before = history.last(wanted.minutes, wanted.skip + wanted.minutes);
        let mut symbols = Symbols::new();
        Some(output::diff_svg(&before.resolve(&mut symbols), &after.resolve(&mut symbols)))
    };
    let done = blocking::run(job).await.map_err(unavailable)?;
    done.map(|svg| answer(svg.into_bytes(), "image/svg+xml")).ok_or_else(not_kept)
}

fn kept(listener: &Arc<Listener>) -> Option<&History> {
    listener.history.as_ref()
}

fn not_kept() -> Problem {
    Problem::new(StatusCode::NOT_FOUND)
        .detail("no history is kept: the program has to ask for it, by Admin::history")
}

/// The profile's bytes and their type. Names every address, so not for a core.
pub(super) fn written(profile: &Profile, format: Format) -> (Vec<u8>, &'static str) {
    let named = profile.resolve(&mut Symbols::new());
    match format {
        Format::Svg => (named.svg().into_bytes(), "image/svg+xml"),
        Format::Collapsed => (named.collapsed().into_bytes(), "text/plain; charset=utf-8"),
        Format::Pprof => (named.pprof(), "application/octet-stream"),
    }
}

pub(super) fn answer(bytes: Vec<u8>, kind: &str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    for (name, value) in [("content-type", kind), ("cache-control", "no-store")] {
        let set = response.headers_mut().insert(name, value);
        debug_assert!(set.is_ok(), "a valid field");
    }
    response
}

pub(super) fn refused(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST).detail(detail)
}

/// What went wrong is for whoever operates the process, who is who asks here.
pub(super) fn unavailable(error: impl std::error::Error) -> Problem {
    let detail = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail(detail)
}
