//! What a profiler sees of the cores: which there are, what each is doing, and for which route.
//!
//! The runtime does not profile. It keeps what a profiler has no other way to learn, at the price of a few plain
//! stores: a task carries the [`Route`] it works for, so that a sample, an allocation or a stall taken at any moment
//! belongs to one; a core numbers its polls, so that another thread can tell a task that holds its core from many short
//! ones; and the cores of the process are listed here while they run.
//!
//! ```
//! use corelane_runtime::{block_on, observe, observe::Route, spawn, yield_now};
//!
//! block_on(async {
//!     let route = Route::named("GET /users/{id}");
//!     observe::enter_route(route);
//!     // A task that is spawned for a request works for its route, and keeps it while it waits.
//!     spawn(async move {
//!         yield_now().await;
//!         assert_eq!(observe::route(), route);
//!     })
//!     .await
//!     .unwrap();
//!     assert_eq!(observe::cores().iter().map(|core| core.requests(route)).sum::<u64>(), 1);
//! });
//! ```

mod cores;
mod route;

pub use self::cores::{Probe, core_slot, cores};
pub use self::route::{ROUTES_MAX, Route, enter_route, route, set_route};

pub(crate) use self::cores::list;
pub(crate) use self::route::RouteCounters;
