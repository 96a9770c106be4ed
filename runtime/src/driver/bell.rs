//! A descriptor that any thread can write to and the loop sleeps on.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, write};

/// An eventfd. Ringing adds to its counter; the loop reads it back to zero.
#[derive(Debug)]
pub(crate) struct Bell {
    fd: OwnedFd,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Bell> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { fd })
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
