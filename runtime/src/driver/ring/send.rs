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

use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use io_uring::{opcode, squeue, types};
use rustix::net::Shutdown;
use smallvec::SmallVec;

use super::close::LINGER;
use super::conn::{Conn, remember};
use super::token::{Key, Kind, Token};
use super::{Inner, Retired};
use crate::buf::{Chunk, Chunks};

/// Largest send, in bytes, that is reported done before the kernel has taken it.
///
/// The driver keeps the memory until it has; the next send waits for that, and an error shows
/// there. A larger send is worth waiting for: whoever streams must feel the peer's pace.
pub(super) const BEHIND_MAX: usize = 16 * 1024;

/// What one send carries.
pub(crate) enum Payload {
    /// One piece.
    One(Chunk),
    /// Several pieces, sent in order.
    Many(Chunks),
}

impl From<Chunk> for Payload {
    fn from(chunk: Chunk) -> Self {
        Self::One(chunk)
    }
}

impl From<Chunks> for Payload {
    fn from(chunks: Chunks) -> Self {
        Self::Many(chunks)
    }
}

impl Payload {
    /// Bytes in all pieces.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(chunk) => chunk.len(),
            Self::Many(chunks) => chunks.iter().map(|chunk| chunk.len()).sum(),
        }
    }
}

/// A gathered send's arguments, kept where they do not move while the kernel reads them.
pub(super) struct Gather {
    header: libc::msghdr,
    pieces: SmallVec<[libc::iovec; 8]>,
}

impl Gather {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            // SAFETY: a msghdr is integers and pointers, for all of which zero is valid.
            header: unsafe { std::mem::zeroed() },
            pieces: SmallVec::new(),
        })
    }

    /// Points at everything in `chunks` behind its first `skip` bytes.
    fn point_at(&mut self, chunks: &[Chunk], mut skip: usize) -> *const libc::msghdr {
        self.pieces.clear();
        for chunk in chunks {
            let bytes: &[u8] = chunk;
            let from = skip.min(bytes.len());
            skip -= from;
            if from < bytes.len() {
                self.pieces.push(libc::iovec {
                    iov_base: bytes[from..].as_ptr().cast_mut().cast(),
                    iov_len: bytes.len() - from,
                });
            }
        }
        self.header.msg_iov = self.pieces.as_mut_ptr();
        self.header.msg_iovlen = self.pieces.len();
        &raw const self.header
    }
}

/// A send that is with the kernel.
pub(super) struct Flight {
    pub(super) key: Key,
    pub(super) payload: Payload,
    /// Bytes the socket has taken.
    sent: usize,
    gather: Option<Box<Gather>>,
}

/// Where a connection's send stands. At most one is in hand.
pub(super) enum Sending {
    /// None in hand.
    Idle,
    /// Submitted in this turn; the flight is at this place of `Inner::flights`.
    Trying(u32),
    /// The socket was full: the rest is sent as it drains.
    Rest(Box<Flight>),
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
        Poll::Pending
    }

    /// Submits a send. The caller has seen [`poll_send_idle`](Self::poll_send_idle) ready.
    pub(super) fn start_send(&mut self, key: Key, payload: Payload) {
        let Some(conn) = self.conns.get_mut(key) else {
            self.retired.push(Retired::Payload(payload));
            return;
        };
        debug_assert!(matches!(conn.sending, Sending::Idle), "one send in hand at a time");
        let Ok(place) = u32::try_from(self.flights.len()) else {
            unreachable!("one flight per connection, and connections are counted in 24 bits")
        };
        conn.sending = Sending::Trying(place);
        let gather = match &payload {
            Payload::One(_) => None,
            Payload::Many(_) => Some(self.spare_gathers.pop().unwrap_or_else(Gather::new)),
        };
        let mut flight = Flight {
            key,
            payload,
            sent: 0,
            gather,
        };
        let mut entry = flight.entry(conn, libc::MSG_DONTWAIT | libc::MSG_WAITALL);
        if self.skip_success {
            entry = entry.flags(squeue::Flags::SKIP_SUCCESS);
        }
        let entry = entry.user_data(Token::new(Kind::SendTry, key).bits());
        self.flights.push(Some(flight));
        // SAFETY: the flight keeps the payload and the gather list until `settle` (no completion:
        // decided in that turn) or `on_send_try` (a completion: decided too). Its bytes do not
        // move with it: every kind of chunk and the gather box hold theirs on the heap.
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
                flight.sent += sent;
                None
            }
            // Nothing taken: the socket is full, or a signal came. Wait for room.
            Err(_) if matches!(-result, libc::EAGAIN | libc::EINTR) => None,
            Err(_) => Some(-result),
        };
        if let Some(error) = failed {
            conn.send_error = Some(error);
        } else if flight.sent < flight.payload.len() {
            let mut flight = Box::new(flight);
            let entry = flight.entry(conn, 0).user_data(Token::new(Kind::SendRest, key).bits());
            let first = matches!(conn.sending, Sending::Trying(_));
            conn.sending = Sending::Rest(flight);
            // Whoever waits sees that it goes on: a stall is a send that does not.
            if result > 0 {
                self.wakes.extend(conn.send_waker.take());
            }
            if first && conn.closing {
                self.lingering.push_back((self.now + LINGER, key));
            }
            // SAFETY: the flight is owned by the connection until this send's completion; closing
            // waits for it.
            unsafe { self.uring.push(&entry) };
            return;
        }
        conn.sending = Sending::Idle;
        self.finish_send(flight);
    }

    /// After a turn in which everything was submitted and every completion was read: first
    /// attempts that were not heard of have succeeded.
    pub(super) fn settle(&mut self) {
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
        if let Some(gather) = flight.gather {
            self.spare_gathers.push(gather);
        }
        self.retired.push(Retired::Payload(flight.payload));
        let Some(conn) = self.conns.get_mut(key) else { return };
        self.wakes.extend(conn.send_waker.take());
        if conn.closing {
            self.close_now(key);
        } else if std::mem::take(&mut conn.shutdown_after_send) {
            // An error means that the peer was faster.
            let _gone = self.shutdown(key, Shutdown::Write);
        }
    }
}

impl Flight {
    /// The submission entry for what is left of the payload.
    fn entry(&mut self, conn: &Conn, flags: i32) -> squeue::Entry {
        let fd = types::Fd(conn.fd.as_raw_fd());
        let flags = flags | libc::MSG_NOSIGNAL;
        match (&self.payload, &mut self.gather) {
            (Payload::Many(chunks), Some(gather)) => {
                let header = gather.point_at(chunks, self.sent);
                opcode::SendMsg::new(fd, header).flags(flags.cast_unsigned()).build()
            }
            (Payload::One(chunk), _) => {
                let bytes: &[u8] = &chunk[self.sent..];
                // The kernel caps one transfer at 2 GiB; a longer rest takes another attempt.
                let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                opcode::Send::new(fd, bytes.as_ptr(), len).flags(flags).build()
            }
            (Payload::Many(_), None) => unreachable!("a gathered flight is made with its list"),
        }
    }
}
