//! Sending monoio's loop through the kernel without a sleep.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::task::{Context, Poll};
use std::{future::Future, pin::Pin};

use monoio::net::UnixStream;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::write;

use crate::buf::LocalBoxFuture;
use crate::driver::bell::silence;

/// Treats any descriptor as one of monoio's streams, to wait for its readiness.
///
/// monoio waits only on its own socket types. Its `UnixStream::readable` is a poll of the
/// descriptor and asks for nothing socket-specific.
pub(super) fn pollable(fd: OwnedFd) -> io::Result<UnixStream> {
    // SAFETY: the descriptor is owned and handed over.
    UnixStream::from_std(unsafe { std::os::unix::net::UnixStream::from_raw_fd(fd.into_raw_fd()) })
}

/// Borrows the descriptor of one of monoio's streams.
pub(super) fn borrow(stream: &UnixStream) -> BorrowedFd<'_> {
    // SAFETY: the stream owns the descriptor and outlives the borrow.
    unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) }
}

/// An eventfd that is readable whenever the loop should not sleep.
pub(super) struct Kick {
    /// The wait that is under way. Before `stream` in order: it borrows nothing, but is simpler to
    /// reason about when dropped first.
    waiting: Option<LocalBoxFuture<'static, ()>>,
    stream: std::rc::Rc<UnixStream>,
    uring: bool,
}

impl Kick {
    pub(super) fn new(uring: bool) -> io::Result<Kick> {
        // On the ring the counter stays at one: a poll of the descriptor completes at once, always.
        let fd = eventfd(u32::from(uring), EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Kick { waiting: None, stream: std::rc::Rc::new(pollable(fd)?), uring })
    }

    /// Makes the coming sleep end at once and the root be polled after it.
    pub(super) fn arm(&mut self, cx: &mut Context<'_>) {
        if self.waiting.is_none() {
            let stream = std::rc::Rc::clone(&self.stream);
            self.waiting = Some(LocalBoxFuture::new(async move {
                let _ended = stream.readable(false).await;
            }));
        }
        self.settle(cx);
        if !self.uring {
            // epoll reports edges: the waker stands, now make one.
            let _full = write(self.stream_fd(), &1u64.to_ne_bytes());
        }
    }

    /// Takes note of a wait that has ended. Called at the start of each turn.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        let Some(waiting) = &mut self.waiting else { return };
        if let Poll::Ready(()) = Pin::new(waiting).poll(cx) {
            self.waiting = None;
            if !self.uring {
                silence(self.stream_fd());
            }
        }
    }

    fn stream_fd(&self) -> BorrowedFd<'_> {
        borrow(&self.stream)
    }
}
