//! The connections of a core: opened when they are needed, shared or lent, and never handed on dirty.

mod budget;
mod config;
mod guard;
pub(super) mod link;
mod roster;
#[cfg(test)]
mod simulation;
mod stats;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use corelane_runtime::{CoreId, core_count, core_id, spawn, time};

pub use self::budget::Budget;
use self::budget::{Party, Permit};
pub use self::config::{PoolConfig, Reset};
pub(super) use self::guard::Lent;
use self::guard::Place;
use self::link::{Link, Source};
use self::roster::{Doomed, Roster};
pub(super) use self::roster::{Refusal, Want};
pub use self::stats::PoolStats;

/// Time from one round of questions to the other cores to the next, while callers wait and no permit is to be had.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// A connection that was unused for so long is one a core can do without, if another core needs it.
const SPARE_AFTER: Duration = Duration::from_millis(100);

/// The handle on a pool. The last one ends it.
pub(super) struct PoolHandle<S: Source> {
    pool: Rc<Pool<S>>,
}

/// What the tasks of a pool hold. They do not keep it open.
pub(super) struct Pool<S: Source> {
    source: S,
    roster: RefCell<Roster<S::Link>>,
    /// Wakes the task that looks after the pool.
    keeper: Cell<Option<Waker>>,
    /// Kept, so that waking needs no allocation.
    spare_wakes: Cell<Vec<Waker>>,
    budget: Option<Budget>,
    /// The task that asks other cores is at work.
    is_asking: Cell<bool>,
    resets_always: bool,
    check_timeout: Duration,
    acquire_timeout: Duration,
}

impl<S: Source> Drop for PoolHandle<S> {
    fn drop(&mut self) {
        self.pool.with(|roster, _| roster.close());
        self.pool.wake_keeper();
    }
}

impl<S: Source> PoolHandle<S> {
    /// A pool of this core, with the connections that are there already. It opens others when they are needed.
    pub(super) fn start(source: S, config: PoolConfig, ready: Option<S::Link>) -> PoolHandle<S> {
        let pool = Rc::new(Pool {
            source,
            keeper: Cell::default(),
            spare_wakes: Cell::default(),
            budget: config.budget.clone(),
            is_asking: Cell::new(false),
            resets_always: config.reset == Reset::Always,
            check_timeout: config.check_timeout,
            acquire_timeout: config.acquire_timeout,
            roster: RefCell::new(Roster::new(config)),
        });
        if let Some(budget) = &pool.budget {
            budget.join(&pool);
        }
        if let Some(link) = ready {
            // It may be one over the budget for as long as it lives: it was opened to see whether that works.
            let permit = pool.budget.as_ref().and_then(Budget::try_take);
            pool.roster.borrow_mut().opening();
            pool.opened(link, permit);
        }
        drop(spawn(keep(Rc::clone(&pool))));
        PoolHandle { pool }
    }

    /// A connection.
    ///
    /// # Errors
    /// Why there is none, at the latest after the configured time.
    ///
    /// # Cancellation
    /// May be dropped at any time: what it was given goes to the next.
    pub(super) async fn take(&self, want: Want) -> Result<Lent<S>, Refusal<<S::Link as Link>::Error>> {
        let pool = &self.pool;
        let began = time::now();
        loop {
            let mut place = Place::new(pool, want);
            let mut timer = None;
            let placed = poll_fn(|cx| {
                if let Poll::Ready(placed) = Pin::new(&mut place).poll(cx) {
                    return Poll::Ready(Some(placed));
                }
                // Only those that wait have a timer.
                let until = || time::sleep_until(later(began, pool.acquire_timeout));
                Pin::new(timer.get_or_insert_with(until)).poll(cx).map(|()| None)
            });
            let Some(placed) = placed.await else {
                drop(place);
                pool.with(|roster, _| roster.stats.timeouts += 1);
                return Err(Refusal::Deadline(pool.acquire_timeout));
            };
            let lent = Lent::new(pool, placed?);
            if let Some(lent) = lent.look(want, pool.check_timeout).await {
                return Ok(lent);
            }
        }
    }

    pub(super) fn stats(&self) -> PoolStats {
        self.pool.roster.borrow().stats()
    }

    /// Calls `f` with each connection.
    pub(super) fn each_link(&self, f: impl FnMut(&S::Link)) {
        self.pool.roster.borrow().each_link(f);
    }

    pub(super) fn source(&self) -> &S {
        &self.pool.source
    }
}

fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or_else(|| from + Duration::from_secs(u32::MAX.into()))
}

impl<S: Source> Pool<S> {
    /// Runs `f` on the roster, then does what it asks for: wakes callers, closes and opens connections.
    fn with<R>(self: &Rc<Self>, f: impl FnOnce(&mut Roster<S::Link>, Instant) -> R) -> R {
        let mut roster = self.roster.borrow_mut();
        let now = time::now();
        let result = f(&mut roster, now);
        let mut openings = roster.wanted(now);
        let stirred = std::mem::take(&mut roster.stirred);
        if openings == 0 && !stirred && roster.wakes.is_empty() && roster.doomed.is_empty() {
            return result;
        }
        let mut wakes = std::mem::replace(&mut roster.wakes, self.spare_wakes.take());
        let doomed = std::mem::take(&mut roster.doomed);
        drop(roster);
        for waker in wakes.drain(..) {
            waker.wake();
        }
        self.spare_wakes.set(wakes);
        for Doomed { link, permit, heir } in doomed {
            link.close();
            if let (Some(budget), Some(core), Some(permit)) = (&self.budget, heir, permit) {
                budget.send(core, permit);
            }
        }
        while openings > 0 && self.open() {
            openings -= 1;
        }
        // What there is to wait for may have changed.
        self.wake_keeper();
        result
    }

    fn wake_keeper(&self) {
        if let Some(waker) = self.keeper.take() {
            waker.wake();
        }
    }

    fn must_reset(&self, link: &S::Link) -> bool {
        self.resets_always || link.needs_reset()
    }

    fn check_timeout(&self) -> Duration {
        self.check_timeout
    }

    /// Begins to open a connection. False if no permit is left.
    fn open(self: &Rc<Self>) -> bool {
        let permit = match &self.budget {
            None => None,
            Some(budget) => match budget.try_take() {
                Some(permit) => Some(permit),
                None => {
                    self.roster.borrow_mut().no_permit(time::now() + ASK_AGAIN);
                    self.ask_others(budget);
                    return false;
                }
            },
        };
        self.open_with(permit);
        true
    }

    fn open_with(self: &Rc<Self>, permit: Option<Permit>) {
        let mut roster = self.roster.borrow_mut();
        roster.opening();
        drop(roster);
        let pool = Rc::clone(self);
        drop(spawn(async move {
            match pool.source.open().await {
                Ok(link) => pool.opened(link, permit),
                Err(error) => {
                    drop(permit);
                    pool.with(|roster, now| roster.on_open_failed(error, now));
                }
            }
        }));
    }

    fn opened(self: &Rc<Self>, link: S::Link, permit: Option<Permit>) {
        let Some((id, link)) =
            self.with(|roster, now| roster.on_opened(link, permit, now).map(|id| (id, roster.link(id))))
        else {
            return;
        };
        let ended = link.ended();
        let (pool, link) = (Rc::downgrade(self), Rc::downgrade(&link));
        drop(spawn(async move {
            let error = ended.await;
            if let (Some(pool), Some(link)) = (pool.upgrade(), link.upgrade()) {
                pool.with(|roster, now| roster.on_ended(&link, id, error, now));
            }
        }));
    }

    // Other cores.

    /// Asks the other cores for a permit, round after round, while callers wait for one.
    fn ask_others(self: &Rc<Self>, budget: &Budget) {
        if !self.roster.borrow().is_in_need() || self.is_asking.replace(true) {
            return;
        }
        let (pool, budget) = (Rc::clone(self), budget.clone());
        drop(spawn(async move {
            while pool.roster.borrow().is_in_need() {
                let got = match budget.try_take() {
                    Some(permit) => Some(permit),
                    None => ask_round(&pool, &budget).await,
                };
                match got.map(|permit| Rc::clone(&pool).receive(permit)) {
                    Some(None) => {}
                    // It is not needed any more.
                    Some(Some(permit)) => drop(permit),
                    None => time::sleep(ASK_AGAIN).await,
                }
            }
            pool.is_asking.set(false);
        }));
    }
}

/// One question to each of the other cores, from the next one on, until one has a permit.
async fn ask_round<S: Source>(pool: &Rc<Pool<S>>, budget: &Budget) -> Option<Permit> {
    let (cores, own) = (core_count(), core_id().index());
    for step in 1..cores {
        if !pool.roster.borrow().is_in_need() {
            return None;
        }
        if let Some(permit) = budget.ask(CoreId::new((own + step) % cores)).await {
            return Some(permit);
        }
    }
    None
}

impl<S: Source> Party for Pool<S> {
    fn give(self: Rc<Self>, core: CoreId) -> Option<Permit> {
        let share = self.budget.as_ref().map_or(usize::MAX, Budget::share);
        self.with(|roster, now| roster.spare(share, core, SPARE_AFTER, now))
    }

    fn receive(self: Rc<Self>, permit: Permit) -> Option<Permit> {
        if !self.roster.borrow().is_in_need() {
            return Some(permit);
        }
        self.open_with(Some(permit));
        None
    }
}

/// Looks after a pool: closes what has had its time, and tries again when a pause is over.
async fn keep<S: Source>(pool: Rc<Pool<S>>) {
    let mut sleep = time::sleep(Duration::ZERO);
    poll_fn(|cx| {
        loop {
            // First, so that what this itself brings about is seen.
            pool.keeper.set(Some(cx.waker().clone()));
            let (closed, next) = pool.with(|roster, now| (roster.is_closed(), roster.tick(now)));
            if closed {
                return Poll::Ready(());
            }
            let Some(next) = next else { return Poll::Pending };
            sleep.reset(next);
            if Pin::new(&mut sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}
