//! A list of tasks that wait for one thing.

use std::cell::RefCell;
use std::task::Waker;

use slab::Slab;

/// Wakers of those who wait, each of which can leave again.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    wakers: RefCell<Slab<Waker>>,
}

impl Waiters {
    /// Puts a waker in, or renews the one at `place`.
    pub(crate) fn wait(&self, place: &mut Option<usize>, waker: &Waker) {
        let mut wakers = self.wakers.borrow_mut();
        match place.and_then(|place| wakers.get_mut(place)) {
            Some(slot) => slot.clone_from(waker),
            None => *place = Some(wakers.insert(waker.clone())),
        }
    }

    /// Takes the waker at `place` out. Whoever waits must call this when it stops, unless it was
    /// woken by [`wake_all`](Self::wake_all), which empties the list.
    pub(crate) fn leave(&self, place: usize) {
        let waker = self.wakers.borrow_mut().try_remove(place);
        // Outside the borrow: it may be the last handle on a task.
        drop(waker);
    }

    /// Wakes all and empties the list.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> = self.wakers.borrow_mut().drain().collect();
        for waker in wakers {
            waker.wake();
        }
    }
}
