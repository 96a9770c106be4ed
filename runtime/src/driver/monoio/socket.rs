//! A connected socket.

use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use monoio::io::{AsyncReadRent, AsyncWriteRent};
use monoio::net::UnixStream;

use super::Local;
use super::kick::{borrow, pollable};
use super::lent::{Receiving, Sending, SendingAll, recv_now};
use crate::buf::{Batch, Chunk, LEASE_LARGE, LEASE_SMALL, Lease};
use crate::net::SocketState;
use crate::time::sleep;

/// How long a receive waits before it asks an exhausted pool again.
const POOL_RETRY: Duration = Duration::from_millis(5);

/// A TCP or Unix stream socket.
pub(crate) struct Socket {
    /// Present until the drop, which may take it apart.
    io: ManuallyDrop<UnixStream>,
    uring: bool,
    /// An operation of this socket was started and has not been seen to end. Set at the start of
    /// an await and cleared after it, so it stays set if the future is dropped in between.
    waiting: bool,
    /// An operation was abandoned at some time, and may hold the descriptor for who knows how long.
    abandoned: bool,
    /// Size of the next lease, in bytes. Follows what arrives: it grows when a lease was filled,
    /// and shrinks when a small one would have done.
    want: usize,
}

impl Socket {
    pub(crate) fn adopt(local: &Local, fd: OwnedFd) -> io::Result<Socket> {
        // The ring waits inside its operations only on descriptors in blocking mode; epoll needs
        // the other. Accepted sockets come in the right mode.
        let nonblocking = rustix::fs::fcntl_getfl(&fd)?.contains(rustix::fs::OFlags::NONBLOCK);
        if nonblocking == local.uring {
            rustix::io::ioctl_fionbio(&fd, !local.uring)?;
        }
        Ok(Socket {
            io: ManuallyDrop::new(pollable(fd)?),
            uring: local.uring,
            waiting: false,
            abandoned: false,
            want: LEASE_SMALL,
        })
    }

    /// An operation begins.
    fn begin(&mut self) {
        self.abandoned |= self.waiting;
        self.waiting = true;
    }

    /// True on io_uring.
    pub(super) fn uring(&self) -> bool {
        self.uring
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        borrow(&self.io)
    }

    /// Waits for readiness, then receives by a system call.
    ///
    /// A receive on the ring would need a buffer per waiting connection, and could not be dropped
    /// without losing what it had received. Measured side by side (64 and 512 connections), a poll
    /// on the ring and `recv` cost what the ring's receive costs: a receive that has to wait is a
    /// poll inside the kernel as well, after a first try that finds nothing.
    pub(crate) async fn recv(&mut self, state: &SocketState) -> io::Result<Lease> {
        loop {
            self.begin();
            let ready = self.io.readable(true).await;
            self.waiting = false;
            ready?;
            let lease = loop {
                match Lease::take(self.want) {
                    Ok(lease) => break lease,
                    // The holders of the leases may be waiting like this one: a deadline frees theirs.
                    Err(_) if state.is_recv_expired() => return Err(io::ErrorKind::TimedOut.into()),
                    // Backpressure: the peer's bytes stay in the kernel until there is room.
                    Err(_) => {
                        self.want = LEASE_SMALL;
                        sleep(POOL_RETRY).await;
                    }
                }
            };
            let received =
                if self.uring { recv_now(self.raw_fd(), lease) } else { self.recv_once(lease).await };
            match received {
                Ok(lease) => {
                    self.learn(lease.len());
                    return Ok(lease);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// One try through monoio: only its own receive tells its epoll state that the socket is
    /// drained.
    async fn recv_once(&mut self, lease: Lease) -> io::Result<Lease> {
        let mut lease = Some(lease);
        std::future::poll_fn(|cx| {
            let Some(lease) = lease.take() else { unreachable!("ready at the first poll") };
            let receive = std::pin::pin!(self.io.read(Receiving::new(lease)));
            Poll::Ready(match receive.poll(cx) {
                Poll::Ready((received, buffer)) => received.map(|_| buffer.into_lease()),
                // On epoll nothing is in flight, so the operation and its lease are just dropped.
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            })
        })
        .await
    }

    fn learn(&mut self, n: usize) {
        if n == self.want {
            self.want = (self.want * 4).min(LEASE_LARGE);
        } else if n <= LEASE_SMALL {
            self.want = LEASE_SMALL;
        }
    }

    pub(crate) fn send(
        &mut self,
        chunk: Chunk,
        from: usize,
    ) -> impl Future<Output = (io::Result<usize>, Chunk)> {
        self.begin();
        let Socket { io, waiting, .. } = self;
        Map {
            future: io.write(Sending::new(chunk, from)),
            map: |(sent, buffer): (_, Sending)| {
                *waiting = false;
                (sent, buffer.into_chunk())
            },
        }
    }

    pub(crate) fn send_vectored(&mut self, batch: Batch) -> impl Future<Output = (io::Result<usize>, Batch)> {
        // Guard 7: this is `writev`, which raises SIGPIPE where `send` would not; the runtime
        // ignores that signal at start.
        self.begin();
        let Socket { io, waiting, .. } = self;
        Map {
            future: io.writev(SendingAll::new(batch)),
            map: |(sent, buffer): (_, SendingAll)| {
                *waiting = false;
                (sent, buffer.into_batch())
            },
        }
    }

    pub(crate) async fn writable(&mut self) -> io::Result<()> {
        self.begin();
        let ready = self.io.writable(false).await;
        self.waiting = false;
        ready
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: `io` is not used after this: `self` is being dropped.
        let io = unsafe { ManuallyDrop::take(&mut self.io) };
        if self.waiting || self.abandoned {
            // monoio closes when the last operation that holds the descriptor has ended.
            return drop(io);
        }
        // Guard 5: monoio's close is an operation on the ring, followed by a cancel of it that is
        // of no use. Nothing holds the descriptor, so take it out and close it here.
        // SAFETY: `into_raw_fd` gives up ownership of an open descriptor.
        drop(unsafe { OwnedFd::from_raw_fd(io.into_raw_fd()) });
    }
}

/// A future and what to make of its output. An `async` block would hold the inner future twice:
/// where it was captured and where it is awaited.
struct Map<F, M> {
    future: F,
    map: M,
}

impl<F: Future, T, M: FnMut(F::Output) -> T> Future for Map<F, M> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: `future` is pinned whenever `self` is: nothing here moves it, there is no `Drop`,
        // and `Map` is `Unpin` only if `F` is. `map` is only used by reference.
        let (future, map) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.map)
        };
        future.poll(cx).map(map)
    }
}
