//! How other threads end this core's sleep: an eventfd under a multishot poll, or a message.
//!
//! The poll completes once per ring of the bell, and the count is never read back: a write wakes
//! the poll whatever the count was. So a doorbell costs the core one completion and no system
//! call, and no memory of ours is with the kernel.
//!
//! A core that rings another at the end of its turn sends a message from ring to ring: one more entry
//! of what it is about to submit, instead of a system call. In the middle of a turn it writes to the
//! eventfd like everybody: the message would leave with the end of the turn only, and who rings meanwhile
//! relies on the first one's wake ([`Doorbell`](crate::sync::doorbell::Doorbell)); a task that holds this
//! core must not hold up that one.
//!
//! The descriptor that names the other ring is a second one of that ring, kept for as long as anybody
//! may ring. So its number never becomes another file's, and a message to a core that has ended arrives
//! at a ring that nobody looks at.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};

use super::token::{Key, Kind, Token};
use super::{Inner, Ring};
use crate::executor::Core;

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

/// What arrives at the other core.
const RUNG: Token = Token { kind: Kind::Rung, key: Key { index: 0, generation: 0 } };

impl Inner {
    /// A second descriptor of the ring, unless messages are not to be had.
    pub(super) fn mailslot(&self) -> io::Result<Option<OwnedFd>> {
        // SAFETY: the ring is open while `self` lives.
        let ring = unsafe { BorrowedFd::borrow_raw(self.uring.ring().as_raw_fd()) };
        self.messages.then(|| ring.try_clone_to_owned()).transpose()
    }

    /// Queues a message to the ring of core `index`. False if this ring sends none.
    fn message(&mut self, mailslot: RawFd, index: u32) -> bool {
        if self.messages {
            let to = Key { index, generation: 0 };
            let entry = opcode::MsgRingData::new(types::Fd(mailslot), 0, RUNG.bits(), None)
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS)
                .user_data(Token::new(Kind::Message, to).bits());
            // SAFETY: a message points to no memory.
            unsafe { self.uring.push(&entry) };
        }
        self.messages
    }
}

impl Ring {
    /// Wakes core `index` by a message that leaves with the next turn. False if that cannot be.
    pub(crate) fn message(&self, mailslot: BorrowedFd<'_>, index: usize) -> bool {
        let Ok(index) = u32::try_from(index) else { return false };
        self.with(|inner| inner.message(mailslot.as_raw_fd(), index))
    }
}

/// A message could not be delivered: that core is woken the other way.
pub(super) fn on_undelivered(to: Key) {
    Core::try_with(|core| core.mesh().wake_driver(to.index as usize));
}
