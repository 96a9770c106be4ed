//! Sends without a copy, for whoever has asked for them: see
//! [`RingOptions::zero_copy_from`](crate::launch::RingOptions::zero_copy_from).
//!
//! The network card reads the memory itself, so a send has two ends. Its completion says how much
//! was queued, and the connection goes on; its notification, which may come long after and after the
//! connection has gone, says that the memory is free. So what is sent lives in a slot of its own, not
//! in the connection: until the last notification of the last of the operations it took.
//!
//! What cannot be sent so is copied, by the same slot: a socket that knows no such sends (a Unix
//! one), or pages that may not be locked (`RLIMIT_MEMLOCK`).

use io_uring::{cqueue, squeue};

use super::conn::Conn;
use super::send::{Flight, How, Payload, Sending};
use super::token::{Key, Kind, Token};
use super::{Inner, Retired};

/// Sends of one core at most that lend their memory so. Beyond it sends are copied.
pub(super) const SLOTS_MAX: u32 = 4096;

/// Bytes of one core at most that wait for their notifications: peers that acknowledge nothing
/// must not keep memory without bound. Beyond it sends are copied.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// One send, from its first operation to its last notification.
pub(super) struct ZeroCopy {
    flight: Flight,
    /// Bytes it had at first.
    bytes: usize,
    /// Completions that promised a notification which has not come.
    notifications: u32,
    /// An operation is under way, and the connection waits for it.
    sending: bool,
    /// What is left is sent by copies.
    copies: bool,
}

impl ZeroCopy {
    fn entry(&mut self, conn: &Conn, slot: Key) -> squeue::Entry {
        let how = if self.copies { How::Copied(0) } else { How::Lent };
        self.flight.entry(conn, how).user_data(Token::new(Kind::ZeroCopy, slot).bits())
    }
}

impl Inner {
    /// Submits a send without a copy, or hands the payload back if it is to be copied.
    pub(super) fn start_zero_copy(&mut self, key: Key, payload: Payload) -> Result<(), Payload> {
        let bytes = payload.left();
        let Some(conn) = self.conns.get_mut(key).filter(|conn| !conn.copies) else { return Err(payload) };
        if bytes > BYTES_MAX - self.zero_copy_bytes.min(BYTES_MAX) {
            return Err(payload);
        }
        let flight = Flight::new(key, payload, &mut self.spare_headers);
        let send = ZeroCopy { flight, bytes, notifications: 0, sending: true, copies: false };
        let slot =
            self.zero_copies.insert(send).map_err(|send| send.flight.recycle(&mut self.spare_headers))?;
        self.zero_copy_bytes += bytes;
        conn.sending = Sending::Lent;
        if let Some(send) = self.zero_copies.get_mut(slot) {
            let entry = send.entry(conn, slot);
            // SAFETY: the slot keeps what the entry points to until its completion and the
            // notification that may follow.
            unsafe { self.uring.push(&entry) };
        }
        Ok(())
    }

    /// An operation of such a send has completed, or its memory is free again.
    pub(super) fn on_zero_copy(&mut self, slot: Key, completion: &cqueue::Entry) {
        let Some(send) = self.zero_copies.get_mut(slot) else { return };
        let flags = completion.flags();
        if cqueue::notif(flags) {
            send.notifications -= 1;
            return self.end_zero_copy(slot);
        }
        send.notifications += u32::from(cqueue::more(flags));
        let key = send.flight.key();
        let Some(conn) = self.conns.get_mut(key) else {
            unreachable!("a connection is not closed while it sends")
        };
        let result = completion.result();
        let failed = match usize::try_from(result) {
            Ok(sent) => {
                send.flight.sent(sent);
                None
            }
            Err(_) if matches!(-result, libc::EAGAIN | libc::EINTR) => None,
            Err(_) if send.copies => Some(-result),
            // Not with this socket, or this kernel: nor later.
            Err(_) if matches!(-result, libc::EOPNOTSUPP | libc::EINVAL) => {
                (send.copies, conn.copies) = (true, true);
                None
            }
            // Not now: too many pages are locked.
            Err(_) if matches!(-result, libc::ENOMEM | libc::ENOBUFS) => {
                send.copies = true;
                None
            }
            Err(_) => Some(-result),
        };
        if failed.is_none() && send.flight.left() > 0 {
            let entry = send.entry(conn, slot);
            // Whoever waits sees that it goes on: a stall is a send that does not.
            if result > 0 {
                self.wakes.extend(conn.send_waker.take());
            }
            // SAFETY: as in `start_zero_copy`.
            return unsafe { self.uring.push(&entry) };
        }
        send.sending = false;
        conn.send_error = failed;
        conn.sending = Sending::Idle;
        self.send_ended(key);
        self.end_zero_copy(slot);
    }

    /// Frees the slot once nothing is under way and nothing is lent.
    fn end_zero_copy(&mut self, slot: Key) {
        let over = |send: &ZeroCopy| !send.sending && send.notifications == 0;
        if !self.zero_copies.get(slot).is_some_and(over) {
            return;
        }
        if let Some(send) = self.zero_copies.remove(slot) {
            self.zero_copy_bytes -= send.bytes;
            let payload = send.flight.recycle(&mut self.spare_headers);
            self.retired.push(Retired::Payload(payload));
        }
    }
}
