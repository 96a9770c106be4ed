//! A connection in somebody's hands.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use corelane_runtime::{spawn, time};

use super::Pool;
use super::link::{Link, Source};
use super::roster::{Acquired, Back, Granted, Refusal, Use, Want};

/// A connection, shared or not. Dropping it gives it back: to the next if it is fit for them, else it is closed.
pub(in crate::postgres) struct Lent<S: Source> {
    pool: Rc<Pool<S>>,
    link: Rc<S::Link>,
    granted: Granted,
    /// Taken apart already.
    is_gone: bool,
}

impl<S: Source> Lent<S> {
    pub(super) fn new(pool: &Rc<Pool<S>>, granted: Granted) -> Lent<S> {
        let link = pool.roster.borrow().link(granted.id);
        Lent { pool: Rc::clone(pool), link, granted, is_gone: false }
    }

    pub(in crate::postgres) fn link(&self) -> &S::Link {
        &self.link
    }

    /// Looks whether the connection is still there, if that is needed, and takes it for what it was wanted for. `None` if
    /// it is not; then it is closed.
    pub(super) async fn look(mut self, want: Want, limit: Duration) -> Option<Lent<S>> {
        if self.granted.usage != Use::Checked {
            return Some(self);
        }
        let answered = time::timeout(limit, self.link.check()).await;
        if !matches!(answered, Ok(Ok(()))) || !self.link.is_clean() {
            self.end(Back::Stale);
            return None;
        }
        let granted = self.granted;
        self.granted = self.pool.with(|roster, now| roster.checked(granted, want, now));
        Some(self)
    }

    /// Gives it back.
    fn end(&mut self, back: Back) {
        if !std::mem::replace(&mut self.is_gone, true) {
            let granted = self.granted;
            self.pool.with(|roster, now| roster.release(granted, back, now));
        }
    }

    /// Makes the session like new, and gives it back.
    async fn reset(mut self) {
        let limit = self.pool.check_timeout();
        let done = time::timeout(limit, self.link.reset()).await;
        let is_fit = matches!(done, Ok(Ok(()))) && self.link.is_clean();
        if is_fit {
            self.pool.with(|roster, _| roster.stats.resets += 1);
        }
        self.end(if is_fit { Back::Fit } else { Back::Unclean });
    }
}

impl<S: Source> Drop for Lent<S> {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        match self.granted.usage {
            // What is still under way there is answered in order, and thrown away: it is nobody else's business.
            Use::Shared(_) | Use::Free => self.end(Back::Fit),
            // Dropped during the look: whether it is there is not known.
            Use::Checked => self.end(Back::Stale),
            Use::Lent if !self.link.is_clean() => self.end(Back::Unclean),
            Use::Lent if self.pool.must_reset(&self.link) => {
                self.is_gone = true;
                let again = Lent {
                    pool: Rc::clone(&self.pool),
                    link: Rc::clone(&self.link),
                    granted: self.granted,
                    is_gone: false,
                };
                drop(spawn(again.reset()));
            }
            Use::Lent => self.end(Back::Fit),
        }
    }
}

/// The wait for a connection.
pub(super) struct Place<'a, S: Source> {
    pool: &'a Rc<Pool<S>>,
    want: Want,
    /// The place in the queue.
    key: Option<usize>,
}

impl<'a, S: Source> Place<'a, S> {
    pub(super) fn new(pool: &'a Rc<Pool<S>>, want: Want) -> Place<'a, S> {
        Place { pool, want, key: None }
    }
}

impl<S: Source> Future for Place<'_, S> {
    type Output = Result<Granted, Refusal<<S::Link as Link>::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(key) = self.key {
            let polled = self.pool.with(|roster, _| roster.poll_waiter(key, cx));
            if polled.is_ready() {
                self.key = None;
                self.pool.with(|roster, now| roster.leave(key, now));
            }
            return polled;
        }
        let want = self.want;
        match self.pool.with(|roster, now| roster.acquire(want, now, cx)) {
            Acquired::Granted(granted) => Poll::Ready(Ok(granted)),
            Acquired::Refused(refusal) => Poll::Ready(Err(refusal)),
            Acquired::Queued(key) => {
                self.key = Some(key);
                Poll::Pending
            }
        }
    }
}

impl<S: Source> Drop for Place<'_, S> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.pool.with(|roster, now| roster.leave(key, now));
        }
    }
}
