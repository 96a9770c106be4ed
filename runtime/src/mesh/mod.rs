//! Calls between cores.
//!
//! [`call`] runs a closure on another core and awaits what it gives back; [`call_async`] runs a future
//! there, made there, which need not be `Send`; [`broadcast`] runs a closure on every core.
//! [`Sharded`] is one value per core. This is for rooms, invalidations and scrapes: a request that
//! needs another core's state goes there, the state stays where it is.
//!
//! ```
//! use corelane_runtime::{Runtime, core_id, mesh, shutdown};
//!
//! let runtime = Runtime::builder().cores(Some(2)).pin(false).start(|core| async move {
//!     if core.index() == 0 {
//!         let answers = mesh::broadcast(|| core_id().index()).await;
//!         assert_eq!(answers, [Ok(0), Ok(1)]);
//!         mesh::broadcast(shutdown::drain).await;
//!     } else {
//!         shutdown::draining().await;
//!     }
//! })?;
//! runtime.join()?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # What is promised
//!
//! - Calls that one core makes to another, at one depth (below), start there in the order of their first poll.
//! - Once started, a call runs to its end, awaited or not, unless it panics or its core ends.
//! - All that crosses is pushed in the turn it was made and announced at the end of that turn, with
//!   one wake for each core however many the calls.
//! - A core may call itself; all of this holds then, too.
//!
//! # Bounds
//!
//! Each core has at most [`CALLS_IN_FLIGHT_MAX`] calls in flight to each core; a call over the
//! bound waits for its turn. At most [`BACKLOG_MAX`] wait; one more fails at once
//! ([`CallError::is_full`]). A core runs at most [`REQUESTS_PER_TURN`] calls of one caller in a turn of its
//! loop, so that one caller starves neither the others nor the core's own tasks.
//!
//! # A call never waits on a call that waits on it
//!
//! Two cores that each have all their calls to the other in flight, whose called futures call back, would
//! wait for one another for ever: each needs a place that only the other's end sets free. So places are
//! counted for each depth. A call made by a task has depth 0, a call made by a called future the
//! caller's depth and one. A call waits for places of its own depth only, those are held by calls
//! that wait for deeper ones only, and at the depth of [`CALL_DEPTH_MAX`] a call is refused
//! ([`CallError::is_too_deep`]): what is there waits for no call, so it ends, and sets free the rest.
//!
//! The depth is known where the called future itself makes the call. A task that it spawns starts
//! anew at depth 0, hence the rule left to the author: **inside a call, do not await a spawned task that
//! calls**. A closure of [`call`] cannot await, so it cannot break the rule.
//!
//! # Failure
//!
//! | what happens | the caller gets |
//! | --- | --- |
//! | the closure or future panics | [`CallError::is_panicked`]; the called core counts it and goes on |
//! | the core ends before it answers, or has ended | [`CallError::is_core_ended`] |
//! | the caller's future is dropped before a place was free | nothing is run |
//! | the caller's future is dropped later | the call runs; its answer is dropped on the caller's core |
//! | the caller's core ends | the call runs; its answer is dropped |

mod call;
mod callers;
mod error;
mod links;
mod pending;
mod rings;
mod sharded;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::call::{Broadcast, Call, broadcast, call, call_async};
pub use self::error::CallError;
pub(crate) use self::links::Mesh;
pub(crate) use self::rings::{Seat, connect};
pub use self::sharded::Sharded;

/// Calls in flight at most, from one core to one core at one depth.
///
/// In flight is a call whose answer the caller's core has not seen yet. A round trip is a turn
/// of each loop, some tens of microseconds under load, so this allows some hundred thousand calls a
/// second for each pair, and the two rings of a pair stay within 10 KiB.
pub const CALLS_IN_FLIGHT_MAX: usize = 32;

/// Calls made inside calls: the first depth that is refused.
///
/// A call that calls back, whose target calls once more, has depth 2. Needing more is a sign that
/// state lives on the wrong core.
pub const CALL_DEPTH_MAX: usize = 4;

/// Calls waiting for a place at most, from one core to one core at one depth.
///
/// At this length the called core is many turns behind. Waiting longer helps nobody.
pub const BACKLOG_MAX: usize = 1024;

/// Calls of one caller that a core runs in one turn of its loop at most. The rest wait for the next turn.
///
/// All that one caller can have in flight at all depths: more would need places it does not have.
pub const REQUESTS_PER_TURN: usize = CALLS_IN_FLIGHT_MAX;

const _: () = assert!(REQUESTS_PER_TURN <= CALLS_IN_FLIGHT_MAX * CALL_DEPTH_MAX, "else it bounds nothing");

/// Drops what others made: its destructor may panic, which must not end the core.
fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Not dropped: that may panic once more.
        std::mem::forget(payload);
    }
}
