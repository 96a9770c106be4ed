//! How other threads end this core's sleep: an eventfd under a multishot poll.
//!
//! The poll completes once per ring of the bell, and the count is never read back: a write wakes
//! the poll whatever the count was. So a doorbell costs the core one completion and no system
//! call, and no memory of ours is with the kernel.

use std::os::fd::AsRawFd;

use io_uring::{cqueue, opcode, types};

use super::Inner;
use super::token::{Key, Kind, Token};

/// There is one doorbell.
const TOKEN: Token = Token { kind: Kind::Doorbell, key: Key { index: 0, generation: 0 } };

impl Inner {
    /// Arms the poll on the bell, once there is one.
    pub(super) fn hear_doorbell(&mut self) {
        let Some(bell) = &self.bell else { return };
        let events = u32::try_from(libc::POLLIN).unwrap_or(0);
        let entry = opcode::PollAdd::new(types::Fd(bell.as_raw_fd()), events)
            .multi(true)
            .build()
            .user_data(TOKEN.bits());
        // SAFETY: a poll points to no memory.
        unsafe { self.uring.push(&entry) };
    }

    /// The bell rang: the completion itself has ended the sleep, and what it was rung for is in the
    /// mailbox. The kernel ends a multishot poll when it cannot post for want of room.
    pub(super) fn on_doorbell(&mut self, completion: &cqueue::Entry) {
        if !cqueue::more(completion.flags()) {
            self.hear_doorbell();
        }
    }
}
