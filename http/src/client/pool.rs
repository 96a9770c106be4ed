//! Connections of one core, kept for the next request to the same upstream.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use corelane_runtime::{spawn, time};

use super::connection::Connection;

/// How often idle connections are looked at, if there are any.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Upstreams remembered without a connection; when there are more, those are forgotten.
const UPSTREAMS_KEPT: usize = 1024;

/// Bounds of a pool; all of them hold per core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) per_upstream_max: usize,
    pub(super) connections_max: usize,
    pub(super) waiting_max: usize,
    pub(super) idle_timeout: Duration,
}

pub(super) struct Pool {
    limits: Limits,
    upstreams: RefCell<HashMap<Box<str>, Rc<Upstream>>>,
    /// Connections lent, being opened, or idle. Invariant: at most `connections_max`, and the sum of the upstreams'.
    open: Cell<usize>,
    /// Those of them that are idle.
    idle: Cell<usize>,
    /// Who waits for a connection, oldest first. Invariant: at most `waiting_max`, and none of them has a grant.
    queue: RefCell<VecDeque<Rc<Waiter>>>,
    sweeping: Cell<bool>,
}

struct Upstream {
    /// As `Pool::open`, of this upstream. Invariant: at most `per_upstream_max`.
    open: Cell<usize>,
    /// The last used one is the first to be used again, so that the others grow old and are closed.
    idle: RefCell<Vec<(Box<Connection>, Instant)>>,
}

struct Waiter {
    upstream: Rc<Upstream>,
    grant: RefCell<Option<Granted>>,
    waker: RefCell<Option<Waker>>,
}

/// What a request gets from the pool.
pub(super) enum Granted {
    /// A connection that has served a request before.
    Used(Pooled),
    /// The right to open one.
    Open(Permit),
}

/// The right to have one connection. Dropping it gives the place to the next.
pub(super) struct Permit {
    pool: Rc<Pool>,
    upstream: Rc<Upstream>,
    /// False once the place has gone over to an idle connection.
    counted: bool,
}

/// A connection and its place. Dropping it closes the connection.
pub(super) struct Pooled {
    /// Boxed: it moves from the pool to an answer's body and back.
    pub(super) connection: Box<Connection>,
    permit: Permit,
}

/// As many wait as may.
pub(super) struct Full;

impl Pool {
    pub(super) fn new(limits: Limits) -> Rc<Pool> {
        Rc::new(Pool {
            limits,
            upstreams: RefCell::default(),
            open: Cell::new(0),
            idle: Cell::new(0),
            queue: RefCell::default(),
            sweeping: Cell::new(false),
        })
    }

    /// A connection to the upstream of this name, or the right to open one; at once, or `None` with a place in the queue.
    ///
    /// With `fresh`, no connection that was used before.
    ///
    /// # Errors
    /// If as many wait as may.
    pub(super) fn take(self: &Rc<Pool>, key: &str, fresh: bool) -> Result<Result<Granted, Waiting>, Full> {
        let upstream = self.upstream(key);
        while !fresh && let Some((mut connection, since)) = self.pop_idle(&upstream) {
            let permit = self.permit(&upstream);
            if time::now().saturating_duration_since(since) < self.limits.idle_timeout
                && connection.is_quiet()
            {
                return Ok(Ok(Granted::Used(Pooled { connection, permit })));
            }
            // Its place is given back with the permit.
        }
        // Somebody who waits for the same goes first.
        let first = !self.queue.borrow().iter().any(|waiter| Rc::ptr_eq(&waiter.upstream, &upstream));
        if first && self.make_room(&upstream) {
            self.count(&upstream, 1);
            return Ok(Ok(Granted::Open(self.permit(&upstream))));
        }
        if self.queue.borrow().len() >= self.limits.waiting_max {
            return Err(Full);
        }
        let waiter = Rc::new(Waiter { upstream, grant: RefCell::default(), waker: RefCell::default() });
        self.queue.borrow_mut().push_back(Rc::clone(&waiter));
        Ok(Err(Waiting { pool: Rc::clone(self), waiter }))
    }

    fn upstream(&self, key: &str) -> Rc<Upstream> {
        if let Some(upstream) = self.upstreams.borrow().get(key) {
            return Rc::clone(upstream);
        }
        let mut upstreams = self.upstreams.borrow_mut();
        if upstreams.len() >= UPSTREAMS_KEPT {
            // One that somebody holds, because it waits or connects, has further owners.
            upstreams.retain(|_, upstream| upstream.open.get() > 0 || Rc::strong_count(upstream) > 1);
        }
        let upstream = Rc::new(Upstream { open: Cell::new(0), idle: RefCell::default() });
        upstreams.insert(key.into(), Rc::clone(&upstream));
        upstream
    }

    fn pop_idle(&self, upstream: &Upstream) -> Option<(Box<Connection>, Instant)> {
        let popped = upstream.idle.borrow_mut().pop();
        if popped.is_some() {
            self.idle.set(self.idle.get() - 1);
        }
        popped
    }

    /// For a connection that is counted as open already.
    fn permit(self: &Rc<Pool>, upstream: &Rc<Upstream>) -> Permit {
        Permit { pool: Rc::clone(self), upstream: Rc::clone(upstream), counted: true }
    }

    fn count(&self, upstream: &Upstream, by: isize) {
        upstream.open.set(upstream.open.get().wrapping_add_signed(by));
        self.open.set(self.open.get().wrapping_add_signed(by));
    }

    /// True if one more connection to this upstream may be opened, if need be in the place of an idle one.
    fn make_room(&self, upstream: &Rc<Upstream>) -> bool {
        if upstream.open.get() >= self.limits.per_upstream_max {
            // A caller who wants none that was used.
            let Some(old) = self.pop_idle(upstream) else { return false };
            self.count(upstream, -1);
            drop(old);
        }
        if self.open.get() < self.limits.connections_max {
            return true;
        }
        let oldest = {
            let upstreams = self.upstreams.borrow();
            let idle = upstreams.values().filter(|upstream| !upstream.idle.borrow().is_empty());
            idle.min_by_key(|upstream| upstream.idle.borrow().first().map(|(_, since)| *since)).cloned()
        };
        let Some(oldest) = oldest else { return false };
        let old = oldest.idle.borrow_mut().remove(0);
        self.idle.set(self.idle.get() - 1);
        self.count(&oldest, -1);
        drop(old);
        true
    }

    /// Gives the right to open a connection to those who wait and now may.
    fn grant_next(self: &Rc<Pool>) {
        if self.queue.borrow().is_empty() || self.open.get() >= self.limits.connections_max {
            return;
        }
        let waiter = {
            let mut queue = self.queue.borrow_mut();
            let may_open = |waiter: &Rc<Waiter>| waiter.upstream.open.get() < self.limits.per_upstream_max;
            let at = queue.iter().position(may_open);
            at.and_then(|at| queue.remove(at))
        };
        let Some(waiter) = waiter else { return };
        self.count(&waiter.upstream, 1);
        waiter.give(Granted::Open(self.permit(&waiter.upstream)));
    }

    /// Takes back a connection that can serve another request.
    fn put(self: &Rc<Pool>, mut pooled: Pooled) {
        if !self.queue.borrow().is_empty() {
            let waiter = {
                let mut queue = self.queue.borrow_mut();
                let same = |waiter: &Rc<Waiter>| Rc::ptr_eq(&waiter.upstream, &pooled.permit.upstream);
                let at = queue.iter().position(same);
                at.and_then(|at| queue.remove(at))
            };
            match waiter {
                Some(waiter) => waiter.give(Granted::Used(pooled)),
                // Somebody waits for a place of any upstream: an idle connection is not worth it.
                None => drop(pooled),
            }
            return;
        }
        pooled.connection.rest();
        let Pooled { connection, permit } = pooled;
        permit.upstream.idle.borrow_mut().push((connection, time::now()));
        self.idle.set(self.idle.get() + 1);
        permit.keep();
        if !self.sweeping.replace(true) {
            // It ends with the last idle connection, or with the core.
            drop(spawn(sweep(Rc::downgrade(self))));
        }
    }

    /// Closes idle connections that are too old, or that their peers have closed. False if none is left.
    fn close_idle(self: &Rc<Pool>) -> bool {
        let now = time::now();
        let upstreams: Vec<Rc<Upstream>> = self.upstreams.borrow().values().cloned().collect();
        for upstream in upstreams {
            let mut closed = Vec::new();
            upstream.idle.borrow_mut().retain_mut(|(connection, since)| {
                let keep =
                    now.saturating_duration_since(*since) < self.limits.idle_timeout && connection.is_quiet();
                if !keep {
                    closed.push(self.permit(&upstream));
                }
                keep
            });
            self.idle.set(self.idle.get() - closed.len());
        }
        self.idle.get() > 0
    }

    /// Connections lent, being opened, or idle; those of them that are idle; requests that wait.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.open.get(), self.idle.get(), self.queue.borrow().len())
    }
}

async fn sweep(pool: Weak<Pool>) {
    loop {
        time::sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.close_idle() {
            pool.sweeping.set(false);
            return;
        }
    }
}

impl Permit {
    /// The place stays taken: the connection is idle now.
    fn keep(mut self) {
        self.counted = false;
    }

    pub(super) fn with(self, connection: Connection) -> Pooled {
        Pooled { connection: Box::new(connection), permit: self }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.counted {
            self.pool.count(&self.upstream, -1);
            self.pool.grant_next();
        }
    }
}

impl Pooled {
    /// Gives the connection back; it has answered, and nothing is left of the answer.
    pub(super) fn put_back(self) {
        let pool = Rc::clone(&self.permit.pool);
        pool.put(self);
    }
}

impl Waiter {
    fn give(&self, grant: Granted) {
        *self.grant.borrow_mut() = Some(grant);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Granted> {
        if let Some(grant) = self.grant.borrow_mut().take() {
            return Poll::Ready(grant);
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A place in the queue. Dropping it leaves the queue; what was granted meanwhile goes to the next.
pub(super) struct Waiting {
    pool: Rc<Pool>,
    waiter: Rc<Waiter>,
}

impl Waiting {
    pub(super) async fn granted(self) -> Granted {
        poll_fn(|cx| self.waiter.poll(cx)).await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.pool.queue.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        let grant = self.waiter.grant.borrow_mut().take();
        match grant {
            Some(Granted::Used(pooled)) => pooled.put_back(),
            other => drop(other),
        }
    }
}
