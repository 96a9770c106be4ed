//! What the layer above holds: sockets, listeners and connects as futures.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use io_uring::{opcode, squeue, types};
use rustix::net::{Shutdown, getpeername};

use super::recv::Received;
use super::send::{BEHIND_MAX, Payload};
use super::token::Key;
use super::{Inner, Ring};
use crate::buf::Lease;
use crate::driver::has_nothing;

/// A connected stream socket. Dropping it finishes the send in hand, then closes.
pub(crate) struct Socket {
    ring: Rc<Ring>,
    key: Key,
    /// For options and addresses. Invariant: open for as long as `key` is valid, which is at least
    /// until this is dropped.
    fd: RawFd,
}

impl Socket {
    /// Takes over a connected socket.
    ///
    /// # Errors
    /// `ENOBUFS` if this core has as many connections as it may; the socket is closed.
    pub(crate) fn new(ring: &Rc<Ring>, fd: OwnedFd) -> io::Result<Self> {
        let raw = fd.as_raw_fd();
        let key = ring.with(|inner| inner.add_conn(fd)).map_err(|fd| {
            drop(fd);
            io::Error::from_raw_os_error(libc::ENOBUFS)
        })?;
        Ok(Self { ring: Rc::clone(ring), key, fd: raw })
    }

    /// The descriptor, for `getsockopt` and the like.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open while `self` lives (see the field).
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    pub(super) fn ring(&self) -> &Rc<Ring> {
        &self.ring
    }

    /// Names the connection to [`Ring::shutdown`] without keeping it alive.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The next bytes; an empty lease at the end of the stream.
    ///
    /// # Errors
    /// The socket's; `OutOfMemory` for an end that cannot be told because the pool is at its bound.
    ///
    /// # Cancellation
    /// Nothing is lost: bytes that arrive later wait for the next call.
    pub(crate) fn recv(&self) -> Recv<'_> {
        Recv { socket: self }
    }

    /// True if nothing has come that was not received, not even the end. Has the kernel tell from then on.
    pub(crate) fn is_quiet(&self) -> bool {
        match self.ring.with(|inner| inner.is_quiet(self.key)) {
            Some(quiet) => quiet,
            // Nobody has asked the kernel: what there is, is still with it.
            None => {
                let quiet = has_nothing(self.fd());
                let asked = Pin::new(&mut self.recv()).poll(&mut Context::from_waker(Waker::noop()));
                quiet && asked.is_pending()
            }
        }
    }

    /// Sends everything in `pieces`. Up to [`BEHIND_MAX`] bytes it is done once they are with the
    /// driver; an error then shows in the next call. `goes_on` is called while it waits, each time the
    /// socket has taken some more.
    ///
    /// Outputs how many bytes that were: all, or an error.
    ///
    /// # Cancellation
    /// Before the pieces are taken nothing was sent; after that all of them will be, unless the
    /// connection fails.
    pub(crate) fn send<P: Into<Payload>, G: Fn()>(&self, pieces: P, goes_on: G) -> Send<'_, P, G> {
        Send { socket: self, goes_on, pieces: Some(pieces), len: 0, waited: false }
    }

    /// Ready once no send is in hand. Wakes with every piece of progress as well.
    pub(crate) fn poll_send_idle(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let idle = ready!(self.ring.with(|inner| inner.poll_send_idle(self.key, cx)));
        Poll::Ready(idle.map_err(io::Error::from_raw_os_error))
    }

    /// Waits until a connect that is under way has ended, either way.
    ///
    /// # Cancellation
    /// The wait is cancelled.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        let events = u32::try_from(libc::POLLOUT).unwrap_or(0);
        let entry = opcode::PollAdd::new(types::Fd(self.fd), events).build();
        // SAFETY: a poll points to no memory.
        let operation = unsafe { Operation::start(&self.ring, entry)? };
        match operation.await {
            0.. => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        }
    }

    /// Ready once the peer has closed, reset, or finished sending. Reads nothing.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.ring.with(|inner| inner.poll_closed(self.key, cx))
    }
}

/// See [`Socket::recv`].
pub(crate) struct Recv<'a> {
    socket: &'a Socket,
}

impl Future for Recv<'_> {
    type Output = io::Result<Lease>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Lease>> {
        let Socket { ring, key, .. } = self.socket;
        Poll::Ready(match ready!(ring.with(|inner| inner.poll_recv(*key, cx))) {
            Ok(Received::Bytes(lease)) => Ok(lease),
            Ok(Received::Eof) => Lease::take(0).map_err(io::Error::from),
            Err(error) => Err(io::Error::from_raw_os_error(error)),
        })
    }
}

/// See [`Socket::send`]. Written out because it is part of every connection's task: as an `async`
/// block it would hold the pieces three times.
pub(crate) struct Send<'a, P, G> {
    socket: &'a Socket,
    goes_on: G,
    /// What to send, until the driver has it.
    pieces: Option<P>,
    /// Bytes in the pieces, once the driver has them.
    len: usize,
    /// A wait for the send in hand has begun.
    waited: bool,
}

// No field is pinned: nothing here is polled in place.
impl<P, G> Unpin for Send<'_, P, G> {}

impl<P: Into<Payload>, G: Fn()> Future for Send<'_, P, G> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Socket { ring, key, .. } = this.socket;
        loop {
            match this.socket.poll_send_idle(cx) {
                Poll::Pending => {
                    // Woken with the send still in hand: the socket took some of it.
                    if std::mem::replace(&mut this.waited, true) {
                        (this.goes_on)();
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            let Some(pieces) = this.pieces.take() else {
                return Poll::Ready(Ok(this.len));
            };
            let payload = pieces.into();
            this.len = payload.left();
            if this.len > 0 {
                ring.with(|inner| inner.start_send(*key, payload));
            }
            if this.len <= BEHIND_MAX {
                return Poll::Ready(Ok(this.len));
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.ring.with(|inner| {
            let now = inner.now;
            inner.close(self.key, now);
        });
    }
}

impl Ring {
    /// Shuts down one or both sides of a connection. The writing side waits for the send in hand.
    ///
    /// # Errors
    /// `NotConnected` if the connection or its peer is gone.
    pub(crate) fn shutdown(&self, key: Key, how: Shutdown) -> io::Result<()> {
        self.with(|inner| inner.shutdown(key, how))
    }
}

/// A listening socket.
pub(crate) struct Acceptor {
    ring: Rc<Ring>,
    key: Key,
    /// For addresses. Invariant: open until this is dropped.
    fd: RawFd,
}

impl Acceptor {
    /// Takes over a listening socket.
    ///
    /// # Errors
    /// `ENOBUFS` if this core has as many listeners as it may.
    pub(crate) fn new(ring: &Rc<Ring>, fd: OwnedFd) -> io::Result<Self> {
        // An inherited one may be in the other mode, in which the kernel does not wait but completes at once.
        rustix::io::ioctl_fionbio(&fd, false)?;
        let raw = fd.as_raw_fd();
        let key = ring.with(|inner| inner.add_listener(fd)).map_err(|fd| {
            drop(fd);
            io::Error::from_raw_os_error(libc::ENOBUFS)
        })?;
        Ok(Self { ring: Rc::clone(ring), key, fd: raw })
    }

    /// The descriptor, for `getsockname` and the like.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open while `self` lives (see the field).
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// The next connection, and its peer's address if it is an internet one.
    ///
    /// # Cancellation
    /// Nothing is lost: a connection accepted later waits for the next call.
    pub(crate) async fn accept(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        loop {
            let accepted = poll_fn(|cx| self.ring.with(|inner| inner.poll_accept(self.key, cx))).await;
            let fd = accepted.map_err(io::Error::from_raw_os_error)?;
            // A multishot accept has no room for addresses: they cost a system call per connection.
            // It fails for one that was reset since: nobody is left to serve.
            if let Ok(peer) = getpeername(&fd) {
                return Ok((fd, peer.and_then(|peer| SocketAddr::try_from(peer).ok())));
            }
        }
    }

    /// What the kernel had accepted when it was told to stop, which it is at the first call.
    ///
    /// # Cancellation
    /// Nothing is lost: the next call goes on.
    pub(crate) async fn rest(&self) -> Option<(OwnedFd, Option<SocketAddr>)> {
        loop {
            let fd = poll_fn(|cx| self.ring.with(|inner| inner.poll_rest(self.key, cx))).await?;
            if let Ok(peer) = getpeername(&fd) {
                return Some((fd, peer.and_then(|peer| SocketAddr::try_from(peer).ok())));
            }
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.ring.with(|inner| inner.remove_listener(self.key));
    }
}

/// A single operation as a future. Dropping it cancels the operation.
struct Operation {
    ring: Rc<Ring>,
    key: Key,
}

impl Operation {
    /// # Safety
    /// As [`Inner::start_single`].
    unsafe fn start(ring: &Rc<Ring>, entry: squeue::Entry) -> io::Result<Self> {
        // SAFETY: the caller's promise is the same.
        let start = |inner: &mut Inner| unsafe { inner.start_single(entry) };
        let key = ring.with(start).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOBUFS))?;
        Ok(Self { ring: Rc::clone(ring), key })
    }
}

impl Future for Operation {
    type Output = i32;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<i32> {
        self.ring.with(|inner| inner.poll_single(self.key, cx))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.ring.with(|inner| inner.drop_single(self.key));
    }
}
