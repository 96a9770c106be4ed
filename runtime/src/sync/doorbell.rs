//! The doorbell of a core: tells its loop that another thread left work for it.
//!
//! Any number of rings between two looks of the core make one wake. The rule:
//!
//! - who has work puts it where the core looks, **then** calls [`Doorbell::ring`], and wakes the
//!   driver (an eventfd write, a `MSG_RING`) only if told to;
//! - the core calls [`Doorbell::answer`] first in its turn and, if told to, looks **then** at all
//!   places where work may lie;
//! - after its driver has taken wakes back (read the eventfd) and before it sleeps, the core asks
//!   [`Doorbell::is_rung`], and turns again if so: a ring after the answer may have left its wake
//!   just before they were taken back.
//!
//! A third state, "awake, no wake needed", was considered: it saves the ringer a system call when the
//! core is busy, and costs the core two locked instructions in every turn, calls or none. Turns are
//! the hot path, calls between cores are not.

use super::{AtomicBool, Ordering};

/// Coalesces wakes of one core from any number of threads.
#[derive(Debug)]
pub(crate) struct Doorbell {
    /// True from the first ring of a batch until the core answers.
    rung: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new() -> Self {
        Self { rung: AtomicBool::new(false) }
    }

    /// Says that work was left for the core. Returns whether the caller has to wake the driver:
    /// true for the first ring since the core answered.
    #[must_use = "a parked core sleeps on if its driver is not woken"]
    pub(crate) fn ring(&self) -> bool {
        // Release publishes the work that was left before this call. It is a swap even where the
        // bell has been rung already: a mere load would publish nothing, and the core could answer
        // without seeing the work.
        !self.rung.swap(true, Ordering::AcqRel)
    }

    /// True if somebody rang since the last answer: look for work. Called by the core only.
    ///
    /// In a quiet turn this is one relaxed load of a line that nobody else writes.
    #[inline]
    pub(crate) fn answer(&self) -> bool {
        // A relaxed load may miss a ring of this moment. The ringer wakes the driver after its
        // swap, so the core comes round again, and then the load sees it.
        self.rung.load(Ordering::Relaxed) && self.rung.swap(false, Ordering::AcqRel)
    }

    /// True if somebody rang since the last answer. Leaves it so.
    #[inline]
    pub(crate) fn is_rung(&self) -> bool {
        // Relaxed: the wake that was taken back was sent after the swap, and whoever takes it back
        // sees what came before it.
        self.rung.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn rings_between_two_answers_make_one_wake() {
        let bell = Doorbell::new();
        assert!(!bell.answer(), "nobody rang");
        assert!(bell.ring(), "the first ring wakes");
        assert!(!bell.ring(), "the second is coalesced with it");
        assert!(bell.is_rung());
        assert!(bell.answer());
        assert!(!bell.is_rung());
        assert!(!bell.answer(), "answered already");
        assert!(bell.ring(), "a new batch wakes again");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::atomic::AtomicUsize as Count;
    use std::sync::atomic::Ordering::Relaxed;

    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::*;

    /// As an eventfd: a wake stays until it is taken back, and the driver sleeps only without one. The
    /// kernel locks it, so every access is one that reads the latest value.
    struct Driver {
        woken: AtomicBool,
        /// Only counted, not part of the model.
        wakes: Count,
    }

    impl Driver {
        fn wake(&self) {
            self.wakes.fetch_add(1, Relaxed);
            self.woken.swap(true, Ordering::AcqRel);
        }

        fn take_back(&self) {
            self.woken.swap(false, Ordering::AcqRel);
        }

        fn sleep(&self) {
            while !self.woken.fetch_or(false, Ordering::AcqRel) {
                thread::yield_now();
            }
        }
    }

    /// Steps: `senders` threads leave one piece of work each and ring; the core, until it has seen
    /// all, answers, looks if told to, takes wakes back as its driver does in the middle of a turn, and
    /// sleeps unless the bell has rung. Failure shows as a deadlock (a wake was lost) or as more
    /// wakes than answers (not coalesced).
    fn no_wake_is_lost_and_none_is_sent_twice(senders: usize, preemptions: Option<usize>) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = preemptions;
        model.check(move || {
            let bell = Arc::new(Doorbell::new());
            let work = Arc::new(AtomicUsize::new(0));
            let driver = Arc::new(Driver { woken: AtomicBool::new(false), wakes: Count::new(0) });
            let threads: Vec<_> = (0..senders)
                .map(|_| {
                    let (bell, work, driver) = (bell.clone(), work.clone(), driver.clone());
                    thread::spawn(move || {
                        // Relaxed on purpose: the bell alone has to publish the work.
                        work.fetch_add(1, Ordering::Relaxed);
                        if bell.ring() {
                            driver.wake();
                        }
                    })
                })
                .collect();

            let mut answers = 0;
            loop {
                if bell.answer() {
                    answers += 1;
                    if work.load(Ordering::Relaxed) == senders {
                        break;
                    }
                }
                driver.take_back();
                if !bell.is_rung() {
                    driver.sleep();
                }
            }
            for thread in threads {
                thread.join().unwrap();
            }
            let (wakes, rung) = (driver.wakes.load(Relaxed), bell.answer());
            assert_eq!(wakes, answers + usize::from(rung), "one wake for each answer");
        });
    }

    #[test]
    fn one_sender() {
        no_wake_is_lost_and_none_is_sent_twice(1, None);
    }

    #[test]
    fn two_senders() {
        no_wake_is_lost_and_none_is_sent_twice(2, Some(2));
    }
}
