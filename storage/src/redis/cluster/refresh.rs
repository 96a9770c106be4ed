//! Keeps the map true.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use corelane_runtime::time;

use super::layout::{self, Range};
use super::map::Member;
use super::{EMPTY, Shared};
use crate::backoff::Backoff;
use crate::redis::config::Endpoint;
use crate::redis::error::{Cause, Kind, RedisError};
use crate::redis::exclusive::Target;
use crate::redis::flight;
use crate::redis::mux::Request;
use crate::redis::proto::{Command, Value};

/// Longest that one server is asked for the map before the next one is. A healthy one takes a millisecond.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Most servers of the last map that are asked before the configured ones are.
const KNOWN_MAX: usize = 4;

/// By chance up to so long after a change was noticed the map is asked for. What moved is followed meanwhile.
const SPREAD: Duration = Duration::from_millis(50);

/// Longest pause between two questions as long as callers have trouble: with [`ANSWER_MAX`] it bounds how much later
/// than the cluster itself a failover is noticed.
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// The map is asked for so often, give or take a third, when nothing calls for it: new replicas announce themselves to nobody.
const EVERY: Duration = Duration::from_secs(60);

/// Asks for the map whenever somebody wants it, once at a time, until the cluster is dropped.
pub(super) async fn keep(shared: Rc<Shared>) {
    let mut backoff = Backoff::new(SPREAD, PAUSE_MAX);
    loop {
        let calm = EVERY * 2 / 3 + backoff.jitter(EVERY * 2 / 3);
        if wanted(&shared, calm).await {
            backoff.reset();
        } else if shared.map.borrow().is_some() {
            time::sleep(backoff.next_wait()).await;
        }
        if shared.is_closed.get() {
            return;
        }
        shared.is_wanted.set(false);
        match discover(&shared).await {
            Ok(ranges) => {
                if shared.install(&ranges) {
                    backoff.reset();
                }
            }
            Err(cause) => {
                tracing::warn!(cause = %cause, "no server tells the map of the redis cluster");
                shared.on_away(cause);
                // Also without a map, and then whether or not somebody asks: `away` is only as true as the last try.
                time::sleep(Duration::from_millis(10) + backoff.next_wait()).await;
                if shared.map.borrow().is_none() {
                    shared.is_wanted.set(true);
                }
            }
        }
    }
}

/// Waits until the map is wanted or the cluster is dropped, at most for `calm`; true if it was wanted by nobody.
async fn wanted(shared: &Shared, calm: Duration) -> bool {
    let mut sleep = time::sleep(calm);
    poll_fn(|cx| {
        if shared.is_closed.get() || shared.is_wanted.get() {
            return Poll::Ready(false);
        }
        shared.refresher.set(Some(cx.waker().clone()));
        Pin::new(&mut sleep).poll(cx).map(|()| true)
    })
    .await
}

/// Asks one server after the other for the map, until one tells it.
///
/// # Errors
/// Why the last one did not.
pub(super) async fn discover(shared: &Shared) -> Result<Vec<Range>, Cause> {
    let mut last = EMPTY;
    for member in known(shared) {
        match ask_member(member).await.and_then(|(value, asked)| read(shared, value, &asked)) {
            Ok(ranges) => return Ok(ranges),
            Err(cause) => last = cause,
        }
    }
    for endpoint in &shared.config.endpoints {
        if shared.is_closed.get() {
            return Err(last);
        }
        match ask_endpoint(shared, endpoint).await.and_then(|value| read(shared, value, endpoint)) {
            Ok(ranges) => return Ok(ranges),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

/// Some members that are connected, beginning with another one each time.
fn known(shared: &Shared) -> Vec<Rc<Member>> {
    let map = shared.map.borrow();
    let Some(map) = &*map else { return Vec::new() };
    let mut up: Vec<_> = map.members().filter(|member| member.is_up()).cloned().collect();
    if !up.is_empty() {
        let turn = usize::try_from(shared.refreshes.get()).unwrap_or(0) % up.len();
        up.rotate_left(turn);
    }
    up.truncate(KNOWN_MAX);
    up
}

async fn ask_member(member: Rc<Member>) -> Result<(Value, Endpoint), Cause> {
    let asked = member.endpoint().clone();
    let outcome =
        flight::one(member.node().clone(), Request::One(question()), time::now() + ANSWER_MAX).await;
    match outcome {
        Ok(value) => Ok((value, asked)),
        Err(error) => Err(cause(&error)),
    }
}

fn cause(error: &RedisError) -> Cause {
    match error.kind() {
        Kind::Lost { cause, .. } | Kind::Unavailable(cause) => cause.clone(),
        _ => Cause::Silent(ANSWER_MAX),
    }
}

/// On a connection for this question only.
async fn ask_endpoint(shared: &Shared, endpoint: &Endpoint) -> Result<Value, Cause> {
    let target = Target::at(&shared.config, endpoint.clone(), &shared.encryption);
    let mut connection = target.open().await?;
    match time::timeout(ANSWER_MAX, connection.exchange(&question())).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Cause::Silent(ANSWER_MAX)),
    }
}

fn question() -> Command {
    Command::new("CLUSTER SLOTS").read_only()
}

fn read(shared: &Shared, value: Value, asked: &Endpoint) -> Result<Vec<Range>, Cause> {
    if let Value::Error(error) = value {
        return Err(Cause::Refused(error));
    }
    let mut ranges = layout::parse(value, asked).map_err(Cause::Map)?;
    if ranges.is_empty() {
        // A server that was reset, or has met nobody yet. Another one may know.
        return Err(Cause::Map("no slot is served by anybody"));
    }
    let reach = |endpoint: &mut Endpoint| {
        if let Some(reachable) = shared.config.address_map.get(endpoint) {
            *endpoint = reachable.clone();
        }
    };
    for range in &mut ranges {
        reach(&mut range.primary);
        range.replicas.iter_mut().for_each(reach);
    }
    Ok(ranges)
}
