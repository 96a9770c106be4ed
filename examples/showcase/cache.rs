//! Values in Redis: the routes that are there if `REDIS_URL` is set.
//!
//! Each core has a client of its own. While Redis is away every route answers 503 at once; nothing has to be
//! restarted when it is back.

use bytes::Bytes;
use corelane::prelude::*;
use corelane::storage::redis::{Config, Redis, RedisError};

/// Adds the routes, with a client of this core.
///
/// # Panics
/// If `REDIS_URL` is no Redis URL: better at start than at the first request.
pub(crate) fn with_redis(app: App) -> App {
    let Ok(url) = std::env::var("REDIS_URL") else { return app };
    let config = Config::from_url(&url).unwrap_or_else(|error| panic!("REDIS_URL: {error}"));
    let redis = Redis::lazy(config).unwrap_or_else(|error| panic!("REDIS_URL: {error}"));
    app.state(redis).route("/cache/{key}", get(read).put(write).delete(remove)).get("/redis/ping", ping)
}

async fn read(State(redis): State<Redis>, Path(key): Path<String>) -> Result<Bytes, Problem> {
    let value = redis.get(key).await.map_err(problem)?;
    value.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND).detail("no value has this key"))
}

async fn write(
    State(redis): State<Redis>,
    Path(key): Path<String>,
    value: Bytes,
) -> Result<StatusCode, Problem> {
    redis.set(key, value).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(State(redis): State<Redis>, Path(key): Path<String>) -> Result<StatusCode, Problem> {
    match redis.del(key).await.map_err(problem)? {
        0 => Err(Problem::new(StatusCode::NOT_FOUND).detail("no value has this key")),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

async fn ping(State(redis): State<Redis>) -> Result<&'static str, Problem> {
    redis.ping().await.map_err(problem)?;
    Ok("PONG\n")
}

/// What a client is told. The cause goes to the log.
fn problem(error: RedisError) -> Problem {
    if error.is_unavailable() {
        let detail = if error.is_maybe_executed() {
            "it is not known whether this was done"
        } else {
            "nothing was done"
        };
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .title("The cache is not available")
            .detail(detail);
    }
    tracing::error!(error = %error, "redis");
    Problem::internal()
}
