//! A cluster: who serves which slot, as far as is known, and a connection to each.
//!
//! The map is learned from any server and corrected by redirections. A correction holds at once, for one slot;
//! the whole map is then asked for in the background, by one task, a moment later by chance, so that the many cores and
//! processes that learn of a change together do not all ask together.

mod following;
mod layout;
mod map;
mod refresh;
mod request;
mod run;
mod walk;
mod way;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use corelane_runtime::{spawn, time};

use self::layout::Range;
use self::map::{SlotMap, create};
use super::config::{Config, Endpoint, ReadFrom};
use super::error::{Cause, Kind, RedisError};
use super::exclusive::Target;
use super::finder::Finder;
use super::mux::Depth;
use super::stats::Stats;
use super::transport::Encryption;

pub(super) use self::following::Following;
pub(super) use self::map::Member;

pub(super) use self::walk::Walk;

/// The handle on a cluster. Dropping it ends the connections.
pub(super) struct Cluster {
    shared: Rc<Shared>,
}

/// What the task that keeps the map holds. It does not keep the cluster open.
struct Shared {
    config: Rc<Config>,
    encryption: Encryption,
    map: RefCell<Option<SlotMap>>,
    /// While there is no map: why not, if the last try failed.
    away: RefCell<Option<Cause>>,
    /// Somebody has reason to believe that the map is out of date.
    is_wanted: Cell<bool>,
    is_closed: Cell<bool>,
    refresher: Cell<Option<Waker>>,
    /// Callers that wait for the first map. Invariant: at most `waiting_max`.
    waiters: RefCell<Vec<Waker>>,
    redirects: Cell<u64>,
    refreshes: Cell<u64>,
    /// Of servers that are no longer in the map.
    retired: RefCell<Stats>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.is_closed.set(true);
        self.shared.wake_refresher();
    }
}

impl Cluster {
    /// Learns the map from the first server that knows it.
    ///
    /// # Errors
    /// Why the last one that was asked did not.
    pub(super) async fn connect(config: Rc<Config>, encryption: Encryption) -> Result<Cluster, Cause> {
        let shared = Shared::new(config, encryption);
        let ranges = refresh::discover(&shared).await?;
        shared.install(&ranges);
        Ok(Cluster::start(shared))
    }

    /// Learns the map in the background.
    pub(super) fn lazy(config: Rc<Config>, encryption: Encryption) -> Cluster {
        let shared = Shared::new(config, encryption);
        shared.is_wanted.set(true);
        Cluster::start(shared)
    }

    fn start(shared: Rc<Shared>) -> Cluster {
        drop(spawn(refresh::keep(Rc::clone(&shared))));
        Cluster { shared }
    }

    /// Somebody who uses it has reason to believe that the map is out of date.
    pub(super) fn doubt(&self) {
        self.shared.want_map();
    }

    /// For connections to whoever serves a slot at the time, or to some primary.
    pub(super) fn target(self: &Rc<Cluster>, slot: Option<u16>) -> Target {
        let mut target = Target::first(&self.shared.config, &self.shared.encryption);
        target.finder = Some(Finder::Cluster(Rc::clone(self), slot));
        target
    }

    /// What all its nodes have done together.
    pub(super) fn stats(&self) -> Stats {
        let mut stats = *self.shared.retired.borrow();
        if let Some(map) = &*self.shared.map.borrow() {
            map.nodes().into_iter().for_each(|node| stats.add(&node.stats()));
        }
        stats.redirects += self.shared.redirects.get();
        stats.map_refreshes += self.shared.refreshes.get();
        stats
    }

    /// How full all its nodes are together.
    pub(super) fn depth(&self) -> Depth {
        let mut sum = Depth { in_flight: 0, waiting: self.shared.waiters.borrow().len(), queued_bytes: 0 };
        if let Some(map) = &*self.shared.map.borrow() {
            for depth in map.nodes().into_iter().map(|node| node.depth()) {
                sum.in_flight += depth.in_flight;
                sum.waiting += depth.waiting;
                sum.queued_bytes += depth.queued_bytes;
            }
        }
        sum
    }

    /// True if there is a map and no node is without its connection that was used.
    pub(super) fn is_connected(&self) -> bool {
        let map = self.shared.map.borrow();
        map.as_ref().is_some_and(|map| map.nodes().into_iter().all(|node| node.is_up()))
    }

    /// The member that serves a slot, or some primary. The first call may wait for the map.
    ///
    /// # Errors
    /// If there is no map and none to be had, or not by the deadline.
    pub(super) async fn primary_of(
        &self,
        slot: Option<u16>,
        deadline: Instant,
    ) -> Result<Rc<Member>, RedisError> {
        self.shared.ready(deadline).await?;
        let member = match slot {
            Some(slot) => self.shared.owner(slot, ReadFrom::Primary),
            None => self.shared.any(),
        };
        member.ok_or_else(|| RedisError::new(Kind::Unavailable(EMPTY)))
    }

    /// Every server that serves slots, with one of those. Waits as [`primary_of`](Self::primary_of).
    ///
    /// # Errors
    /// As there.
    pub(super) async fn primaries(&self, deadline: Instant) -> Result<Vec<(u16, Rc<Member>)>, RedisError> {
        self.shared.ready(deadline).await?;
        Ok(self.shared.primaries())
    }
}

const EMPTY: Cause = Cause::Map("it names no server");

impl Shared {
    fn new(config: Rc<Config>, encryption: Encryption) -> Rc<Shared> {
        Rc::new(Shared {
            config,
            encryption,
            map: RefCell::default(),
            away: RefCell::default(),
            is_wanted: Cell::new(false),
            is_closed: Cell::new(false),
            refresher: Cell::default(),
            waiters: RefCell::default(),
            redirects: Cell::new(0),
            refreshes: Cell::new(0),
            retired: RefCell::default(),
        })
    }

    /// Asks for a new map, soon.
    fn want_map(&self) {
        if !self.is_wanted.replace(true) {
            self.wake_refresher();
        }
    }

    fn wake_refresher(&self) {
        if let Some(waker) = self.refresher.take() {
            waker.wake();
        }
    }

    /// Puts a new map in place; true if it says other than the old one.
    fn install(&self, ranges: &[Range]) -> bool {
        let old = self.map.borrow_mut().take();
        let new = SlotMap::new(ranges, old.as_ref(), &self.config, &self.encryption);
        let is_changed = match &old {
            Some(old) => {
                old.retire(&new, &mut self.retired.borrow_mut());
                !old.is_same(&new)
            }
            None => true,
        };
        *self.map.borrow_mut() = Some(new);
        self.refreshes.set(self.refreshes.get() + 1);
        *self.away.borrow_mut() = None;
        self.wake_waiters();
        // Members that are gone end their connections here, with nothing borrowed.
        drop(old);
        is_changed
    }

    /// No map is to be had. The old one, if there is one, is better than none.
    fn on_away(&self, cause: Cause) {
        if self.map.borrow().is_none() {
            *self.away.borrow_mut() = Some(cause);
            self.wake_waiters();
        }
    }

    fn wake_waiters(&self) {
        for waker in self.waiters.take() {
            waker.wake();
        }
    }

    /// Waits until there is a map.
    async fn ready(&self, deadline: Instant) -> Result<(), RedisError> {
        if self.map.borrow().is_some() {
            return Ok(());
        }
        let began = time::now();
        let mut sleep = time::sleep_until(deadline);
        poll_fn(|cx| {
            if self.map.borrow().is_some() {
                return Poll::Ready(Ok(()));
            }
            if let Some(cause) = &*self.away.borrow() {
                self.want_map();
                return Poll::Ready(Err(RedisError::new(Kind::Unavailable(cause.clone()))));
            }
            if std::pin::Pin::new(&mut sleep).poll(cx).is_ready() {
                let after = deadline.saturating_duration_since(began);
                return Poll::Ready(Err(RedisError::new(Kind::Deadline { after, sent: false })));
            }
            let mut waiters = self.waiters.borrow_mut();
            let waiting_max = self.config.waiting_max;
            if waiters.len() >= waiting_max {
                return Poll::Ready(Err(RedisError::new(Kind::Overloaded { waiting_max })));
            }
            waiters.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Who is asked about a slot. A slot that nobody serves is asked about anywhere: the answer says more than we know.
    fn owner(&self, slot: u16, from: ReadFrom) -> Option<Rc<Member>> {
        let map = self.map.borrow();
        let map = map.as_ref()?;
        let Some(shard) = map.shard(slot) else { return map.any().cloned() };
        let replica = if from == ReadFrom::Replica { shard.replica() } else { None };
        Some(Rc::clone(replica.unwrap_or(&shard.primary)))
    }

    fn any(&self) -> Option<Rc<Member>> {
        self.map.borrow().as_ref().and_then(|map| map.any().cloned())
    }

    fn primaries(&self) -> Vec<(u16, Rc<Member>)> {
        self.map.borrow().as_ref().map(SlotMap::primaries).unwrap_or_default()
    }

    /// The member at an endpoint that a redirection named. One that is not known so far is kept, so that whoever is sent
    /// there next has the same connection, and comes behind.
    fn at(&self, endpoint: &Endpoint) -> Rc<Member> {
        let endpoint = self.config.address_map.get(endpoint).unwrap_or(endpoint);
        let known = self.map.borrow().as_ref().and_then(|map| map.member(endpoint));
        known.unwrap_or_else(|| {
            let member = create(endpoint, &self.config, &self.encryption);
            if let Some(map) = &mut *self.map.borrow_mut() {
                map.shard_of(&member);
            }
            member
        })
    }

    /// A slot is served elsewhere from now on.
    fn moved(&self, slot: u16, to: &Rc<Member>) {
        if let Some(map) = &mut *self.map.borrow_mut() {
            map.moved(slot, to);
        }
        self.want_map();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_map_is_an_error_of_its_own() {
        let error = RedisError::new(Kind::Unavailable(EMPTY));
        assert!(error.is_unavailable() && !error.is_maybe_executed());
    }
}
