//! Connections with one user at a time, kept for the next one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use corelane_runtime::time;

use super::error::{Cause, Kind, RedisError};
use super::exclusive::{Exclusive, Target};

/// A connection that was not used for so long is closed rather than used: what is in between has often forgotten it.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// At most [`Config::exclusive_max`](super::Config::exclusive_max) connections, opened when they are needed.
pub(super) struct Pool {
    target: Target,
    idle: RefCell<Vec<(Exclusive, Instant)>>,
    /// Connections that are lent or being opened. Invariant: at most `exclusive_max`, and with the idle ones
    /// at most twice that.
    open: Cell<usize>,
    /// Who waits for one, oldest first, by a number of their own.
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    next_number: Cell<u64>,
}

impl Pool {
    pub(super) fn new(target: Target) -> Rc<Pool> {
        Rc::new(Pool {
            target,
            idle: RefCell::default(),
            open: Cell::new(0),
            waiting: RefCell::default(),
            next_number: Cell::new(0),
        })
    }

    /// A connection, when there is one to be had.
    ///
    /// # Errors
    /// If it has to be opened and cannot be, or if as many wait already as may.
    ///
    /// # Cancellation
    /// May be dropped at any time: the place goes to the next.
    pub(super) async fn take(self: &Rc<Pool>) -> Result<Lent, RedisError> {
        let mut lent = self.permit().await?;
        let connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.target.open().await.map_err(|cause| RedisError::new(Kind::Unavailable(cause)))?,
        };
        lent.connection = Some(connection);
        Ok(lent)
    }

    /// The right to have one connection more than are lent now.
    async fn permit(self: &Rc<Pool>) -> Result<Lent, RedisError> {
        let waiting_max = self.target.config.waiting_max;
        if self.waiting.borrow().len() >= waiting_max {
            return Err(RedisError::new(Kind::Overloaded { waiting_max }));
        }
        let mut place = Place { pool: self, number: None };
        poll_fn(|cx| place.poll(cx)).await;
        Ok(Lent { pool: Rc::clone(self), connection: None, is_clean: true })
    }

    /// Closes those that nobody uses: the server is another one now.
    pub(super) fn forget_idle(&self) {
        drop(self.idle.take());
    }

    /// One that is still alive.
    fn take_idle(&self) -> Option<Exclusive> {
        loop {
            let (mut connection, since) = self.idle.borrow_mut().pop()?;
            if since.elapsed() < IDLE_MAX && connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    fn wake_next(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

/// A place in the queue.
struct Place<'a> {
    pool: &'a Pool,
    number: Option<u64>,
}

impl Place<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pool = self.pool;
        if pool.open.get() < pool.target.config.exclusive_max.max(1) {
            pool.open.set(pool.open.get() + 1);
            self.leave();
            return Poll::Ready(());
        }
        let mut waiting = pool.waiting.borrow_mut();
        let mine = waiting.iter_mut().find(|(number, _)| Some(*number) == self.number);
        match mine {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => {
                let number = pool.next_number.replace(pool.next_number.get() + 1);
                waiting.push_back((number, cx.waker().clone()));
                self.number = Some(number);
            }
        }
        Poll::Pending
    }

    /// True if it was still in the queue.
    fn leave(&mut self) -> bool {
        let Some(number) = self.number.take() else { return true };
        let mut waiting = self.pool.waiting.borrow_mut();
        let before = waiting.len();
        waiting.retain(|(other, _)| *other != number);
        waiting.len() < before
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Woken and gone: the wake is passed on.
        if !self.leave() {
            self.pool.wake_next();
        }
    }
}

/// A connection in somebody's hands. Dropping it gives it back if it is in step and clean, else closes it.
pub(super) struct Lent {
    pool: Rc<Pool>,
    /// `None` while it is being opened.
    connection: Option<Exclusive>,
    /// The server holds nothing for it: no watched keys, no transaction.
    is_clean: bool,
}

impl Lent {
    /// Says whether the server holds something for the connection.
    pub(super) fn set_clean(&mut self, is_clean: bool) {
        self.is_clean = is_clean;
    }
}

impl Deref for Lent {
    type Target = Exclusive;

    fn deref(&self) -> &Exclusive {
        self.connection.as_ref().unwrap_or_else(|| unreachable!("filled before it is lent"))
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Exclusive {
        self.connection.as_mut().unwrap_or_else(|| unreachable!("filled before it is lent"))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let connection = self.connection.take();
        if let Some(connection) = connection.filter(|connection| self.is_clean && connection.is_in_step()) {
            let mut idle = self.pool.idle.borrow_mut();
            if idle.len() < self.pool.target.config.exclusive_max {
                idle.push((connection, time::now()));
            }
        }
        // Whether it is idle now or closed, somebody may have one: idle ones do not count.
        self.pool.open.set(self.pool.open.get() - 1);
        self.pool.wake_next();
    }
}

/// What a caller is told when a connection of their own ends.
pub(super) fn lost(cause: Cause) -> RedisError {
    RedisError::new(Kind::Lost { sent: true, cause })
}
