//! Receives: armed once, then the kernel fills buffers as bytes arrive.
//!
//! A connection starts with a multishot receive on the small buffers: one submission for its whole
//! life, no buffer while it waits. One that fills buffer after buffer is an upload; it changes over
//! to single receives into large buffers, one per `recv` call, which is also its backpressure. It
//! changes back when, many times in a row, less than a small buffer arrives.
//!
//! Three things stop a multishot receive, and each has its way back. The task falls behind
//! ([`UNREAD_MAX`]): it is told to stop, and armed again when the task has read everything. The
//! buffers run out (`ENOBUFS`): the connection joins `starved` and is armed when the pool has
//! buffers again. The kernel ends it for reasons of its own: the next `recv` arms it.

use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use io_uring::{cqueue, opcode, squeue, types};

use super::conn::{BULK_AFTER, End, Receive, SMALL_AFTER, UNREAD_MAX, remember};
use super::token::{Key, Kind, Token};
use super::{Inner, Retired, SMALL_BYTES};
use crate::buf::Lease;

/// What a receive found.
pub(super) enum Received {
    /// Some bytes.
    Bytes(Lease),
    /// The end of the stream.
    Eof,
}

impl Inner {
    /// The next received bytes.
    ///
    /// # Errors
    /// The socket's error number; every later call says the same.
    pub(super) fn poll_recv(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<Result<Received, i32>> {
        let Some(conn) = self.conns.get_mut(key) else {
            return Poll::Ready(Err(libc::EBADF));
        };
        if let Some(lease) = conn.unread.pop() {
            return Poll::Ready(Ok(Received::Bytes(lease)));
        }
        match conn.end {
            Some(End::Eof) => return Poll::Ready(Ok(Received::Eof)),
            Some(End::Failed(error)) => return Poll::Ready(Err(error)),
            None => {}
        }
        remember(&mut conn.recv_waker, cx.waker());
        if conn.receive == Receive::Idle {
            self.arm(key);
        }
        Poll::Pending
    }

    /// Whether nothing has come, if a receive is submitted that would have told.
    pub(super) fn is_quiet(&self, key: Key) -> Option<bool> {
        let Some(conn) = self.conns.get(key) else { return Some(false) };
        if conn.unread.len() > 0 || conn.end.is_some() {
            return Some(false);
        }
        match conn.receive {
            Receive::Multishot | Receive::Bulk => Some(true),
            // One that is being stopped may have been told of bytes that it leaves behind.
            Receive::Idle | Receive::Stopping | Receive::Starved => None,
        }
    }

    /// Submits the receive this connection is due.
    pub(super) fn arm(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        debug_assert!(matches!(conn.receive, Receive::Idle | Receive::Starved));
        let fd = types::Fd(conn.fd.as_raw_fd());
        self.receives_armed += 1;
        let entry = if conn.bulk {
            conn.receive = Receive::Bulk;
            // Length 0 with a selected buffer: as long as the buffer is.
            opcode::Recv::new(fd, std::ptr::null_mut(), 0)
                .buf_group(self.large.group())
                .build()
                .flags(squeue::Flags::BUFFER_SELECT)
                .user_data(Token::new(Kind::RecvBulk, key).bits())
        } else {
            conn.receive = Receive::Multishot;
            opcode::RecvMulti::new(fd, self.small.group())
                .build()
                .user_data(Token::new(Kind::Recv, key).bits())
        };
        // SAFETY: the entry points to no memory; the buffers it may fill are lent to the kernel by
        // the buffer rings until a completion gives them back.
        unsafe { self.uring.push(&entry) };
    }

    /// A receive has completed, or one round of a multishot receive has.
    pub(super) fn on_recv(&mut self, token: Token, completion: &cqueue::Entry) {
        let result = completion.result();
        let more = cqueue::more(completion.flags());
        let filled = usize::try_from(result).unwrap_or(0);
        // The buffer comes first: it is ours again whether or not the connection still exists.
        let lease = cqueue::buffer_select(completion.flags()).and_then(|number| {
            let ring = match token.kind {
                Kind::RecvBulk => &mut self.large,
                _ => &mut self.small,
            };
            ring.take(number, filled)
        });
        self.receives_armed -= u32::from(!more);
        let Some(conn) = self.conns.get_mut(token.key) else {
            self.retired.extend(lease.map(Retired::Lease));
            return;
        };
        let mut stop = false;
        if !more {
            conn.receive = Receive::Idle;
        }
        match (result, lease) {
            (1.., Some(lease)) => {
                let (other_way, after) = match token.kind {
                    Kind::RecvBulk => (lease.len() < SMALL_BYTES, SMALL_AFTER),
                    _ => (lease.len() == lease.capacity(), BULK_AFTER),
                };
                // A multishot receive that is being stopped has spoken.
                let counts = conn.bulk == (token.kind == Kind::RecvBulk);
                conn.streak = if counts && other_way { conn.streak + 1 } else { 0 };
                let changes = conn.streak >= after;
                if changes {
                    conn.bulk = !conn.bulk;
                    conn.streak = 0;
                }
                let to_bulk = changes && conn.bulk;
                self.large_wanted |= to_bulk;
                conn.unread.push(lease);
                stop =
                    more && conn.receive != Receive::Stopping && (to_bulk || conn.unread.len() >= UNREAD_MAX);
            }
            (0, _) => conn.end = Some(End::Eof),
            // Bytes without a buffer, or more than it holds: not a kernel to go on with.
            (1.., None) => conn.end = Some(End::Failed(libc::EIO)),
            (error, _) => match -error {
                libc::ENOBUFS | libc::ENOMEM | libc::ECANCELED | libc::EINTR | libc::EAGAIN => {
                    self.starvations += u64::from(-error == libc::ENOBUFS);
                    // Nobody waits: the next call arms it. Somebody does: the driver will.
                    if conn.recv_waker.is_some() {
                        conn.receive = Receive::Starved;
                        self.starved.push_back(token.key);
                        return;
                    }
                }
                error => conn.end = Some(End::Failed(error)),
            },
        }
        self.wakes.extend(conn.recv_waker.take());
        if stop {
            conn.receive = Receive::Stopping;
            self.cancel(Token::new(Kind::Recv, token.key));
        } else if conn.end.is_some() {
            self.wakes.extend(conn.closed_waker.take());
        } else if conn.closed_waker.is_some() && conn.receive == Receive::Idle && !conn.hangup_armed {
            self.arm_hangup(token.key);
        }
    }

    /// Lends buffers to the kernel again, and arms who waited for them.
    pub(super) fn feed(&mut self) {
        self.small.refill();
        if self.large_wanted {
            self.large.refill();
        }
        // One buffer each: arming more would only bring them back here.
        let mut small = self.small.lent();
        let mut large = self.large.lent();
        for _ in 0..self.starved.len() {
            let Some(key) = self.starved.pop_front() else { break };
            let Some(conn) = self.conns.get(key) else { continue };
            if conn.receive != Receive::Starved {
                continue;
            }
            let budget = if conn.bulk { &mut large } else { &mut small };
            if *budget > 0 {
                *budget -= 1;
                self.arm(key);
            } else {
                self.starved.push_back(key);
            }
        }
    }

    /// Throws away what was received and not read; for a connection that closes.
    pub(super) fn discard_unread(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        while let Some(lease) = conn.unread.pop() {
            self.retired.push(Retired::Lease(lease));
        }
    }
}
