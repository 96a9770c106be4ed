//! A descriptor that any thread can write to and the loop sleeps on.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, write};

use super::Local;
use crate::executor::Core;

/// An eventfd. Ringing adds to its counter; the loop reads it back to zero.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
    /// The core's ring, where other cores with a ring may leave messages.
    mailslot: Option<OwnedFd>,
}

impl Bell {
    pub(crate) fn new(mailslot: Option<OwnedFd>) -> io::Result<Bell> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { fd, mailslot })
    }

    /// Wakes the loop of core `index` with what the core that calls this is about to submit, if both
    /// have rings that can.
    pub(crate) fn ring_at_end_of_turn(&self, index: usize) {
        let sent = self.mailslot.as_ref().is_some_and(|mailslot| {
            let send = |core: &Core| match &core.driver {
                Local::Ring(ring) => ring.message(mailslot.as_fd(), index),
                Local::Monoio(_) => false,
            };
            Core::try_with(send).unwrap_or(false)
        });
        if !sent {
            self.ring();
        }
    }

    /// Wakes the loop. Never blocks: a counter at its limit has woken it already.
    pub(crate) fn ring(&self) {
        let _full = write(&self.fd, &1u64.to_ne_bytes());
    }

    /// A second descriptor of the same counter, for the driver to wait on and own.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }
}

/// Takes back what was rung, so that the descriptor is quiet until the next ring. Works for a
/// timer's descriptor as well.
pub(crate) fn silence(fd: impl AsFd) {
    let mut count = [0u8; 8];
    while let Err(Errno::INTR) = read(fd.as_fd(), &mut count) {}
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
