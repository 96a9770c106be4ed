//! A connected socket.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use monoio::io::{AsyncReadRent, AsyncWriteRent};
use monoio::net::UnixStream;

use super::Local;
use super::kick::{borrow, pollable};
use super::lent::{Receiving, Sending, SendingAll, recv_now};
use crate::buf::{Chunk, Chunks, LEASE_LARGE, LEASE_SMALL, Lease};
use crate::net::SocketState;
use crate::time::sleep;

/// How long a receive waits before it asks an exhausted pool again.
const POOL_RETRY: Duration = Duration::from_millis(5);

/// A TCP or Unix stream socket.
pub(crate) struct Socket {
    io: UnixStream,
    uring: bool,
    /// Size of the next lease, in bytes. Follows what arrives: it grows when a lease was filled,
    /// and shrinks when a small one would have done.
    want: u32,
}

impl Socket {
    pub(crate) fn adopt(local: &Local, fd: OwnedFd) -> io::Result<Socket> {
        // The ring waits inside its operations only on descriptors in blocking mode; epoll needs
        // the other. Accepted sockets come in the right mode.
        let nonblocking = rustix::fs::fcntl_getfl(&fd)?.contains(rustix::fs::OFlags::NONBLOCK);
        if nonblocking == local.uring {
            rustix::io::ioctl_fionbio(&fd, !local.uring)?;
        }
        Ok(Socket { io: pollable(fd)?, uring: local.uring, want: LEASE_SMALL as u32 })
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        borrow(&self.io)
    }

    pub(crate) async fn recv(&mut self, _state: &SocketState) -> io::Result<Lease> {
        loop {
            self.io.readable(true).await?;
            let mut lease = loop {
                match Lease::take(self.want as usize) {
                    Ok(lease) => break lease,
                    // Backpressure: the peer's bytes stay in the kernel until there is room.
                    Err(_) => sleep(POOL_RETRY).await,
                }
            };
            let received = if self.uring {
                recv_now(self.raw_fd(), &mut lease)
            } else {
                // Only monoio's own receive tells its epoll state that the socket is drained.
                match poll_once(self.io.read(Receiving::new(lease))).await {
                    Some((received, buffer)) => {
                        lease = buffer.into_lease();
                        received
                    }
                    None => continue,
                }
            };
            match received {
                Ok(n) => {
                    self.learn(n);
                    return Ok(lease);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn learn(&mut self, n: usize) {
        let n = n as u32;
        if n == self.want {
            self.want = (self.want * 4).min(LEASE_LARGE as u32);
        } else if n <= LEASE_SMALL as u32 {
            self.want = LEASE_SMALL as u32;
        }
    }

    pub(crate) fn send(
        &mut self,
        chunk: Chunk,
        from: usize,
    ) -> impl Future<Output = (io::Result<usize>, Chunk)> {
        Map {
            future: self.io.write(Sending::new(chunk, from)),
            map: |(sent, buffer): (_, Sending)| (sent, buffer.into_chunk()),
        }
    }

    pub(crate) fn send_vectored(
        &mut self,
        chunks: Chunks,
        from: usize,
    ) -> impl Future<Output = (io::Result<usize>, Chunks)> {
        // Guard 7: this is `writev`, which raises SIGPIPE where `send` would not; the runtime
        // ignores that signal at start.
        Map {
            future: self.io.writev(SendingAll::new(chunks, from)),
            map: |(sent, buffer): (_, SendingAll)| (sent, buffer.into_chunks()),
        }
    }

    pub(crate) async fn writable(&mut self) -> io::Result<()> {
        self.io.writable(false).await
    }
}

/// Polls once; `None` and a dropped future if it is not ready.
async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A future and what to make of its output. An `async` block would hold the inner future twice:
/// where it was captured and where it is awaited.
struct Map<F, M> {
    future: F,
    map: M,
}

impl<F: Future, T, M: Fn(F::Output) -> T> Future for Map<F, M> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: `future` is pinned whenever `self` is: nothing here moves it, there is no `Drop`,
        // and `Map` is `Unpin` only if `F` is. `map` is only used by reference.
        let (future, map) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &this.map)
        };
        future.poll(cx).map(map)
    }
}
