//! Who has left something in a core's rings: one bit for each core of the runtime.
//!
//! With it a core looks only at the rings of those who wrote to them: on a machine of 64 cores that
//! is one word to read instead of 128 ring heads.

use crate::sync::{AtomicU64, Ordering};

/// Set in every word once the core has ended and looks no more.
const ENDED: u64 = 1 << 63;

/// Callers in one word; the remaining bit is [`ENDED`].
const CALLERS_PER_WORD: usize = 63;

/// What became of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// The core does not know yet of anybody: ring its doorbell.
    First,
    /// Somebody else rings, or has rung, and the core has not looked since.
    Coalesced,
    /// The core has ended. What was left in its rings after it last looked stays there.
    Ended,
}

/// The bits of one core. Set by all others, taken by itself.
///
/// The end of the core is a bit of the same words, so that an announcement and the end have an order:
/// either the core, looking a last time after [`end`](Self::end), sees what was left before the
/// announcement, or the announcement says [`Announced::Ended`].
#[derive(Debug)]
pub(super) struct Callers {
    words: Box<[AtomicU64]>,
}

impl Callers {
    /// For a runtime of `cores` cores.
    pub(super) fn new(cores: usize) -> Self {
        Self { words: (0..cores.div_ceil(CALLERS_PER_WORD)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Says that `caller` has left something. Publishes it, too.
    pub(super) fn announce(&self, caller: usize) -> Announced {
        let bit = 1 << (caller % CALLERS_PER_WORD);
        let before = self.words[caller / CALLERS_PER_WORD].fetch_or(bit, Ordering::AcqRel);
        if before & ENDED != 0 {
            Announced::Ended
        } else if before == 0 {
            Announced::First
        } else {
            Announced::Coalesced
        }
    }

    /// Calls `visit` with each caller that announced itself since the last time. Core only.
    pub(super) fn take(&self, mut visit: impl FnMut(usize)) {
        for (index, word) in self.words.iter().enumerate() {
            // No read-modify-write on a word nobody touched. A bit set at this moment is followed by
            // a ring of the doorbell, so the core comes round again.
            if word.load(Ordering::Relaxed) & !ENDED == 0 {
                continue;
            }
            let mut bits = word.fetch_and(ENDED, Ordering::AcqRel) & !ENDED;
            while bits != 0 {
                visit(index * CALLERS_PER_WORD + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }

    /// The core ends: it looks into all its rings once more after this, and never again.
    pub(super) fn end(&self) {
        for word in &self.words {
            word.fetch_or(ENDED, Ordering::AcqRel);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn taken(callers: &Callers) -> Vec<usize> {
        let mut all = Vec::new();
        callers.take(|caller| all.push(caller));
        all
    }

    #[test]
    fn each_caller_is_visited_once() {
        let callers = Callers::new(130);
        assert_eq!(callers.announce(0), Announced::First);
        assert_eq!(callers.announce(62), Announced::Coalesced);
        assert_eq!(callers.announce(62), Announced::Coalesced);
        assert_eq!(callers.announce(63), Announced::First, "a word of its own");
        assert_eq!(callers.announce(129), Announced::First);
        assert_eq!(taken(&callers), [0, 62, 63, 129]);
        assert_eq!(taken(&callers), []);
        assert_eq!(callers.announce(62), Announced::First);
    }

    #[test]
    fn every_caller_learns_of_the_end() {
        let callers = Callers::new(130);
        callers.announce(5);
        callers.end();
        for caller in [0, 62, 63, 129] {
            assert_eq!(callers.announce(caller), Announced::Ended);
        }
        taken(&callers);
        assert_eq!(callers.announce(5), Announced::Ended, "taking the bits leaves the end in place");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Arc, Notify};
    use loom::thread;

    use super::*;
    use crate::sync::doorbell::Doorbell;

    /// Steps: two callers each leave a request, announce themselves and ring if told to; the core
    /// answers, takes the bits, and reads the requests of those it was told of, until it has both.
    /// Failure shows as a deadlock (the second relied on a ring that never came) or as a request
    /// missing from a ring that was announced.
    #[test]
    fn a_coalesced_announcement_is_seen() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let shared =
                Arc::new((Callers::new(2), Doorbell::new(), [AtomicUsize::new(0), AtomicUsize::new(0)]));
            let driver = Arc::new(Notify::new());
            let threads: Vec<_> = (0..2)
                .map(|caller| {
                    let (shared, driver) = (shared.clone(), driver.clone());
                    thread::spawn(move || {
                        // Relaxed on purpose: the announcement alone has to publish the request.
                        shared.2[caller].store(1, Ordering::Relaxed);
                        if shared.0.announce(caller) == Announced::First && shared.1.ring() {
                            driver.notify();
                        }
                    })
                })
                .collect();
            let mut seen = 0;
            while seen < 2 {
                if shared.1.answer() {
                    shared.0.take(|caller| seen += shared.2[caller].load(Ordering::Relaxed));
                }
                if seen < 2 {
                    driver.wait();
                }
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    /// Steps: a caller leaves a request and announces it while the core ends and looks a last time.
    /// Failure shows as a request that the core did not see and the caller was not told of.
    #[test]
    fn a_request_to_a_core_that_ends_is_seen_or_refused() {
        loom::model(|| {
            let shared = Arc::new((Callers::new(1), AtomicUsize::new(0)));
            let theirs = shared.clone();
            let thread = thread::spawn(move || {
                theirs.1.store(1, Ordering::Relaxed);
                theirs.0.announce(0) == Announced::Ended
            });
            shared.0.end();
            let seen = shared.1.load(Ordering::Relaxed) == 1;
            let refused = thread.join().unwrap();
            assert!(seen || refused, "the request was neither seen nor refused");
        });
    }
}
