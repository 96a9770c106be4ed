//! A bound on the connections of all cores of a process.
//!
//! The budget is a number of permits; a connection holds one for as long as it is open. What cores hand to one another is the
//! permit, not the socket: moving a connection would mean moving its buffers, its prepared statements and whatever is
//! under way on it from one ring to another, to save one handshake every time the load shifts, which is seldom. So a
//! core in need asks the others, one after the other; one that has a connection to spare closes it and answers
//! with its permit. Taking and giving permits happens when connections are opened and closed, never when they are used.

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corelane_runtime::mesh::Sharded;
use corelane_runtime::{CoreId, core_count, core_id, spawn};

/// How many connections the pools that share this may have together. Clones are the same budget: make it once, before
/// the cores start, and put a clone into the configuration of every core.
///
/// A core that needs more than are left asks the other cores for one. They give what they have had idle for a
/// while, and, however busy they are, what they have over an equal share. It should allow for two connections a core, one
/// for single statements and one for a transaction; with fewer, cores take turns.
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

struct Inner {
    max: usize,
    /// Permits given out. Invariant: at most `max`.
    taken: AtomicUsize,
    /// The pools of each core.
    pools: Sharded<RefCell<Vec<Weak<dyn Party>>>>,
}

/// A pool, as the others see it.
pub(super) trait Party {
    /// A permit for `core`, if there is one to spare now. If not, but this has more than its share, the permit of the next
    /// connection that is done with is [sent](Budget::send) there.
    fn give(self: Rc<Self>, core: CoreId) -> Option<Permit>;

    /// Takes a permit from another core; gives it back if it is not needed any more.
    fn receive(self: Rc<Self>, permit: Permit) -> Option<Permit>;
}

/// The right to have a connection.
pub(super) struct Permit {
    budget: Arc<Inner>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    /// At most `max` connections; one if it is zero.
    pub fn new(max: usize) -> Budget {
        let pools = Sharded::new(|_| RefCell::default());
        Budget { inner: Arc::new(Inner { max: max.max(1), taken: AtomicUsize::new(0), pools }) }
    }

    /// Connections that may be open.
    pub fn max(&self) -> usize {
        self.inner.max
    }

    /// Connections that are open or being opened.
    pub fn taken(&self) -> usize {
        self.inner.taken.load(Ordering::Relaxed)
    }

    /// What a core may keep while others ask for more.
    pub(super) fn share(&self) -> usize {
        (self.inner.max / core_count()).max(1)
    }

    pub(super) fn try_take(&self) -> Option<Permit> {
        let count = &self.inner.taken;
        let room = |taken| (taken < self.inner.max).then_some(taken + 1);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Permit { budget: Arc::clone(&self.inner) })
    }

    /// Makes a pool of this core known to the others.
    pub(super) fn join(&self, pool: &Rc<impl Party + 'static>) {
        let pool: Weak<dyn Party> = Rc::downgrade(&(Rc::clone(pool) as Rc<dyn Party>));
        self.inner.pools.with(|pools| {
            let mut pools = pools.borrow_mut();
            pools.retain(|pool| pool.strong_count() > 0);
            pools.push(pool);
        });
    }

    /// Asks the pools of another core for a permit.
    pub(super) async fn ask(&self, core: CoreId) -> Option<Permit> {
        let asker = core_id();
        let asked = self
            .inner
            .pools
            .call(core, move |pools| parties(pools).into_iter().find_map(|pool| pool.give(asker)));
        // A core that has ended has nothing to give.
        asked.await.unwrap_or(None)
    }

    /// Hands a permit to another core. If nobody needs it there any more, it goes back to the budget.
    pub(super) fn send(&self, core: CoreId, permit: Permit) {
        let sent = self.inner.pools.call(core, move |pools| {
            let mut permit = Some(permit);
            for pool in parties(pools) {
                permit = permit.and_then(|permit| pool.receive(permit));
            }
        });
        drop(spawn(sent));
    }
}

/// Outside the borrow: a pool may do anything.
fn parties(pools: &RefCell<Vec<Weak<dyn Party>>>) -> Vec<Rc<dyn Party>> {
    pools.borrow().iter().filter_map(Weak::upgrade).collect()
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("max", &self.max()).field("taken", &self.taken()).finish()
    }
}
