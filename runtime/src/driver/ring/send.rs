//! Sends: tried while they are submitted, followed up only when the socket did not take them.
//!
//! # How a buffer is known to be free
//!
//! The first attempt is sent with `MSG_DONTWAIT | MSG_WAITALL` and `CQE_SKIP_SUCCESS`. With
//! `MSG_DONTWAIT` the kernel may neither park the request nor hand it to a worker: it is decided
//! inside the `io_uring_enter` that submits it (`REQ_F_NOWAIT`, where `-EAGAIN` is final). With
//! `MSG_WAITALL` anything short of every byte is a failure, and failures are never skipped. So
//! when the enter has taken the entry, and the completion queue was read to its end, no completion
//! means that every byte is in the socket and the memory is ours again. A probe at start checks
//! both halves on a socket pair; where it fails, sends ask for their completion.
//!
//! What is left over after a first attempt is sent by ordinary sends without `MSG_WAITALL`, one
//! at a time, each with its completion, so that progress (and the lack of it) shows.

use std::task::{Context, Poll};

use io_uring::{opcode, squeue};
use rustix::net::Shutdown;

use super::close::LINGER;
use super::conn::{Conn, remember};
use super::token::{Key, Kind, Token};
use super::{Inner, Retired};
use crate::buf::{Batch, Chunk};

/// Largest send, in bytes, that is reported done before the kernel has taken it.
///
/// The driver keeps the memory until it has; the next send waits for that, and an error shows
/// there. A larger send is worth waiting for: whoever streams must feel the peer's pace.
pub(super) const BEHIND_MAX: usize = 128 * 1024;

/// Bytes one transfer carries at most: the kernel's own limit (`MAX_RW_COUNT`). It shortens what is
/// longer without a word, and would call that a success.
pub(super) const TRANSFER_MAX: usize = 0x7fff_f000;

/// Headers of vectored sends kept for the next ones: as many as one busy turn uses.
const SPARE_HEADERS_MAX: usize = 512;

/// What one send carries, and how far it has got.
pub(crate) enum Payload {
    /// One piece, of which this many bytes are sent. Invariant: never more than it has.
    One(Chunk, usize),
    /// Several pieces, sent in order.
    Many(Batch),
}

impl From<Chunk> for Payload {
    fn from(chunk: Chunk) -> Self {
        Self::One(chunk, 0)
    }
}

impl From<Batch> for Payload {
    fn from(batch: Batch) -> Self {
        Self::Many(batch)
    }
}

impl Payload {
    /// Bytes that are not sent yet.
    pub(crate) fn left(&self) -> usize {
        match self {
            Self::One(chunk, sent) => chunk.len() - sent,
            Self::Many(batch) => batch.left(),
        }
    }

    /// Bytes of those that one operation carries.
    fn in_one_go(&self) -> usize {
        match self {
            Self::One(..) => self.left().min(TRANSFER_MAX),
            Self::Many(batch) => batch.covered().min(TRANSFER_MAX),
        }
    }

    /// Counts `n` bytes as sent. A kernel that says it sent more than it was given sent all.
    fn advance(&mut self, n: usize) {
        let n = n.min(self.left());
        match self {
            Self::One(_, sent) => *sent += n,
            Self::Many(batch) => batch.advance(n),
        }
    }
}

/// A send that is with the kernel.
pub(super) struct Flight {
    key: Key,
    payload: Payload,
    /// For several pieces: what names their vectors to the kernel, where it does not move.
    header: Option<Box<libc::msghdr>>,
}

/// How an operation takes the bytes.
#[derive(Clone, Copy)]
pub(super) enum How {
    /// Into the socket's memory, with these flags.
    Copied(i32),
    /// Not at all: the memory is read when it is sent.
    Lent,
}

/// Where a connection's send stands. At most one is in hand.
pub(super) enum Sending {
    /// None in hand.
    Idle,
    /// Submitted in this turn; the flight is at this place of `Inner::flights`.
    Trying(u32),
    /// The socket was full: the rest is sent as it drains.
    Rest(Box<Flight>),
    /// In a slot of its own, see [`zero_copy`](super::zero_copy).
    Lent,
}

impl Inner {
    /// Ready once the send in hand is done.
    ///
    /// # Errors
    /// The error number of the first send that failed; a failed side stays failed.
    pub(super) fn poll_send_idle(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<Result<(), i32>> {
        let Some(conn) = self.conns.get_mut(key) else {
            return Poll::Ready(Err(libc::EBADF));
        };
        if let Some(error) = conn.send_error {
            return Poll::Ready(Err(error));
        }
        if matches!(conn.sending, Sending::Idle) {
            return Poll::Ready(Ok(()));
        }
        remember(&mut conn.send_waker, cx.waker());
        self.hurry |= matches!(conn.sending, Sending::Trying(_));
        Poll::Pending
    }

    /// Submits a send. The caller has seen [`poll_send_idle`](Self::poll_send_idle) ready.
    pub(super) fn start_send(&mut self, key: Key, payload: Payload) {
        self.note_send(key);
        let Some(conn) = self.conns.get_mut(key) else {
            self.retired.push(Retired::Payload(payload));
            return;
        };
        debug_assert!(matches!(conn.sending, Sending::Idle), "one send in hand at a time");
        let payload = if payload.left() < self.zero_copy_from {
            payload
        } else {
            match self.start_zero_copy(key, payload) {
                Ok(()) => return,
                Err(payload) => payload,
            }
        };
        let mut flight = Flight::new(key, payload, &mut self.spare_headers);
        if self.uring.is_polled() {
            return self.send_rest(flight);
        }
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Ok(place) = u32::try_from(self.flights.len()) else {
            unreachable!("one flight per connection, and connections are counted in 24 bits")
        };
        conn.sending = Sending::Trying(place);
        let mut entry = flight.entry(conn, How::Copied(libc::MSG_DONTWAIT | libc::MSG_WAITALL));
        // Silence means success only if success means everything.
        if self.skip_success && flight.payload.in_one_go() == flight.payload.left() {
            entry = entry.flags(squeue::Flags::SKIP_SUCCESS);
        }
        let entry = entry.user_data(Token::new(Kind::SendTry, key).bits());
        self.flights.push(Some(flight));
        // SAFETY: the flight keeps payload and header until `settle` (no completion: decided in that
        // turn) or `on_send_try` (a completion: decided too). What the entry points to does not
        // move with it: chunks, batch and header hold theirs on the heap.
        unsafe { self.uring.push(&entry) };
    }

    /// A first attempt that has a completion: it did not take every byte, or nothing is skipped.
    pub(super) fn on_send_try(&mut self, key: Key, result: i32) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let Sending::Trying(place) = conn.sending else { return };
        let Some(flight) = self.flights[place as usize].take() else { return };
        self.advance(flight, result);
    }

    /// A later attempt has completed.
    pub(super) fn on_send_rest(&mut self, key: Key, result: i32) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if let Sending::Rest(flight) = std::mem::replace(&mut conn.sending, Sending::Idle) {
            self.advance(*flight, result);
        }
    }

    /// Takes note of what an attempt achieved and sends what is left.
    fn advance(&mut self, mut flight: Flight, result: i32) {
        let key = flight.key;
        let Some(conn) = self.conns.get_mut(key) else { return };
        let failed = match usize::try_from(result) {
            Ok(sent) => {
                flight.payload.advance(sent);
                None
            }
            // Nothing taken: the socket is full, or a signal came. Wait for room.
            Err(_) if matches!(-result, libc::EAGAIN | libc::EINTR) => None,
            Err(_) => Some(-result),
        };
        if let Some(error) = failed {
            conn.send_error = Some(error);
        } else if flight.payload.left() > 0 {
            let first = matches!(conn.sending, Sending::Trying(_));
            // Whoever waits sees that it goes on: a stall is a send that does not.
            if result > 0 {
                self.wakes.extend(conn.send_waker.take());
            }
            if first && conn.closing {
                self.lingering.push_back((self.now + LINGER, key));
            }
            let cut = conn.shutdown_after_send.take_if(|how| *how == Shutdown::Both);
            self.send_rest(flight);
            if let Some(how) = cut {
                // Both sides were to be cut after the first attempt: the rest then fails at once.
                let _gone = self.shutdown(key, how);
            }
            return;
        }
        conn.sending = Sending::Idle;
        self.finish_send(flight);
    }

    /// Submits an ordinary send of what is left.
    fn send_rest(&mut self, flight: Flight) {
        let key = flight.key;
        let Some(conn) = self.conns.get_mut(key) else {
            unreachable!("a connection is not closed while it sends")
        };
        let mut flight = Box::new(flight);
        let entry = flight.entry(conn, How::Copied(0)).user_data(Token::new(Kind::SendRest, key).bits());
        conn.sending = Sending::Rest(flight);
        // SAFETY: the flight is owned by the connection until this send's completion; closing waits
        // for it.
        unsafe { self.uring.push(&entry) };
    }

    /// After a turn in which everything was submitted and every completion was read: first
    /// attempts that were not heard of have succeeded.
    pub(super) fn settle(&mut self) {
        self.hurry = false;
        let mut flights = std::mem::take(&mut self.flights);
        for flight in flights.drain(..).flatten() {
            if let Some(conn) = self.conns.get_mut(flight.key) {
                debug_assert!(matches!(conn.sending, Sending::Trying(_)));
                conn.sending = Sending::Idle;
            }
            self.finish_send(flight);
        }
        // Keep the allocation: sends started by `finish_send` would be in the new vector, and it
        // starts none.
        debug_assert!(self.flights.is_empty());
        self.flights = flights;
    }

    /// Frees what the send used and does what waited for it.
    fn finish_send(&mut self, flight: Flight) {
        let key = flight.key;
        let payload = flight.recycle(&mut self.spare_headers);
        self.retired.push(Retired::Payload(payload));
        self.send_ended(key);
    }

    /// A connection has nothing more in hand to send. Does what waited for that.
    pub(super) fn send_ended(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        self.wakes.extend(conn.send_waker.take());
        let closing = conn.closing;
        if let Some(how) = conn.shutdown_after_send.take() {
            // Before a close as well: the socket may live on in the other half of a split stream. An
            // error means that the peer was faster.
            let _gone = self.shutdown(key, how);
        }
        if closing {
            self.close_now(key);
        }
    }
}

fn new_header() -> Box<libc::msghdr> {
    // SAFETY: a msghdr is integers and pointers, for all of which zero is valid.
    Box::new(unsafe { std::mem::zeroed() })
}

#[allow(clippy::vec_box, reason = "the kernel has the address of a header, not of the list")]
pub(super) type Headers = Vec<Box<libc::msghdr>>;

impl Flight {
    /// A payload on its way, with a header of `spare` if it takes one.
    pub(super) fn new(key: Key, payload: Payload, spare: &mut Headers) -> Self {
        let header = match &payload {
            Payload::One(..) => None,
            Payload::Many(_) => Some(spare.pop().unwrap_or_else(new_header)),
        };
        Self { key, payload, header }
    }

    /// The payload; the header becomes a spare one.
    pub(super) fn recycle(self, spare: &mut Headers) -> Payload {
        if let Some(header) = self.header
            && spare.len() < SPARE_HEADERS_MAX
        {
            spare.push(header);
        }
        self.payload
    }

    /// The connection.
    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// Bytes that are not sent yet.
    pub(super) fn left(&self) -> usize {
        self.payload.left()
    }

    /// Counts `n` bytes as sent.
    pub(super) fn sent(&mut self, n: usize) {
        self.payload.advance(n);
    }

    /// The submission entry for what is left of the payload.
    pub(super) fn entry(&mut self, conn: &Conn, how: How) -> squeue::Entry {
        let (fd, named) = conn.name(self.key);
        let flags = match how {
            How::Copied(flags) => flags | libc::MSG_NOSIGNAL,
            How::Lent => libc::MSG_NOSIGNAL,
        };
        let entry = match (&self.payload, &mut self.header) {
            (Payload::One(chunk, sent), _) => {
                let bytes: &[u8] = &chunk[*sent..];
                let len = u32::try_from(bytes.len().min(TRANSFER_MAX)).unwrap_or(u32::MAX);
                match how {
                    How::Copied(_) => opcode::Send::new(fd, bytes.as_ptr(), len).flags(flags).build(),
                    How::Lent => opcode::SendZc::new(fd, bytes.as_ptr(), len).flags(flags).build(),
                }
            }
            (Payload::Many(batch), Some(header)) => {
                let (vectors, count) = batch.vectors();
                header.msg_iov = vectors.cast_mut();
                header.msg_iovlen = count;
                let header = &raw const **header;
                let flags = flags.cast_unsigned();
                match how {
                    How::Copied(_) => opcode::SendMsg::new(fd, header).flags(flags).build(),
                    How::Lent => opcode::SendMsgZc::new(fd, header).flags(flags).build(),
                }
            }
            (Payload::Many(_), None) => unreachable!("a batch is given its header when it is submitted"),
        };
        entry.flags(named)
    }
}
