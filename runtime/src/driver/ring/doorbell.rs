//! How other threads end this core's sleep: an eventfd the ring always reads from.

use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::{opcode, types};

use super::Inner;
use super::token::{Key, Kind, Token};

/// There is one doorbell.
pub(super) const TOKEN: Token = Token {
    kind: Kind::Doorbell,
    key: Key {
        index: 0,
        generation: 0,
    },
};

/// The eventfd and where its count is read to.
pub(super) struct Doorbell {
    fd: OwnedFd,
    /// Written by the kernel. Nobody reads it: that it was written is the message. On the heap, so
    /// that it stays where the kernel knows it; leaked if the ring does not end in time.
    count: Box<u64>,
    /// A read is submitted and has not completed.
    pub(super) armed: bool,
}

impl Doorbell {
    /// `fd` is an eventfd without `EFD_NONBLOCK`: a read that found nothing would fail at once.
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            count: Box::new(0),
            armed: false,
        }
    }
}

impl Doorbell {
    /// Gives up the count without freeing it.
    pub(super) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.count));
    }
}

impl Inner {
    /// Reads the doorbell again. The completion itself is what ends the sleep; what it was rung
    /// for is in the mailbox.
    pub(super) fn hear_doorbell(&mut self) {
        self.doorbell.armed = true;
        let address: *mut u64 = &raw mut *self.doorbell.count;
        let len = u32::try_from(size_of::<u64>()).unwrap_or(u32::MAX);
        let entry = opcode::Read::new(types::Fd(self.doorbell.fd.as_raw_fd()), address.cast(), len)
            .build()
            .user_data(TOKEN.bits());
        // SAFETY: the box lives as long as the driver; tearing down cancels this read and waits for
        // its completion, or leaks the box.
        unsafe { self.uring.push(&entry) };
    }
}
