//! Listeners that outlive what goes wrong.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with, sockopt,
};

use super::{PeerAddr, Stream};
use crate::driver::Acceptor;
use crate::executor::{Core, Waiters, yield_now};
use crate::time::sleep;

/// First and longest wait after an accept that met a full descriptor table or no memory.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_millis(100);

/// Connections accepted in one turn before others run.
const BURST: u32 = 64;

/// How to listen.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Connections the kernel keeps until they are accepted. The kernel caps it at
    /// `net.core.somaxconn`; beyond that it drops connects. Default 4096.
    pub backlog: u32,
    /// `SO_REUSEPORT`: every core binds its own listener to one address and the kernel spreads
    /// connections over them. Default true.
    pub reuse_port: bool,
    /// `TCP_NODELAY`, inherited by accepted connections. Default true.
    pub nodelay: bool,
    /// Idle time after which TCP probes the peer, inherited by accepted connections; it finds
    /// peers that vanished without a word. Default 60 s; `None` is off.
    pub keepalive: Option<Duration>,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions {
            backlog: 4096,
            reuse_port: true,
            nodelay: true,
            keepalive: Some(Duration::from_secs(60)),
        }
    }
}

/// A TCP listener of one core.
#[derive(Debug)]
pub struct TcpListener {
    listener: Listener,
}

impl TcpListener {
    /// Binds and listens. Options that connections inherit are set here once, not on each of them.
    ///
    /// # Errors
    /// What the kernel says: the address is in use, not ours, or not allowed.
    ///
    /// # Panics
    /// If the caller is not on a core.
    pub fn bind(address: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
        Ok(TcpListener { listener: Listener::adopt(bind_tcp(address, options)?)? })
    }

    /// Takes over a listening socket of the standard library, such as one inherited from a
    /// supervisor. Options are left as they are.
    ///
    /// # Errors
    /// If the driver cannot take it: out of descriptors or memory.
    ///
    /// # Panics
    /// If the caller is not on a core.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        Ok(TcpListener { listener: Listener::adopt(listener.into())? })
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// What the kernel says; not after a successful bind.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.acceptor.local_addr()
    }

    /// Waits for a connection.
    ///
    /// Errors that concern one connection are skipped. If descriptors or memory run out it backs
    /// off for 10 to 100 ms, counts it, and goes on: connections wait in the backlog meanwhile.
    ///
    /// # Errors
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) after [`close`](Self::close).
    /// Anything else means that the listener is of no use any more.
    ///
    /// # Cancellation
    /// May be dropped at any time: no connection is lost (guard 4).
    pub async fn accept(&self) -> io::Result<(Stream, PeerAddr)> {
        self.listener.accept().await
    }

    /// Ends a pending accept and all later ones with an error. The socket itself listens on until
    /// the listener is dropped: another process may share it. Connections still in the backlog
    /// are reset then, unless one does.
    pub fn close(&self) {
        self.listener.close();
    }
}

/// A Unix socket listener of one core.
#[derive(Debug)]
pub struct UnixListener {
    listener: Listener,
}

impl UnixListener {
    /// Binds to `path` and listens with a backlog of 4096. The path must not exist; it is not
    /// removed when the listener is dropped, since another process may have taken it over.
    ///
    /// # Errors
    /// What the kernel says, or [`InvalidInput`](io::ErrorKind::InvalidInput) for a path longer
    /// than 107 bytes.
    ///
    /// # Panics
    /// If the caller is not on a core.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&fd, &SocketAddrUnix::new(path.as_ref())?)?;
        listen(&fd, 4096)?;
        Ok(UnixListener { listener: Listener::adopt(fd)? })
    }

    /// Waits for a connection; as [`TcpListener::accept`].
    ///
    /// # Errors
    /// As [`TcpListener::accept`].
    ///
    /// # Cancellation
    /// May be dropped at any time: no connection is lost.
    pub async fn accept(&self) -> io::Result<(Stream, PeerAddr)> {
        self.listener.accept().await
    }

    /// Ends a pending accept and all later ones with an error.
    pub fn close(&self) {
        self.listener.close();
    }
}

/// Binds and listens off any core: for a program that makes the listeners of its cores before they
/// start, so that an address that cannot be had is an error of the start. Each core then takes its
/// own over with [`TcpListener::from_std`].
///
/// # Errors
/// As [`TcpListener::bind`].
pub fn listen_std(address: SocketAddr, options: &ListenOptions) -> io::Result<std::net::TcpListener> {
    Ok(bind_tcp(address, options)?.into())
}

fn bind_tcp(address: SocketAddr, options: &ListenOptions) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    sockopt::set_socket_reuseport(&fd, options.reuse_port)?;
    inherited(&fd, options)?;
    bind(&fd, &address)?;
    listen(&fd, i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(fd)
}

/// A listener of one core over any stream socket: TCP, Unix, made here or inherited.
pub struct Listener {
    acceptor: Acceptor,
    closed: Cell<bool>,
    /// Tasks in `accept`, to be told of a close.
    waiting: Waiters,
    /// The turn of the last accept, and how many there were in it.
    burst: Cell<(u64, u32)>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.acceptor.local_addr().ok()).finish_non_exhaustive()
    }
}

/// A connection that no core serves yet: it can be sent to the one that will.
#[derive(Debug)]
pub struct Accepted {
    fd: OwnedFd,
    peer: PeerAddr,
}

impl Accepted {
    /// The connection as a stream of this core.
    ///
    /// # Errors
    /// If the driver cannot take it: out of descriptors or memory. The connection is closed.
    ///
    /// # Panics
    /// If the caller is not on a core.
    pub fn into_stream(self) -> io::Result<Stream> {
        Stream::adopt(self.fd, self.peer)
    }

    /// Who is at the other end.
    pub fn peer_addr(&self) -> PeerAddr {
        self.peer
    }
}

impl Listener {
    /// Takes over a listening stream socket. Options are left as they are.
    ///
    /// Several cores may listen on one socket, each with a descriptor of its own: the kernel gives each connection to one of them.
    ///
    /// # Errors
    /// If the driver cannot take it: out of descriptors or memory.
    ///
    /// # Panics
    /// If the caller is not on a core.
    pub fn adopt(fd: OwnedFd) -> io::Result<Listener> {
        Ok(Listener {
            acceptor: Acceptor::adopt(fd)?,
            closed: Cell::new(false),
            waiting: Waiters::default(),
            burst: Cell::new((0, 0)),
        })
    }

    /// Waits for a connection; as [`TcpListener::accept`].
    ///
    /// # Errors
    /// As [`TcpListener::accept`].
    ///
    /// # Cancellation
    /// May be dropped at any time: no connection is lost.
    pub async fn accept(&self) -> io::Result<(Stream, PeerAddr)> {
        // A stream that cannot be set up is refused for the same reasons as an accept.
        self.accept_as(|accepted| {
            let peer = accepted.peer;
            Ok((accepted.into_stream()?, peer))
        })
        .await
    }

    /// As [`accept`](Self::accept), for a connection that another core may serve.
    ///
    /// # Errors
    /// As [`TcpListener::accept`].
    ///
    /// # Cancellation
    /// May be dropped at any time: no connection is lost.
    pub async fn accept_unserved(&self) -> io::Result<Accepted> {
        self.accept_as(Ok).await
    }

    /// The next of the connections that were accepted before [`close`](Self::close) and given to nobody; `None` once the
    /// kernel has stopped to accept for this listener and there is none left. Dropping the listener resets those.
    ///
    /// # Cancellation
    /// May be dropped at any time: no connection is lost.
    pub async fn rest(&self) -> Option<Accepted> {
        debug_assert!(self.closed.get(), "the rest is what a closed listener leaves");
        let (fd, peer) = self.acceptor.rest().await?;
        Core::with(|core| core.shared.counters.accepts.add(1));
        Some(Accepted { fd, peer: peer.map_or(PeerAddr::Unix, PeerAddr::Tcp) })
    }

    async fn accept_as<T>(&self, make: impl Fn(Accepted) -> io::Result<T>) -> io::Result<T> {
        let mut backoff = BACKOFF_MIN;
        self.give_way().await;
        loop {
            let accepted = self.accept_unless_closed().await;
            let outcome = accepted.and_then(|(fd, peer)| {
                make(Accepted { fd, peer: peer.map_or(PeerAddr::Unix, PeerAddr::Tcp) })
            });
            match outcome {
                Ok(accepted) => {
                    Core::with(|core| core.shared.counters.accepts.add(1));
                    return Ok(accepted);
                }
                Err(_) if self.closed.get() => return Err(io::ErrorKind::ConnectionAborted.into()),
                Err(error) => match blame(&error) {
                    Blame::Connection => {}
                    Blame::Resources => {
                        Core::with(|core| core.shared.counters.accept_backoffs.add(1));
                        tracing::warn!(%error, backoff_ms = backoff.as_millis(), "cannot accept; backing off");
                        sleep(backoff).await;
                        backoff = (backoff * 2).min(BACKOFF_MAX);
                    }
                    Blame::Listener => return Err(error),
                },
            }
        }
    }

    async fn accept_unless_closed(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        let mut waiting = Waiting { listener: self, place: None };
        let mut accept = pin!(self.acceptor.accept());
        poll_fn(|cx| {
            if self.closed.get() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            let accepted = accept.as_mut().poll(cx);
            if accepted.is_pending() {
                self.waiting.wait(&mut waiting.place, cx.waker());
            }
            accepted
        })
        .await
    }

    /// A backlog that never empties must not hold the turn.
    async fn give_way(&self) {
        let turn = Core::with(|core| core.shared.counters.turns.value());
        let (last, count) = self.burst.get();
        let count = if last == turn { count + 1 } else { 1 };
        self.burst.set((turn, count));
        if count > BURST {
            yield_now().await;
        }
    }

    /// Ends a pending accept and all later ones with an error; as [`TcpListener::close`].
    pub fn close(&self) {
        self.closed.set(true);
        self.waiting.wake_all();
    }
}

/// A place in a listener's list, given back when the accept is over or dropped.
struct Waiting<'a> {
    listener: &'a Listener,
    place: Option<usize>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // A close has emptied the list for good.
        if let Some(place) = self.place.filter(|_| !self.listener.closed.get()) {
            self.listener.waiting.leave(place);
        }
    }
}

/// Whom an accept error concerns.
#[derive(Debug, PartialEq, Eq)]
enum Blame {
    Connection,
    Resources,
    Listener,
}

/// accept(2): "already-pending network errors on the new socket" are passed on as accept errors.
fn blame(error: &io::Error) -> Blame {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC) => Blame::Resources,
        Some(
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::INTR
            | Errno::AGAIN
            | Errno::PERM
            | Errno::PROTO
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::TIMEDOUT,
        ) => Blame::Connection,
        _ => Blame::Listener,
    }
}

fn inherited(fd: impl AsFd, options: &ListenOptions) -> io::Result<()> {
    let fd = fd.as_fd();
    sockopt::set_tcp_nodelay(fd, options.nodelay)?;
    sockopt::set_socket_keepalive(fd, options.keepalive.is_some())?;
    if let Some(idle) = options.keepalive {
        // The kernel's unit is a second, and zero is refused.
        let idle = idle.max(Duration::from_secs(1));
        sockopt::set_tcp_keepidle(fd, idle)?;
        sockopt::set_tcp_keepintvl(fd, (idle / 4).max(Duration::from_secs(1)))?;
        sockopt::set_tcp_keepcnt(fd, 4)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blames_the_right_one() {
        for (why, errno, want) in [
            ("descriptor limit of the process", libc::EMFILE, Blame::Resources),
            ("descriptor limit of the machine", libc::ENFILE, Blame::Resources),
            ("no socket buffers", libc::ENOBUFS, Blame::Resources),
            ("no memory", libc::ENOMEM, Blame::Resources),
            ("peer gone before the accept", libc::ECONNABORTED, Blame::Connection),
            ("a signal", libc::EINTR, Blame::Connection),
            ("firewall", libc::EPERM, Blame::Connection),
            ("not a listener any more", libc::EINVAL, Blame::Listener),
            ("not a descriptor", libc::EBADF, Blame::Listener),
        ] {
            assert_eq!(blame(&io::Error::from_raw_os_error(errno)), want, "{why}");
        }
    }
}
