//! The stream.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt};

use super::duplex::End;
use super::state::{CloseHandle, Reach, SocketState};
use super::{PeerAddr, Shutdown};
#[cfg(feature = "tls")]
use crate::buf::LocalBoxFuture;
use crate::buf::{Batch, Chunk, Chunks, Lease};
use crate::driver::Socket;
use crate::executor::Core;
use crate::time::sleep;

/// How long a connect to a Unix socket with a full backlog waits before it tries again.
const UNIX_RETRY: Duration = Duration::from_millis(2);

/// A connected byte stream: TCP, Unix, or one end of a [`duplex`](super::duplex).
///
/// It belongs to the core it was made on. Dropping it closes it.
pub struct Stream {
    pub(super) io: Io,
    pub(super) state: Rc<SocketState>,
    peer: PeerAddr,
}

pub(super) enum Io {
    Socket(Socket),
    Memory(End),
    /// TLS over a stream whose state this one shares.
    #[cfg(feature = "tls")]
    Tls(Box<crate::tls::Side>),
}

impl Stream {
    /// Connects to a TCP address, with `TCP_NODELAY`. It takes an address, never a name: resolving
    /// through libc would block the core (guard 8).
    ///
    /// # Errors
    /// What the kernel says: refused, unreachable, timed out after its own minutes. Put a
    /// [`timeout`](crate::time::timeout) around it.
    ///
    /// # Cancellation
    /// May be dropped at any time; the attempt is given up and its descriptor closed.
    pub async fn connect(address: SocketAddr) -> io::Result<Stream> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = new_socket(family)?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        match connect(&fd, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let mut stream = Stream::adopt(fd, PeerAddr::Tcp(address))?;
        stream.connected().await?;
        Ok(stream)
    }

    /// Connects to a Unix socket. While its backlog is full this waits.
    ///
    /// # Errors
    /// What the kernel says, or [`InvalidInput`](io::ErrorKind::InvalidInput) for a path longer
    /// than 107 bytes.
    ///
    /// # Cancellation
    /// May be dropped at any time; the attempt is given up and its descriptor closed.
    pub async fn connect_unix(path: impl AsRef<Path>) -> io::Result<Stream> {
        let address = SocketAddrUnix::new(path.as_ref())?;
        let fd = new_socket(AddressFamily::UNIX)?;
        loop {
            match connect(&fd, &address) {
                Ok(()) => break,
                Err(Errno::AGAIN) => sleep(UNIX_RETRY).await,
                Err(error) => return Err(error.into()),
            }
        }
        Stream::adopt(fd, PeerAddr::Unix)
    }

    async fn connected(&mut self) -> io::Result<()> {
        let Io::Socket(socket) = &mut self.io else { return Ok(()) };
        socket.writable().await?;
        match socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Takes over a connected socket of the standard library.
    ///
    /// # Errors
    /// If the driver cannot take it: out of descriptors or memory.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Stream> {
        let peer = PeerAddr::Tcp(stream.peer_addr()?);
        Stream::adopt(stream.into(), peer)
    }

    pub(super) fn adopt(fd: OwnedFd, peer: PeerAddr) -> io::Result<Stream> {
        let socket = Socket::adopt(fd)?;
        let state = SocketState::new(Reach::Socket(std::cell::Cell::new(Some(socket.link()))));
        Ok(Stream { io: Io::Socket(socket), state, peer })
    }

    /// A stream over TLS. Deadlines, shutdown and close handles are those of the stream under it.
    #[cfg(feature = "tls")]
    pub(crate) fn secured(side: crate::tls::Side) -> Stream {
        let (state, peer) = (Rc::clone(&side.under.state), side.under.peer);
        Stream { io: Io::Tls(Box::new(side)), state, peer }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn side(&self) -> Option<&crate::tls::Side> {
        match &self.io {
            Io::Tls(side) => Some(side),
            _ => None,
        }
    }

    pub(super) fn memory(end: End) -> Stream {
        let state = SocketState::new(Reach::Memory(end.ends()));
        Stream { io: Io::Memory(end), state, peer: PeerAddr::Memory }
    }

    /// Receives what has arrived, up to the size of a lease; an empty lease is the end of the
    /// stream. While it waits it holds no lease. If the core's pool is at its bound it waits for
    /// room, and the peer's bytes stay in the kernel.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) once the deadline of
    /// [`set_recv_deadline`](Self::set_recv_deadline) has passed, now and from then on; else what
    /// the kernel says, such as a reset by the peer.
    ///
    /// # Cancellation
    /// May be dropped at any time: no byte is lost, the next call receives it.
    pub async fn recv(&mut self) -> io::Result<Lease> {
        if self.state.recv_expired.get() {
            return Err(expired());
        }
        let received = match &mut self.io {
            Io::Socket(socket) => socket.recv(&self.state).await,
            Io::Memory(end) => end.recv().await,
            #[cfg(feature = "tls")]
            Io::Tls(side) => return LocalBoxFuture::new(side.recv()).await,
        };
        match received {
            Ok(lease) if !lease.is_empty() => {
                Core::try_with(|core| core.shared.counters.bytes_in.add(lease.len() as u64));
                Ok(lease)
            }
            _ if self.state.recv_expired.get() => Err(expired()),
            received => received,
        }
    }

    /// Sends all of `chunk`.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) if it made no progress for as long as
    /// [`set_send_stall`](Self::set_send_stall) allows; else what the kernel says. After an error
    /// every further send fails with [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    ///
    /// # Cancellation
    /// If dropped before it is done, it is not known how much has reached the peer. The stream is
    /// then broken for sending, as after an error; receiving goes on. The chunk is freed when the
    /// kernel is done with it.
    pub fn send(&mut self, chunk: impl Into<Chunk>) -> impl Future<Output = io::Result<()>> {
        self.send_chunk(chunk.into())
    }

    async fn send_chunk(&mut self, mut chunk: Chunk) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Io::Tls(side) = &mut self.io {
            return LocalBoxFuture::new(side.send(&chunk)).await;
        }
        self.begin_send()?;
        let mut from = 0;
        while from < chunk.len() {
            self.state.send_goes_on();
            let (sent, back) = match &mut self.io {
                Io::Socket(socket) => socket.send(chunk, from, &self.state).await,
                Io::Memory(end) => (end.send(&chunk[from..]).await, Some(chunk)),
                #[cfg(feature = "tls")]
                Io::Tls(_) => unreachable!("sent by its side, above"),
            };
            from += self.progress(sent)?;
            match back {
                Some(back) => chunk = back,
                None => break,
            }
        }
        self.end_send(from);
        Ok(())
    }

    /// Sends all of several chunks, in order, in as few system calls as the kernel allows.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancellation
    /// As [`send`](Self::send).
    pub fn send_vectored(&mut self, chunks: Chunks) -> impl Future<Output = io::Result<()>> {
        self.send_batch(Batch::new(chunks))
    }

    async fn send_batch(&mut self, mut batch: Batch) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Io::Tls(side) = &mut self.io {
            return LocalBoxFuture::new(side.send_batch(batch)).await;
        }
        self.begin_send()?;
        let total = batch.left();
        while batch.left() > 0 {
            self.state.send_goes_on();
            let (sent, back) = match &mut self.io {
                Io::Socket(socket) => socket.send_vectored(batch, &self.state).await,
                Io::Memory(end) => (end.send(batch.front()).await, Some(batch)),
                #[cfg(feature = "tls")]
                Io::Tls(_) => unreachable!("sent by its side, above"),
            };
            let sent = self.progress(sent)?;
            match back {
                Some(back) => batch = back,
                None => break,
            }
            batch.advance(sent);
        }
        self.end_send(total);
        Ok(())
    }

    pub(super) fn begin_send(&self) -> io::Result<()> {
        if self.state.broken.replace(true) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// What one send brought: bytes, or an error to give up with.
    fn progress(&self, sent: io::Result<usize>) -> io::Result<usize> {
        match sent {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => Ok(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
        .map_err(|error| self.send_failed(error))
    }

    /// A send ends without success; the error to tell.
    pub(super) fn send_failed(&self, error: io::Error) -> io::Error {
        self.state.send_ended();
        if self.state.send_expired.get() { expired() } else { error }
    }

    pub(super) fn end_send(&self, bytes: usize) {
        self.state.send_ended();
        self.state.broken.set(false);
        Core::try_with(|core| {
            core.shared.counters.bytes_out.add(bytes as u64);
            core.shared.counters.sends.add(1);
        });
    }

    /// Ends the sending half after what was sent. The peer sees the end of the stream; over TLS it is told
    /// first that this is meant (RFC 8446 section 6.1).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancellation
    /// As [`send`](Self::send).
    pub async fn end(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Io::Tls(side) = &mut self.io {
            LocalBoxFuture::new(side.notify_end()).await?;
        }
        self.shutdown(Shutdown::Write)
    }

    /// Ends one half or both.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the peer is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.state.shutdown(how)
    }

    /// Sets when receiving is to fail, or that it is not to. At that time the receiving half is
    /// shut down, so that a receive that waits ends; sending still works, to tell the peer why.
    ///
    /// Setting a later deadline than the last one stores a value and nothing else, so it may be
    /// done per request. The resolution is a millisecond, and it is never early.
    pub fn set_recv_deadline(&self, deadline: Option<Instant>) {
        self.state.set_recv_deadline(deadline);
    }

    /// Sets how long a send may go without the kernel taking a byte. When it is over, both halves
    /// are shut down.
    pub fn set_send_stall(&self, stall: Option<Duration>) {
        self.state.set_stall(stall);
    }

    /// Waits until the peer has ended its sending half, closed, or reset. Bytes that arrived
    /// before are not touched and do not end the wait. One task at a time may wait.
    ///
    /// The first call on a stream costs a system call, later ones none.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn closed(&self) {
        #[cfg(feature = "tls")]
        if let Io::Tls(side) = &self.io {
            return LocalBoxFuture::new(side.under.closed()).await;
        }
        poll_fn(|cx| {
            if self.state.closed.get() {
                return Poll::Ready(());
            }
            if let Io::Socket(socket) = &self.io
                && let Some(closed) = socket.poll_closed(cx)
            {
                return closed;
            }
            match (&self.io, &self.state.reach) {
                (Io::Memory(end), _) => end.poll_closed(cx),
                (Io::Socket(_), Reach::Socket(link)) => {
                    *self.state.closed_waker.borrow_mut() = Some(cx.waker().clone());
                    let Some(link) = link.get().filter(|_| self.state.watch.get().is_none()) else {
                        return Poll::Pending;
                    };
                    match Core::with(|core| link.watch(core, &self.state)) {
                        Ok(watch) => {
                            self.state.watch.set(Some(watch));
                            Poll::Pending
                        }
                        // Out of memory or watches: the caller's own deadlines end it.
                        Err(error) => {
                            tracing::warn!(%error, "a connection cannot be watched for its end");
                            Poll::Pending
                        }
                    }
                }
                _ => unreachable!("a socket's state reaches a socket, and TLS asks the stream under it"),
            }
        })
        .await;
    }

    /// A handle that can shut this stream down from another task of this core.
    pub fn close_handle(&self) -> CloseHandle {
        CloseHandle { state: Rc::clone(&self.state) }
    }

    /// Who is at the other end.
    pub fn peer_addr(&self) -> PeerAddr {
        self.peer
    }

    /// Has [`peer_addr`](Self::peer_addr) name somebody else: whom a proxy in between speaks for, once it has said so.
    pub fn set_peer_addr(&mut self, peer: PeerAddr) {
        self.peer = peer;
    }

    /// The local TCP address.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) for Unix and memory streams.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.io {
            Io::Socket(socket) => socket.local_addr(),
            Io::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "tls")]
            Io::Tls(side) => side.under.local_addr(),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        #[cfg(feature = "tls")]
        if let Io::Tls(_) = self.io {
            // The stream under it does it.
            return;
        }
        self.state.end();
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(family, SocketType::STREAM, flags, None)?)
}

fn expired() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every connection's task holds the largest of the futures it awaits, so their sizes are a
    /// large part of what an idle connection costs.
    #[test]
    fn streams_and_their_futures_stay_small() {
        crate::block_on(async {
            let (mut stream, _other) = super::super::duplex(1);
            let recv = size_of_val(&stream.recv());
            let send = size_of_val(&stream.send(""));
            let send_vectored = size_of_val(&stream.send_vectored(Chunks::new()));
            let closed = size_of_val(&stream.closed());
            for (what, bytes, bytes_max) in [
                ("stream", size_of::<Stream>(), 80),
                ("shared state", size_of::<SocketState>(), 144),
                ("recv", recv, 192),
                ("send", send, 224),
                ("send_vectored", send_vectored, 160),
                ("closed", closed, 32),
            ] {
                assert!(bytes <= bytes_max, "{what}: {bytes} bytes, at most {bytes_max}");
            }
        });
    }
}
