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
//! * [`Bell`]: wakes the loop from any thread.
//!
//! Adding a driver is a folder here and a variant in each enum.

mod bell;
pub(crate) mod monoio;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

pub(crate) use self::bell::Bell;

use crate::buf::{Batch, Chunk, Lease};
use crate::executor::Core;
use crate::launch::{DriverChoice, RingFlags};
use crate::net::{Shutdown, SocketState};

/// What does a core's I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriverKind {
    /// io_uring through monoio.
    Uring,
    /// epoll (kqueue on macOS) through monoio.
    Epoll,
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DriverKind::Uring => "io_uring",
            DriverKind::Epoll => "epoll",
        })
    }
}

/// What opening a driver found out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    /// Flags the ring was set up with; none for epoll.
    pub(crate) flags: RingFlags,
    /// Why each better choice was not taken, best first.
    pub(crate) notes: Vec<String>,
}

/// A driver whose kernel side is open and whose loop has not begun.
pub(crate) enum Prepared {
    Monoio(monoio::Prepared),
}

impl Prepared {
    /// Opens the best driver that `choice` allows, on the thread that will run it.
    ///
    /// # Errors
    /// What the kernel said to the last one tried.
    pub(crate) fn open(choice: DriverChoice) -> io::Result<(Prepared, Findings)> {
        let (prepared, findings) = monoio::Prepared::open(choice)?;
        Ok((Prepared::Monoio(prepared), findings))
    }

    pub(crate) fn kind(&self) -> DriverKind {
        match self {
            Prepared::Monoio(prepared) => prepared.kind(),
        }
    }

    /// The state the core carries for the driver.
    pub(crate) fn local(&self) -> Local {
        match self {
            Prepared::Monoio(prepared) => Local::Monoio(prepared.local()),
        }
    }

    /// Runs the loop until the core is done, ends its tasks, and waits for buffers still lent to
    /// the kernel. Called inside [`Core::enter`].
    pub(crate) fn run(self, core: &Rc<Core>) {
        match self {
            Prepared::Monoio(prepared) => prepared.run(core),
        }
    }
}

/// Per-core state of the driver, reached through the core.
pub(crate) enum Local {
    Monoio(monoio::Local),
}

/// A connected byte stream in the driver's hands. Dropping it closes the descriptor once no
/// operation uses it.
pub(crate) enum Socket {
    Monoio(monoio::Socket),
}

impl Socket {
    /// Takes over a connected descriptor, in blocking mode or not.
    pub(crate) fn adopt(fd: OwnedFd) -> io::Result<Socket> {
        Core::with(|core| match &core.driver {
            Local::Monoio(local) => monoio::Socket::adopt(local, fd).map(Socket::Monoio),
        })
    }

    /// Receives into a lease of the driver's choice; empty at the end of the stream. While nothing
    /// arrives no lease is held.
    ///
    /// Dropping the future loses no byte: what had arrived is received by the next call.
    pub(crate) async fn recv(&mut self) -> io::Result<Lease> {
        match self {
            Socket::Monoio(socket) => socket.recv().await,
        }
    }

    /// Sends some of `chunk` from byte `from` on; returns how much, and the chunk.
    ///
    /// Dropping the future leaves open how much was sent; the chunk stays with the driver until
    /// the kernel is done with it.
    pub(crate) fn send(
        &mut self,
        chunk: Chunk,
        from: usize,
    ) -> impl Future<Output = (io::Result<usize>, Chunk)> {
        match self {
            Socket::Monoio(socket) => socket.send(chunk, from),
        }
    }

    /// As [`send`](Self::send), over several chunks. The caller advances the batch.
    pub(crate) fn send_vectored(&mut self, batch: Batch) -> impl Future<Output = (io::Result<usize>, Batch)> {
        match self {
            Socket::Monoio(socket) => socket.send_vectored(batch),
        }
    }

    /// Waits until a connect that is under way has ended, either way.
    pub(crate) async fn writable(&mut self) -> io::Result<()> {
        match self {
            Socket::Monoio(socket) => socket.writable().await,
        }
    }
}

impl Socket {
    /// A name for the socket that outlives a borrow of it.
    pub(crate) fn link(&self) -> Link {
        match self {
            Socket::Monoio(socket) => Link { fd: socket.raw_fd() },
        }
    }

    /// The error of a connect that has ended, if it failed.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Socket::Monoio(socket) => {
                Ok(rustix::net::sockopt::socket_error(socket.fd())?.err().map(Into::into))
            }
        }
    }

    /// The local address of a TCP socket.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Socket::Monoio(socket) => local_addr(socket.fd()),
        }
    }
}

fn local_addr(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    SocketAddr::try_from(rustix::net::getsockname(fd)?).map_err(|_| io::ErrorKind::Unsupported.into())
}

/// Names an open socket without owning it, for deadlines and close handles. Whoever keeps one must
/// forget it before the socket is closed: the number may then be another's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    fd: RawFd,
}

impl Link {
    fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: links are forgotten before their socket is closed (see the type).
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// Ends one half or both. Operations that wait complete.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => rustix::net::Shutdown::Read,
            Shutdown::Write => rustix::net::Shutdown::Write,
            Shutdown::Both => rustix::net::Shutdown::Both,
        };
        Ok(rustix::net::shutdown(self.borrow(), how)?)
    }

    /// Asks for one call of [`SocketState::peer_closed`] when the peer has gone. The key that is
    /// returned must be [forgotten](Self::forget) before the socket is closed.
    pub(crate) fn watch(&self, core: &Core, state: &Rc<SocketState>) -> io::Result<usize> {
        match &core.driver {
            Local::Monoio(local) => local.watch.add(self.borrow(), state),
        }
    }

    /// Takes back a [`watch`](Self::watch).
    pub(crate) fn forget(&self, core: &Core, watch: usize) {
        match &core.driver {
            Local::Monoio(local) => local.watch.forget(watch),
        }
    }
}

/// A listening socket in the driver's hands.
pub(crate) enum Acceptor {
    Monoio(monoio::Acceptor),
}

impl Acceptor {
    /// Takes over a listening descriptor.
    pub(crate) fn adopt(fd: OwnedFd) -> io::Result<Acceptor> {
        Core::with(|core| match &core.driver {
            Local::Monoio(local) => monoio::Acceptor::adopt(local, fd).map(Acceptor::Monoio),
        })
    }

    /// One accept: a connection, close-on-exec, or the error of this attempt.
    ///
    /// Dropping the future loses no connection.
    pub(crate) async fn accept(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        match self {
            Acceptor::Monoio(acceptor) => acceptor.accept().await,
        }
    }
}
