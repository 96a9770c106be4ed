//! Descriptors registered with the ring, so that a send need not look its descriptor up.
//!
//! A connection's socket is entered into the ring's table when it sends for the second time: one
//! that asks once and leaves would only pay for it. The plain descriptor stays open beside it, for
//! options, shutdown and receives, which keep a hold on the socket anyway. The place in the table
//! is the connection's place in its slab.

use std::os::fd::{AsRawFd, RawFd};

use io_uring::{IoUring, opcode, squeue, types};

use super::Inner;
use super::conn::Conn;
use super::token::{Key, Kind, Token};

/// Places in the table at most: eight bytes each in the kernel. Connections beyond it send by their
/// plain descriptor.
const PLACES_MAX: u32 = 64 * 1024;

/// How far a connection is with its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing has been sent.
    None,
    /// One send so far.
    Due,
    /// The entry is on its way.
    Asked,
    /// Submissions may name it.
    Held,
}

/// An entry on its way. The kernel reads the number while it is submitted.
pub(super) struct Entering {
    key: Key,
    number: Box<RawFd>,
}

/// Makes the table, as large as it is allowed to be. Returns its size; 0 where there is none.
pub(super) fn make_table(ring: &IoUring, conns_max: u32) -> u32 {
    let open_max = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let open_max = open_max.and_then(|max| u32::try_from(max).ok()).unwrap_or(PLACES_MAX);
    let places = PLACES_MAX.min(open_max).min(conns_max);
    match ring.submitter().register_files_sparse(places) {
        Ok(()) => places,
        Err(_) => 0,
    }
}

impl Conn {
    /// How a submission names the socket.
    pub(super) fn name(&self, key: Key) -> (types::Fd, squeue::Flags) {
        match (self.place, RawFd::try_from(key.index)) {
            (Place::Held, Ok(place)) => (types::Fd(place), squeue::Flags::FIXED_FILE),
            _ => (types::Fd(self.fd.as_raw_fd()), squeue::Flags::empty()),
        }
    }
}

impl Inner {
    /// A connection is about to send: enters it into the table when it is due.
    #[inline]
    pub(super) fn note_send(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        match conn.place {
            Place::None => conn.place = Place::Due,
            Place::Due if key.index < self.places => self.enter_file(key),
            Place::Due | Place::Asked | Place::Held => {}
        }
    }

    #[cold]
    fn enter_file(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.place = Place::Asked;
        let entering = Entering { key, number: Box::new(conn.fd.as_raw_fd()) };
        let offset = i32::try_from(key.index).unwrap_or(i32::MAX);
        let entry = opcode::FilesUpdate::new(&raw const *entering.number, 1)
            .offset(offset)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Token::new(Kind::EnterFile, key).bits());
        self.entering.push(entering);
        // SAFETY: the number stays in `entering` until everything submitted was taken and heard of.
        unsafe { self.uring.push(&entry) };
    }

    /// The kernel refused an entry: the connection goes on by its plain descriptor.
    pub(super) fn on_enter_file(&mut self, key: Key, result: i32) {
        if result < 0
            && let Some(conn) = self.conns.get_mut(key)
        {
            conn.place = Place::None;
            self.places = 0;
        }
    }

    /// Everything submitted was taken, and refusals were heard of: what was asked is held.
    pub(super) fn settle_files(&mut self) {
        for Entering { key, .. } in self.entering.drain(..) {
            if let Some(conn) = self.conns.get_mut(key)
                && conn.place == Place::Asked
            {
                conn.place = Place::Held;
            }
        }
    }

    /// Clears a closing connection's place. Behind the entry itself, should that be in the same
    /// turn: entries are taken in order.
    pub(super) fn leave_file(&mut self, key: Key, place: Place) {
        if matches!(place, Place::None | Place::Due) {
            return;
        }
        let entry = opcode::Close::new(types::Fixed(key.index))
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Token::DETACHED);
        // SAFETY: a close points to no memory, and the place is this connection's.
        unsafe { self.uring.push(&entry) };
    }
}
