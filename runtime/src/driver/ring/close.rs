//! Ends of connections: shutdown, close, and hearing that the peer is gone.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use io_uring::{opcode, squeue, types};
use rustix::net::Shutdown;

use super::Inner;
use super::conn::{End, Receive, remember};
use super::send::Sending;
use super::token::{Key, Kind, Token};

/// Longest a dropped stream's last send may take before the connection is cut.
///
/// The write stall limit of LIMITS.md: whoever drops a stream no longer watches it.
pub(super) const LINGER: Duration = Duration::from_secs(30);

impl Inner {
    /// Submits a cancel of the operation `target` names. Nobody waits for the cancel itself.
    ///
    /// By token, not by descriptor: the kernel finds a token in a hash table, and a descriptor
    /// only by walking every pending operation of the core.
    pub(super) fn cancel(&mut self, target: Token) {
        let entry = opcode::AsyncCancel::new(target.bits())
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Token::DETACHED);
        // SAFETY: a cancel points to no memory.
        unsafe { self.uring.push(&entry) };
    }

    /// Shuts down one or both sides, the writing side after the send in hand.
    ///
    /// Always a system call, never an entry of the ring: the kernel hands a shutdown to a worker, which
    /// looks the descriptor up when it comes to it. By then the connection may be closed and the number given to
    /// the next one, which would be shut down in its place. Behind a send of this turn it waits
    /// until that is decided, at the end of the turn, and its outcome is not known.
    pub(super) fn shutdown(&mut self, key: Key, how: Shutdown) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(key) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match (&conn.sending, how) {
            (Sending::Trying(_), Shutdown::Write | Shutdown::Both) => {
                // The stronger of two wishes stands.
                if conn.shutdown_after_send != Some(Shutdown::Both) {
                    conn.shutdown_after_send = Some(how);
                }
                self.hurry = true;
            }
            (Sending::Rest(_) | Sending::Lent, Shutdown::Write) => {
                conn.shutdown_after_send = Some(how);
            }
            _ => rustix::net::shutdown(&conn.fd, how)?,
        }
        if how != Shutdown::Write && conn.receive == Receive::Starved {
            // No receive is under way that could end, and the holders of the buffers may wait like this one.
            conn.receive = Receive::Idle;
            conn.end = Some(End::Eof);
            self.wakes.extend(conn.recv_waker.take());
        }
        Ok(())
    }

    /// The stream was dropped. Finishes the send in hand for at most [`LINGER`], then closes.
    pub(super) fn close(&mut self, key: Key, now: Instant) {
        self.discard_unread(key);
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.closing = true;
        let wakers = [conn.recv_waker.take(), conn.send_waker.take(), conn.closed_waker.take()];
        self.wakes.extend(wakers.into_iter().flatten());
        match conn.sending {
            Sending::Idle => self.close_now(key),
            // Decided by the end of this turn; the clock starts if something is left then.
            Sending::Trying(_) => self.hurry = true,
            Sending::Rest(_) | Sending::Lent => self.lingering.push_back((now + LINGER, key)),
        }
    }

    /// Cancels what is armed on the socket, closes it and frees the slot.
    ///
    /// Completions still to come carry the old generation: their buffers go back to the pool and
    /// nothing else happens.
    pub(super) fn close_now(&mut self, key: Key) {
        self.discard_unread(key);
        let Some(conn) = self.conns.remove(key) else { return };
        debug_assert!(matches!(conn.sending, Sending::Idle), "its memory is with the kernel");
        // An armed operation holds the socket open: without the cancel the peer would not hear of
        // the close until it sends something.
        match conn.receive {
            Receive::Multishot => self.cancel(Token::new(Kind::Recv, key)),
            Receive::Bulk => self.cancel(Token::new(Kind::RecvBulk, key)),
            Receive::Idle | Receive::Stopping | Receive::Starved => {}
        }
        if conn.hangup_armed {
            self.cancel(Token::new(Kind::Hangup, key));
        }
        self.leave_file(key, conn.place);
        self.close_descriptor(conn.fd);
    }

    /// Closes a descriptor behind all that was submitted on it.
    pub(super) fn close_descriptor(&mut self, fd: OwnedFd) {
        let entry = opcode::Close::new(types::Fd(fd.into_raw_fd()))
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Token::DETACHED);
        // SAFETY: a close points to no memory. The descriptor was given up just above and is
        // closed by this entry alone.
        unsafe { self.uring.push(&entry) };
    }

    /// Cuts connections whose last send took longer than [`LINGER`].
    pub(super) fn cut_lingering(&mut self, now: Instant) {
        while let Some(&(deadline, key)) = self.lingering.front() {
            // One that finished in time is gone from the slab: its entry is only dropped.
            if self.conns.get(key).is_some() {
                if deadline > now {
                    break;
                }
                // An error means that the peer was faster.
                let _gone = self.shutdown(key, Shutdown::Both);
            }
            self.lingering.pop_front();
        }
    }

    /// Ready once the peer has closed, reset or finished sending.
    pub(super) fn poll_closed(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<()> {
        let Some(conn) = self.conns.get_mut(key) else {
            return Poll::Ready(());
        };
        if conn.peer_gone() {
            return Poll::Ready(());
        }
        remember(&mut conn.closed_waker, cx.waker());
        // A receive that is armed hears the end by itself.
        if matches!(conn.receive, Receive::Idle) && !conn.hangup_armed {
            self.arm_hangup(key);
        }
        Poll::Pending
    }

    /// Polls for the peer's end without touching what it sent.
    pub(super) fn arm_hangup(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.hangup_armed = true;
        let events = u32::try_from(libc::POLLRDHUP).unwrap_or(0);
        let entry = opcode::PollAdd::new(types::Fd(conn.fd.as_raw_fd()), events)
            .build()
            .user_data(Token::new(Kind::Hangup, key).bits());
        // SAFETY: a poll points to no memory.
        unsafe { self.uring.push(&entry) };
    }

    /// The hang-up poll has fired.
    pub(super) fn on_hangup(&mut self, key: Key, result: i32) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.hangup_armed = false;
        if result > 0 {
            conn.hung_up = true;
        }
        self.wakes.extend(conn.closed_waker.take());
    }
}
