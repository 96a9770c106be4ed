//! What the layer above holds: sockets, listeners and connects as futures.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use io_uring::{opcode, squeue, types};
use socket2::SockAddr;

use super::recv::Received;
use super::send::{BEHIND_MAX, Payload};
use super::single::{Hold, Yields};
use super::token::Key;
use super::{Inner, Ring};
use crate::buf::Lease;

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
        Ok(Self {
            ring: Rc::clone(ring),
            key,
            fd: raw,
        })
    }

    /// The descriptor, for `getsockopt` and the like.
    pub(crate) fn as_raw_fd(&self) -> RawFd {
        self.fd
    }

    /// Names the connection to [`Ring::shutdown`] without keeping it alive.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The next bytes; `None` at the end of the stream.
    ///
    /// # Cancellation
    /// Nothing is lost: bytes that arrive later wait for the next call.
    pub(crate) async fn recv(&self) -> io::Result<Option<Lease>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// See [`recv`](Self::recv).
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>> {
        let received = ready!(self.ring.with(|inner| inner.poll_recv(self.key, cx)));
        Poll::Ready(match received {
            Ok(Received::Bytes(lease)) => Ok(Some(lease)),
            Ok(Received::Eof) => Ok(None),
            Err(error) => Err(io::Error::from_raw_os_error(error)),
        })
    }

    /// Sends all of `payload`. Up to [`BEHIND_MAX`] bytes it returns once they are with the driver;
    /// an error then shows in the next call.
    ///
    /// # Cancellation
    /// Before the payload is taken nothing was sent; after that all of it will be, unless the
    /// connection fails.
    pub(crate) async fn send(&self, payload: Payload) -> io::Result<()> {
        let len = payload.len();
        if len == 0 {
            return Ok(());
        }
        poll_fn(|cx| self.poll_send_idle(cx)).await?;
        self.ring.with(|inner| inner.start_send(self.key, payload));
        if len > BEHIND_MAX {
            poll_fn(|cx| self.poll_send_idle(cx)).await?;
        }
        Ok(())
    }

    /// Ready once no send is in hand.
    pub(crate) fn poll_send_idle(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let idle = ready!(self.ring.with(|inner| inner.poll_send_idle(self.key, cx)));
        Poll::Ready(idle.map_err(io::Error::from_raw_os_error))
    }

    /// Waits until the peer has closed, reset, or finished sending. Reads nothing.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub(crate) async fn closed(&self) {
        poll_fn(|cx| self.ring.with(|inner| inner.poll_closed(self.key, cx))).await;
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
    /// Shuts down one or both sides of a connection, if it still exists. `how` is `SHUT_RD`,
    /// `SHUT_WR` or `SHUT_RDWR`; the writing side alone waits for the send in hand.
    pub(crate) fn shutdown(&self, key: Key, how: i32) {
        self.with(|inner| inner.shutdown(key, how));
    }
}

/// A listening socket.
pub(crate) struct Acceptor {
    ring: Rc<Ring>,
    key: Key,
}

impl Acceptor {
    /// Takes over a listening socket.
    ///
    /// # Errors
    /// `ENOBUFS` if this core has as many listeners as it may.
    pub(crate) fn new(ring: &Rc<Ring>, fd: OwnedFd) -> io::Result<Self> {
        let key = ring.with(|inner| inner.add_listener(fd)).map_err(|fd| {
            drop(fd);
            io::Error::from_raw_os_error(libc::ENOBUFS)
        })?;
        Ok(Self {
            ring: Rc::clone(ring),
            key,
        })
    }

    /// The next connection.
    ///
    /// # Cancellation
    /// Nothing is lost: a connection accepted later waits for the next call.
    pub(crate) async fn accept(&self) -> io::Result<OwnedFd> {
        poll_fn(|cx| self.ring.with(|inner| inner.poll_accept(self.key, cx)))
            .await
            .map_err(io::Error::from_raw_os_error)
    }

    /// Ends accepting; a pending accept fails with `ConnectionAborted`.
    pub(crate) fn close(&self) {
        self.ring.with(|inner| inner.close_listener(self.key));
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
    unsafe fn start(ring: &Rc<Ring>, entry: squeue::Entry, hold: Hold, yields: Yields) -> io::Result<Self> {
        // SAFETY: the caller's promise is the same.
        let start = |inner: &mut Inner| unsafe { inner.start_single(entry, hold, yields) };
        let key = ring.with(start).map_err(|hold| {
            drop(hold);
            io::Error::from_raw_os_error(libc::ENOBUFS)
        })?;
        Ok(Self {
            ring: Rc::clone(ring),
            key,
        })
    }
}

impl Future for Operation {
    type Output = (i32, Hold);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(i32, Hold)> {
        self.ring.with(|inner| inner.poll_single(self.key, cx))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.ring.with(|inner| inner.drop_single(self.key));
    }
}

/// Connects `socket` to `address`.
///
/// # Errors
/// The socket's error; `ENOBUFS` with too many operations in flight.
///
/// # Cancellation
/// The connect is cancelled, the socket closed once the kernel has let go of it.
pub(crate) async fn connect(ring: &Rc<Ring>, socket: OwnedFd, address: SockAddr) -> io::Result<OwnedFd> {
    let address = Box::new(address);
    let entry = opcode::Connect::new(types::Fd(socket.as_raw_fd()), address.as_ptr().cast(), address.len()).build();
    // SAFETY: the address is boxed and moves into the hold, as does the socket.
    let operation = unsafe { Operation::start(ring, entry, Hold::Connect(socket, address), Yields::Number)? };
    match operation.await {
        (0.., Hold::Connect(socket, _)) => Ok(socket),
        (error, _) => Err(io::Error::from_raw_os_error(-error)),
    }
}
