//! Listeners: one multishot accept each.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::task::{Context, Poll, Waker};

use io_uring::{opcode, types};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::conn::remember;
use super::token::{Key, Kind, Token};
use super::{Inner, Retired};

/// Accepted sockets a listener holds before it is told to stop.
///
/// The kernel accepts as connections come; whoever takes them may be waiting for a permit. What is
/// in here is connected and unanswered, so the number is small; beyond it they wait in the
/// listener's backlog.
const ACCEPTED_MAX: usize = 64;

/// How often a listener that ends looks for what the kernel woke nobody else for. One look is enough unless connections
/// come all the time, and then the next one wakes whoever goes on.
const LOOKS_MAX: u8 = 8;

/// One listening socket.
pub(super) struct Listener {
    fd: OwnedFd,
    armed: bool,
    stopping: bool,
    accepted: VecDeque<OwnedFd>,
    /// Why the last accept ended. Told once: the next call tries again.
    error: Option<i32>,
    waker: Option<Waker>,
    /// Looks of [`Inner::poll_rest`] so far.
    looks: u8,
}

impl Listener {
    /// Connections accepted and not taken.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.accepted.len()
    }
}

impl Inner {
    /// Takes over a listening socket. Nothing is accepted before the first
    /// [`poll_accept`](Self::poll_accept).
    ///
    /// # Errors
    /// Hands the descriptor back when the slab is full.
    pub(super) fn add_listener(&mut self, fd: OwnedFd) -> Result<Key, OwnedFd> {
        self.listeners
            .insert(Listener {
                fd,
                armed: false,
                stopping: false,
                accepted: VecDeque::new(),
                error: None,
                waker: None,
                looks: 0,
            })
            .map_err(|listener| listener.fd)
    }

    /// The next connection.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` when limits are met: call again after a moment.
    /// `EINVAL` once the socket was shut down.
    pub(super) fn poll_accept(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<Result<OwnedFd, i32>> {
        let Some(listener) = self.listeners.get_mut(key) else {
            return Poll::Ready(Err(libc::EBADF));
        };
        if let Some(fd) = listener.accepted.pop_front() {
            return Poll::Ready(Ok(fd));
        }
        if let Some(error) = listener.error.take() {
            return Poll::Ready(Err(error));
        }
        remember(&mut listener.waker, cx.waker());
        if !listener.armed {
            self.arm_accept(key);
        }
        Poll::Pending
    }

    fn arm_accept(&mut self, key: Key) {
        let Some(listener) = self.listeners.get_mut(key) else { return };
        listener.armed = true;
        let entry = opcode::AcceptMulti::new(types::Fd(listener.fd.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(Token::new(Kind::Accept, key).bits());
        // SAFETY: a multishot accept is given no address buffer.
        unsafe { self.uring.push(&entry) };
    }

    /// The next of the connections accepted already; `None` once the kernel has stopped, which it is told here, and
    /// all are taken.
    ///
    /// The kernel wakes one of those that wait for a connection. Where another process accepts from the same socket and the
    /// one that was woken is this one, which has just stopped, the connection would wait until the next one comes. So
    /// what is there when the accept has ended is accepted here too.
    pub(super) fn poll_rest(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<Option<OwnedFd>> {
        let Some(listener) = self.listeners.get_mut(key) else { return Poll::Ready(None) };
        if let Some(fd) = listener.accepted.pop_front() {
            return Poll::Ready(Some(fd));
        }
        remember(&mut listener.waker, cx.waker());
        if !listener.armed {
            if listener.looks == LOOKS_MAX || !is_readable(&listener.fd) {
                return Poll::Ready(None);
            }
            listener.looks += 1;
            self.arm_accept(key);
            return Poll::Pending;
        }
        if !std::mem::replace(&mut listener.stopping, true) {
            self.cancel(Token::new(Kind::Accept, key));
        }
        Poll::Pending
    }

    /// A connection was accepted, or accepting has ended.
    pub(super) fn on_accept(&mut self, key: Key, result: i32, more: bool) {
        let accepted = (result >= 0).then(|| {
            // SAFETY: a successful accept gives a new descriptor to us and nobody else.
            unsafe { OwnedFd::from_raw_fd(result) }
        });
        let Some(listener) = self.listeners.get_mut(key) else {
            // The listener is gone: so is whoever would have served this connection.
            self.retired.extend(accepted.map(Retired::Descriptor));
            return;
        };
        if !more {
            listener.armed = false;
            listener.stopping = false;
        }
        match accepted {
            Some(fd) => listener.accepted.push_back(fd),
            None => match -result {
                // Told to stop. Whoever waits calls again and arms it.
                libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
                error => listener.error = Some(error),
            },
        }
        let stop = more && !listener.stopping && listener.accepted.len() >= ACCEPTED_MAX;
        self.wakes.extend(listener.waker.take());
        if stop {
            listener.stopping = true;
            self.cancel(Token::new(Kind::Accept, key));
        }
    }

    /// The listener was dropped. Connections accepted and not taken are closed.
    pub(super) fn remove_listener(&mut self, key: Key) {
        let Some(mut listener) = self.listeners.remove(key) else { return };
        self.wakes.extend(listener.waker.take());
        self.retired.extend(listener.accepted.drain(..).map(Retired::Descriptor));
        if !listener.armed {
            self.retired.push(Retired::Descriptor(listener.fd));
            return;
        }
        if !listener.stopping {
            self.cancel(Token::new(Kind::Accept, key));
        }
        // Behind the accept, which may not have been submitted yet: the number must not be another
        // listener's by then.
        self.close_descriptor(listener.fd);
    }
}

/// True if a connection waits to be accepted.
fn is_readable(fd: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(fd, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}
