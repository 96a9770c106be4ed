//! The loop of a core on this driver.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::uring::Wait;
use super::{CONNS_MAX, Ring};
use crate::driver::Findings;
use crate::executor::{Core, Turn};
use crate::launch::RingOptions;

/// An open ring whose loop has not begun.
pub(crate) struct Prepared {
    ring: Rc<Ring>,
}

impl Prepared {
    /// Opens the ring on the thread that will run it.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub(crate) fn open(wanted: RingOptions) -> io::Result<(Prepared, Findings)> {
        let ring = Ring::new(CONNS_MAX, wanted)?;
        let (flags, options) = (ring.features().flags(), ring.features().options);
        let notes = ring.notes().to_vec();
        Ok((Prepared { ring }, Findings { flags, options, notes }))
    }

    /// What other cores send their messages to; `None` if they are to ring the eventfd.
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub(crate) fn mailslot(&self) -> io::Result<Option<OwnedFd>> {
        self.ring.with(|inner| inner.mailslot())
    }

    /// What the core's sockets reach the ring by.
    pub(crate) fn local(&self) -> Rc<Ring> {
        Rc::clone(&self.ring)
    }

    /// Turns until the core is done, then ends its tasks and waits for memory lent to the kernel.
    ///
    /// # Errors
    /// If the loop cannot start.
    pub(crate) fn run(self, core: &Rc<Core>) -> io::Result<()> {
        match core.shared.bell.duplicate() {
            Ok(bell) => self.ring.set_bell(bell),
            Err(error) => {
                core.drop_tasks();
                return Err(error);
            }
        }
        loop {
            let wait = match core.turn() {
                Turn::Done => break,
                Turn::Again => Wait::No,
                Turn::Park(None) => Wait::Forever,
                Turn::Park(Some(at)) => Wait::AtMost(at.saturating_duration_since(core.now())),
            };
            self.ring.turn(wait, core.now());
            core.shared.counters.lent.set(self.ring.lent() as u64);
        }
        core.drop_tasks();
        self.ring.finish();
        let (stats, starvations) = self.ring.with(|inner| (inner.uring.stats(), inner.starvations));
        tracing::debug!(core = core.shared.id.index(), ?stats, starvations, "the ring has ended");
        Ok(())
    }
}

impl Ring {
    /// Lets `bell` end the loop's sleep.
    pub(crate) fn set_bell(&self, bell: OwnedFd) {
        self.with(|inner| {
            inner.bell = Some(bell);
            inner.hear_doorbell();
        });
    }
}
