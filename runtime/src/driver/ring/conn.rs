//! What the driver knows of one connection.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::task::Waker;

use rustix::net::Shutdown;

use super::files::Place;
use super::send::Sending;
use crate::buf::Lease;

/// Received buffers a connection may hold unread before its receive is disarmed.
///
/// Bounds what one slow task can pile up. The kernel may add what it had in hand when it was told
/// to stop, at most 33 buffers (its own limit for one round of a multishot receive).
pub(super) const UNREAD_MAX: usize = 8;

/// Consecutive filled-to-the-end buffers that make a connection a bulk one.
///
/// Two requests that happen to be 4 KiB long are no reason to change over; an upload fills every
/// buffer.
pub(super) const BULK_AFTER: u8 = 3;

/// Consecutive receives of less than a small buffer that make it an ordinary one again.
///
/// The end of each upload is small, and so is the next request's head: changing back on those would
/// begin every upload of a connection with small buffers and a cancelled receive, which took three
/// times the CPU.
pub(super) const SMALL_AFTER: u8 = 16;

/// How the connection receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receive {
    /// Nothing is submitted.
    Idle,
    /// A multishot receive on the small buffers.
    Multishot,
    /// One receive into a large buffer.
    Bulk,
    /// Told to stop; its last completion has not come.
    Stopping,
    /// Waiting for buffers or memory; the driver arms it when there is some.
    Starved,
}

/// Why no more bytes will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer has finished, or we shut our side down for reading.
    Eof,
    /// The socket failed with this error number.
    Failed(i32),
}

/// Received buffers in order. The first is kept in place: a connection that keeps up never
/// touches the queue behind it.
#[derive(Default)]
pub(super) struct Unread {
    first: Option<Lease>,
    /// Allocated the first time a connection falls behind. Invariant: empty if `first` is `None`.
    #[allow(clippy::box_collection, reason = "8 bytes instead of 32 in each idle connection")]
    rest: Option<Box<VecDeque<Lease>>>,
}

impl Unread {
    pub(super) fn push(&mut self, lease: Lease) {
        if self.first.is_none() {
            self.first = Some(lease);
        } else {
            self.rest.get_or_insert_default().push_back(lease);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Lease> {
        let lease = self.first.take()?;
        if let Some(rest) = &mut self.rest {
            self.first = rest.pop_front();
            if self.first.is_none() {
                self.rest = None;
            }
        }
        Some(lease)
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }
}

/// One connection. Kept small: this is most of what an idle connection costs here.
pub(super) struct Conn {
    pub(super) fd: OwnedFd,
    /// In the ring's table of files.
    pub(super) place: Place,
    pub(super) receive: Receive,
    /// Large buffers, one at a time, instead of multishot.
    pub(super) bulk: bool,
    /// Consecutive receives that speak for the other way of receiving.
    pub(super) streak: u8,
    /// A poll for hang-up is submitted.
    pub(super) hangup_armed: bool,
    /// The hang-up poll has fired.
    pub(super) hung_up: bool,
    /// The socket knows no sends without a copy.
    pub(super) copies: bool,
    /// The stream was dropped: finish the send in hand, then close.
    pub(super) closing: bool,
    /// Sides to shut down once the send in hand is done.
    pub(super) shutdown_after_send: Option<Shutdown>,
    pub(super) end: Option<End>,
    pub(super) send_error: Option<i32>,
    pub(super) unread: Unread,
    pub(super) sending: Sending,
    pub(super) recv_waker: Option<Waker>,
    pub(super) send_waker: Option<Waker>,
    pub(super) closed_waker: Option<Waker>,
}

const _: () = assert!(size_of::<Conn>() <= 192, "an idle connection is to stay far below 1 KiB");

impl Conn {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            place: Place::None,
            receive: Receive::Idle,
            bulk: false,
            streak: 0,
            hangup_armed: false,
            hung_up: false,
            copies: false,
            closing: false,
            shutdown_after_send: None,
            end: None,
            send_error: None,
            unread: Unread::default(),
            sending: Sending::Idle,
            recv_waker: None,
            send_waker: None,
            closed_waker: None,
        }
    }

    /// True once the peer is known to have closed, reset or finished sending.
    pub(super) fn peer_gone(&self) -> bool {
        self.end.is_some() || self.hung_up
    }
}

/// Stores `waker` in `place` unless the one there wakes the same task.
pub(super) fn remember(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(known) if known.will_wake(waker) => {}
        _ => *place = Some(waker.clone()),
    }
}
