//! How other threads reach a core: a queue and a doorbell that rings once per batch.
//!
//! monoio's own wakes from other threads write to its eventfd once each (guard 10). Here the
//! first sender of a batch rings and the rest see that it has rung; the core answers before it
//! drains, so a message is either drained in this turn or rings again ([`Doorbell`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_task::Runnable;
use crossbeam_queue::SegQueue;
use crossbeam_utils::CachePadded;

use crate::counters::Counters;
use crate::driver::Bell;
use crate::launch::CoreId;
use crate::observe::RouteCounters;
use crate::sync::doorbell::Doorbell;

/// Something another thread wants done on a core.
pub(crate) enum Mail {
    /// A task of this core that was woken elsewhere.
    Wake(Runnable),
    /// Work to run in the core's turn. It must be short and must not block.
    Run(Box<dyn FnOnce() + Send>),
}

/// The part of a core that other threads may hold.
pub(crate) struct CoreShared {
    /// Which core this is.
    pub(crate) id: CoreId,
    /// How many cores its runtime has.
    pub(crate) count: usize,
    /// Written by the core only.
    pub(crate) counters: CachePadded<Counters>,
    /// Requests by route; written by the core only.
    pub(crate) routes: RouteCounters,
    /// Bounded by what fills it: each task is in here at most once, each mesh caller has a limit.
    mail: SegQueue<Mail>,
    /// Says to whoever leaves something whether the driver must be woken.
    doorbell: CachePadded<Doorbell>,
    /// Set once the core takes no more mail.
    closed: AtomicBool,
    /// Wakes the core's driver out of its sleep.
    pub(crate) bell: Bell,
}

impl CoreShared {
    pub(crate) fn new(id: CoreId, count: usize, bell: Bell) -> Arc<CoreShared> {
        Arc::new(CoreShared {
            id,
            count,
            counters: CachePadded::new(Counters::default()),
            routes: RouteCounters::default(),
            mail: SegQueue::new(),
            doorbell: CachePadded::new(Doorbell::new()),
            closed: AtomicBool::new(false),
            bell,
        })
    }

    /// Queues work for the core. False, and the work is dropped here, if the core has ended.
    pub(crate) fn post(&self, work: Box<dyn FnOnce() + Send>) -> bool {
        if self.closed.load(Ordering::Acquire) {
            return false;
        }
        self.mail.push(Mail::Run(work));
        self.ring();
        true
    }

    /// Queues a task that was woken on a foreign thread.
    pub(crate) fn wake(&self, runnable: Runnable) {
        if self.closed.load(Ordering::Acquire) {
            // Dropping a runnable drops its future, which need not be `Send`: on this thread that
            // would be a data race. The core has ended and so has the process, or nearly; the
            // memory stays.
            std::mem::forget(runnable);
            return;
        }
        self.mail.push(Mail::Wake(runnable));
        self.ring();
    }

    /// Rings the doorbell, and wakes the driver unless somebody did since the core last looked.
    pub(crate) fn ring(&self) {
        if self.doorbell.ring() {
            self.bell.ring();
        }
    }

    /// As [`ring`](Self::ring), for another core at the end of its turn.
    pub(crate) fn ring_at_end_of_turn(&self) {
        if self.doorbell.ring() {
            self.bell.ring_at_end_of_turn(self.id.index());
        }
    }

    /// True if somebody rang since the last call. The core calls this once a turn, before it
    /// looks into its mail and its rings.
    #[inline]
    pub(crate) fn take_rung(&self) -> bool {
        self.doorbell.answer()
    }

    /// True if somebody rang since the core last looked: it must not sleep.
    #[inline]
    pub(crate) fn is_rung(&self) -> bool {
        self.doorbell.is_rung()
    }

    /// The next message, on the core's thread.
    pub(crate) fn take(&self) -> Option<Mail> {
        self.mail.pop()
    }

    /// Messages waiting. A snapshot.
    pub(crate) fn depth(&self) -> usize {
        self.mail.len()
    }

    /// Refuses mail from now on. What raced past the flag is leaked by `Drop`.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl Drop for CoreShared {
    fn drop(&mut self) {
        while let Some(mail) = self.mail.pop() {
            match mail {
                // See `wake`: this may be any thread.
                Mail::Wake(runnable) => std::mem::forget(runnable),
                Mail::Run(work) => drop(work),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guard 10: a thousand messages are one write to the driver's descriptor. An eventfd adds up
    /// what is written to it.
    #[test]
    fn a_batch_of_messages_rings_once() {
        let shared = CoreShared::new(CoreId::new(0), 1, Bell::new(None).unwrap());
        let bell = shared.bell.duplicate().unwrap();
        for batch in 1..=3 {
            for _ in 0..1000 {
                assert!(shared.post(Box::new(|| ())));
            }
            let mut rings = [0; 8];
            rustix::io::read(&bell, &mut rings).unwrap();
            assert_eq!(u64::from_ne_bytes(rings), 1, "batch {batch}");
            assert!(shared.take_rung());
            assert_eq!(std::iter::from_fn(|| shared.take()).count(), 1000);
        }
        shared.close();
        assert!(!shared.post(Box::new(|| ())), "a core that has ended takes no mail");
        assert_eq!(shared.depth(), 0);
    }
}
