//! The boundary between the runtime and what does I/O and sleeps.
//!
//! Drivers are a closed set; each boundary type is an enum with one variant per driver, matched in
//! one place, so a call costs a branch and no allocation. Nothing above this module names monoio
//! or io-uring. What a driver owes is written at the methods:
//!
//! * [`Prepared`]: opens the kernel side on the core's thread, then runs the loop: call
//!   [`Core::turn`](crate::executor::Core::turn), look at completions, sleep as told, repeat.
//! * [`Socket`]: a connected byte stream. The driver picks the buffer of a receive and owns every
//!   buffer until the kernel is done with it.
//! * [`Acceptor`]: a listening socket.
//! * [`file`]: what is done with files.
//! * [`Bell`]: wakes the loop from any thread.
//!
//! Adding a driver is a folder here and a variant in each enum.

mod bell;
pub(crate) mod file;
mod link;
pub(crate) mod monoio;
mod ring;
mod sendfile;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

pub(crate) use self::bell::Bell;
pub(crate) use self::link::Link;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::buf::{Batch, Chunk, Lease};
use crate::executor::Core;
use crate::launch::{DriverChoice, RingFlags, RingOptions};
use crate::net::SocketState;

/// What does a core's I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriverKind {
    /// io_uring through our own loop: one system call a turn, buffers picked by the kernel.
    Ring,
    /// io_uring through monoio.
    Uring,
    /// epoll through monoio.
    Epoll,
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DriverKind::Ring => "our own ring",
            DriverKind::Uring => "io_uring",
            DriverKind::Epoll => "epoll",
        })
    }
}

/// What opening a driver found out.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    /// Flags the ring was set up with; none for epoll.
    pub(crate) flags: RingFlags,
    /// Options of the ring in force.
    pub(crate) options: RingOptions,
    /// Why each better choice was not taken, best first.
    pub(crate) notes: Vec<String>,
}

/// A driver whose kernel side is open and whose loop has not begun.
pub(crate) enum Prepared {
    Ring(ring::Prepared),
    Monoio(monoio::Prepared),
}

impl Prepared {
    /// Opens the best driver that `choice` allows, on the thread that will run it.
    ///
    /// # Errors
    /// What the kernel said to the last one tried.
    pub(crate) fn open(choice: DriverChoice, options: RingOptions) -> io::Result<(Prepared, Findings)> {
        let mut notes = Vec::new();
        if matches!(choice, DriverChoice::Auto | DriverChoice::Ring) {
            match ring::Prepared::open(options) {
                Ok((prepared, findings)) => return Ok((Prepared::Ring(prepared), findings)),
                Err(error) if choice == DriverChoice::Ring => return Err(error),
                Err(error) => notes.push(format!("our own ring: {error}")),
            }
        }
        let (prepared, mut findings) = monoio::Prepared::open(choice)?;
        notes.append(&mut findings.notes);
        findings.notes = notes;
        Ok((Prepared::Monoio(prepared), findings))
    }

    pub(crate) fn kind(&self) -> DriverKind {
        match self {
            Prepared::Ring(_) => DriverKind::Ring,
            Prepared::Monoio(prepared) => prepared.kind(),
        }
    }

    /// What other cores send messages to instead of ringing the eventfd, if the driver has that.
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub(crate) fn mailslot(&self) -> io::Result<Option<OwnedFd>> {
        match self {
            Prepared::Ring(prepared) => prepared.mailslot(),
            Prepared::Monoio(_) => Ok(None),
        }
    }

    /// The state the core carries for the driver.
    pub(crate) fn local(&self) -> Local {
        match self {
            Prepared::Ring(prepared) => Local::Ring(prepared.local()),
            Prepared::Monoio(prepared) => Local::Monoio(prepared.local()),
        }
    }

    /// Runs the loop until the core is done, ends its tasks, and waits for buffers still lent to
    /// the kernel. Called inside [`Core::enter`].
    ///
    /// # Errors
    /// If the loop cannot start; no task has run then, and all are dropped.
    pub(crate) fn run(self, core: &Rc<Core>) -> io::Result<()> {
        match self {
            Prepared::Ring(prepared) => prepared.run(core),
            Prepared::Monoio(prepared) => prepared.run(core),
        }
    }
}

/// Per-core state of the driver, reached through the core.
pub(crate) enum Local {
    Ring(Rc<ring::Ring>),
    Monoio(monoio::Local),
}

impl Local {
    /// Leases that the driver keeps lent to the kernel for receives to come: in nobody's hands.
    pub(crate) fn standing(&self) -> u64 {
        match self {
            Local::Ring(ring) => ring.lent() as u64,
            Local::Monoio(_) => 0,
        }
    }
}

/// A connected byte stream in the driver's hands. Dropping it closes the descriptor once no
/// operation uses it.
pub(crate) enum Socket {
    Ring(ring::Socket),
    Monoio(monoio::Socket),
}

impl Socket {
    /// Takes over a connected descriptor, in blocking mode or not.
    pub(crate) fn adopt(fd: OwnedFd) -> io::Result<Socket> {
        Core::with(|core| match &core.driver {
            Local::Ring(ring) => ring::Socket::new(ring, fd).map(Socket::Ring),
            Local::Monoio(local) => monoio::Socket::adopt(local, fd).map(Socket::Monoio),
        })
    }

    /// Receives into a lease of the driver's choice; empty at the end of the stream. While nothing
    /// arrives no lease is held.
    ///
    /// Dropping the future loses no byte: what had arrived is received by the next call.
    ///
    /// # Errors
    /// What the kernel says; [`TimedOut`](io::ErrorKind::TimedOut) if there is no room for what has arrived and the
    /// deadline that `state` keeps has passed.
    pub(crate) async fn recv(&mut self, state: &SocketState) -> io::Result<Lease> {
        match self {
            Socket::Ring(socket) => socket.recv().await,
            Socket::Monoio(socket) => socket.recv(state).await,
        }
    }

    /// Sends some of `chunk` from byte `from` on; returns how much, and the chunk. A driver that
    /// takes all or fails gives back no chunk, and tells `state` of progress on the way.
    ///
    /// Dropping the future leaves open how much was sent; the chunk stays with the driver until
    /// the kernel is done with it.
    pub(crate) fn send(
        &mut self,
        chunk: Chunk,
        from: usize,
        state: &Rc<SocketState>,
    ) -> impl Future<Output = (io::Result<usize>, Option<Chunk>)> {
        match self {
            Socket::Ring(socket) => {
                debug_assert_eq!(from, 0, "the first call took all or failed");
                Sending::Ring(socket.send(chunk, || state.send_goes_on()))
            }
            Socket::Monoio(socket) => Sending::Monoio(socket.send(chunk, from)),
        }
    }

    /// As [`send`](Self::send), over several chunks. The caller advances the batch.
    pub(crate) fn send_vectored(
        &mut self,
        batch: Batch,
        state: &Rc<SocketState>,
    ) -> impl Future<Output = (io::Result<usize>, Option<Batch>)> {
        match self {
            Socket::Ring(socket) => Sending::Ring(socket.send(batch, || state.send_goes_on())),
            Socket::Monoio(socket) => Sending::Monoio(socket.send_vectored(batch)),
        }
    }

    /// Waits until nothing of what was sent is left in the driver's hands.
    pub(crate) async fn sent(&mut self) -> io::Result<()> {
        match self {
            Socket::Ring(socket) => std::future::poll_fn(|cx| socket.poll_send_idle(cx)).await,
            // A send of this driver ends when the kernel has everything.
            Socket::Monoio(_) => Ok(()),
        }
    }

    /// Waits until a connect that is under way has ended, either way.
    pub(crate) async fn writable(&mut self) -> io::Result<()> {
        match self {
            Socket::Ring(socket) => socket.writable().await,
            Socket::Monoio(socket) => socket.writable().await,
        }
    }
}

impl Socket {
    /// True if nothing has come that was not received, not even the end.
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Socket::Ring(socket) => socket.is_quiet(),
            Socket::Monoio(socket) => has_nothing(socket.fd()),
        }
    }

    /// A name for the socket that outlives a borrow of it.
    pub(crate) fn link(&self) -> Link {
        match self {
            Socket::Ring(socket) => Link::Ring(socket.key()),
            Socket::Monoio(socket) => Link::Monoio(socket.raw_fd()),
        }
    }

    /// The error of a connect that has ended, if it failed.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(rustix::net::sockopt::socket_error(self.fd())?.err().map(Into::into))
    }

    /// The local address of a TCP socket.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(self.fd())
    }

    /// The descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Ring(socket) => socket.fd(),
            Socket::Monoio(socket) => socket.fd(),
        }
    }

    /// Ready once the peer has gone; `None` from a driver that tells it through a
    /// [watch](Link::watch).
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        match self {
            Socket::Ring(socket) => Some(socket.poll_closed(cx)),
            Socket::Monoio(_) => None,
        }
    }
}

/// True if a receive would have to wait.
fn has_nothing(fd: BorrowedFd<'_>) -> bool {
    let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(rustix::net::recv(fd, &mut [0; 1][..], peek), Err(Errno::AGAIN))
}

fn local_addr(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    SocketAddr::try_from(rustix::net::getsockname(fd)?).map_err(|_| io::ErrorKind::Unsupported.into())
}

/// A send of one driver or the other.
enum Sending<R, M> {
    Ring(R),
    Monoio(M),
}

impl<R, M, P> Future for Sending<R, M>
where
    R: Future<Output = io::Result<usize>>,
    M: Future<Output = (io::Result<usize>, P)>,
{
    type Output = (io::Result<usize>, Option<P>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the variants are pinned whenever `self` is: nothing moves them out, there is no
        // `Drop`, and the enum is `Unpin` only if both are.
        unsafe {
            match self.get_unchecked_mut() {
                Sending::Ring(future) => Pin::new_unchecked(future).poll(cx).map(|sent| (sent, None)),
                Sending::Monoio(future) => {
                    Pin::new_unchecked(future).poll(cx).map(|(sent, pieces)| (sent, Some(pieces)))
                }
            }
        }
    }
}

/// A listening socket in the driver's hands.
pub(crate) enum Acceptor {
    Ring(ring::Acceptor),
    Monoio(monoio::Acceptor),
}

impl Acceptor {
    /// Takes over a listening descriptor.
    pub(crate) fn adopt(fd: OwnedFd) -> io::Result<Acceptor> {
        Core::with(|core| match &core.driver {
            Local::Ring(ring) => ring::Acceptor::new(ring, fd).map(Acceptor::Ring),
            Local::Monoio(local) => monoio::Acceptor::adopt(local, fd).map(Acceptor::Monoio),
        })
    }

    /// The address of a TCP listener.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(match self {
            Acceptor::Ring(acceptor) => acceptor.fd(),
            Acceptor::Monoio(acceptor) => acceptor.fd(),
        })
    }

    /// One accept: a connection, close-on-exec, or the error of this attempt.
    ///
    /// Dropping the future loses no connection.
    pub(crate) async fn accept(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        match self {
            Acceptor::Ring(acceptor) => acceptor.accept().await,
            Acceptor::Monoio(acceptor) => acceptor.accept().await,
        }
    }

    /// Has the kernel accept no more for this listener, and gives what it had accepted, one at a time.
    ///
    /// Dropping the future loses no connection.
    pub(crate) async fn rest(&self) -> Option<(OwnedFd, Option<SocketAddr>)> {
        match self {
            Acceptor::Ring(acceptor) => acceptor.rest().await,
            Acceptor::Monoio(acceptor) => acceptor.rest(),
        }
    }
}
