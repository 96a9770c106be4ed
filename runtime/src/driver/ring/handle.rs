//! What the layer above holds: sockets, listeners and connects as futures.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use io_uring::{opcode, squeue, types};
use rustix::net::Shutdown;

use super::recv::Received;
use super::send::{BEHIND_MAX, Payload};
use super::token::Key;
use super::{Inner, Ring};
use crate::buf::{Chunk, Chunks, Lease};
use crate::net::SocketState;
use crate::time::sleep;

/// How long the end of a stream waits for a lease to be told by, when the pool is at its bound.
const POOL_RETRY: Duration = Duration::from_millis(5);

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
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open while `self` lives (see the field).
        unsafe { BorrowedFd::borrow_raw(self.fd) }
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

    /// As [`recv`](Self::recv) in the boundary's terms: an empty lease is the end.
    pub(crate) async fn recv_lease(&self) -> io::Result<Lease> {
        match self.recv().await? {
            Some(lease) => Ok(lease),
            None => loop {
                match Lease::take(0) {
                    Ok(lease) => return Ok(lease),
                    Err(_) => sleep(POOL_RETRY).await,
                }
            },
        }
    }

    /// Sends all of `payload`. Up to [`BEHIND_MAX`] bytes it returns once they are with the driver;
    /// an error then shows in the next call.
    ///
    /// # Cancellation
    /// Before the payload is taken nothing was sent; after that all of it will be, unless the
    /// connection fails.
    ///
    /// `progress` is called each time the socket has taken some bytes of what was waited for.
    pub(crate) async fn send(&self, payload: Payload, progress: impl Fn()) -> io::Result<()> {
        let len = payload.len();
        if len == 0 {
            return Ok(());
        }
        self.send_idle(&progress).await?;
        self.ring.with(|inner| inner.start_send(self.key, payload));
        if len > BEHIND_MAX {
            self.send_idle(&progress).await?;
        }
        Ok(())
    }

    /// [`send`](Self::send) in the boundary's terms. What was taken is not given back: the chunk
    /// that comes back is empty.
    pub(crate) async fn send_chunk(
        &mut self,
        chunk: Chunk,
        from: usize,
        state: &Rc<SocketState>,
    ) -> (io::Result<usize>, Chunk) {
        debug_assert_eq!(from, 0, "a send takes all or fails");
        let len = chunk.len();
        let sent = self.send(Payload::One(chunk), || state.send_goes_on()).await;
        (sent.map(|()| len), Chunk::Static(&[]))
    }

    /// As [`send_chunk`](Self::send_chunk), over several.
    pub(crate) async fn send_chunks(
        &mut self,
        chunks: Chunks,
        from: usize,
        state: &Rc<SocketState>,
    ) -> (io::Result<usize>, Chunks) {
        debug_assert_eq!(from, 0, "a send takes all or fails");
        let payload = Payload::Many(chunks);
        let len = payload.len();
        let sent = self.send(payload, || state.send_goes_on()).await;
        (sent.map(|()| len), Chunks::new())
    }

    /// Waits until no send is in hand.
    async fn send_idle(&self, progress: &impl Fn()) -> io::Result<()> {
        let mut woken = false;
        poll_fn(|cx| {
            let idle = self.poll_send_idle(cx);
            // Woken with the send still in hand: the socket took some.
            if woken && idle.is_pending() {
                progress();
            }
            woken = true;
            idle
        })
        .await
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
        Ok(Self {
            ring: Rc::clone(ring),
            key,
        })
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
