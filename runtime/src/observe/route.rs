//! The route that a task works for.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::counters::Counter;
use crate::executor::Core;

/// Routes told apart in one process, at most. What is named beyond that shares the last place, which is called `(other)`.
///
/// Each costs eight bytes per core; applications with more have generated them.
pub const ROUTES_MAX: usize = 512;

/// Index of what shares a place.
const OTHER: u32 = 511;
const _: () = assert!(OTHER as usize == ROUTES_MAX - 1, "the last place");

/// Names by index; place 0 is nobody's. Locked while an application is built and while a report is written.
static NAMES: Mutex<Vec<Arc<str>>> = Mutex::new(Vec::new());

thread_local! {
    // Constant and without a destructor, so that reading it in a signal handler is one load.
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

/// What a request was routed to, by name. Two words with the same text are the same route, on every core.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route(u32);

impl Route {
    /// No route: what the runtime does for itself.
    pub const NONE: Route = Route(0);

    /// The route of this name, for example `GET /users/{id}`. Takes a lock: for start, not for requests.
    pub fn named(name: &str) -> Route {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if names.is_empty() {
            names.push(Arc::from(""));
        }
        let known = names.iter().position(|known| **known == *name).or_else(|| {
            (names.len() < ROUTES_MAX - 1).then(|| {
                names.push(Arc::from(name));
                names.len() - 1
            })
        });
        Route(known.and_then(|index| u32::try_from(index).ok()).unwrap_or(OTHER))
    }

    /// The route with this [`index`](Route::index); [`Route::NONE`] if it is out of range.
    pub fn from_index(index: u32) -> Route {
        if index <= OTHER { Route(index) } else { Route::NONE }
    }

    /// A small number that stands for it while the process runs; below [`ROUTES_MAX`].
    pub fn index(self) -> u32 {
        self.0
    }

    /// Its name; `None` for [`Route::NONE`]. Takes a lock.
    pub fn name(self) -> Option<Arc<str>> {
        match self.0 {
            0 => None,
            OTHER => Some(Arc::from("(other)")),
            index => NAMES.lock().unwrap_or_else(PoisonError::into_inner).get(index as usize).cloned(),
        }
    }

    /// Every route that was named so far.
    pub fn all() -> impl Iterator<Item = Route> {
        let count = NAMES.lock().unwrap_or_else(PoisonError::into_inner).len();
        (1..u32::try_from(count).unwrap_or(OTHER)).map(Route)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({:?})", self.name().as_deref().unwrap_or(""))
    }
}

/// The route that the calling thread works for at the moment. Async-signal-safe.
#[inline]
pub fn route() -> Route {
    Route(CURRENT.get())
}

/// From here on the running task works for `route`; so do the tasks it spawns.
#[inline]
pub fn set_route(route: Route) {
    CURRENT.set(route.0);
}

/// The same, for a request that has just been routed: it is counted on its core as well.
#[inline]
pub fn enter_route(route: Route) {
    CURRENT.set(route.0);
    Core::try_with(|core| core.shared.routes.count(route));
}

/// Requests by route, on one core.
pub(crate) struct RouteCounters([Counter; ROUTES_MAX]);

impl Default for RouteCounters {
    fn default() -> RouteCounters {
        RouteCounters(std::array::from_fn(|_| Counter::default()))
    }
}

impl RouteCounters {
    #[inline]
    fn count(&self, route: Route) {
        if let Some(counter) = self.0.get(route.0 as usize) {
            counter.add(1);
        }
    }

    pub(crate) fn value(&self, route: Route) -> u64 {
        self.0.get(route.0 as usize).map_or(0, Counter::value)
    }
}
