//! Clients for stores, on the ring that serves the requests.
//!
//! A client belongs to one core: it is cheap to clone there, takes no lock, and its sockets are on
//! the core's own ring. The app factory makes one per core. Each promises that
//!
//! * dropping any of its futures at any await leaves its connections in step: an answer never goes to
//!   somebody else;
//! * every queue, buffer and wait has a bound and a deadline, and what happens there is told by the error;
//! * while the store is away callers fail at once, and the client comes back by itself.
//!
//! They do not map objects and hide no store behind another: what Redis calls a hash is a hash here.
//!
//! ```no_run
//! use corelane_storage::redis::Redis;
//!
//! # async fn example() -> Result<(), corelane_storage::redis::RedisError> {
//! let redis = Redis::connect("redis://127.0.0.1/").await?;
//! redis.set("greeting", "hello").await?;
//! assert_eq!(redis.get("greeting").await?.as_deref(), Some(&b"hello"[..]));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod backoff;
pub mod circuit;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod output;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
mod secret;

pub use self::secret::Secret;
