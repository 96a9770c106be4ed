//! Accepting by readiness.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use monoio::net::UnixStream;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};

use super::Local;
use super::kick::{borrow, pollable};

/// A listening socket that is waited on through the loop and accepted from by system calls.
///
/// An accept operation of monoio's that is dropped after it has won leaks the connection, and its
/// connections are not close-on-exec. Waiting for readiness leaves nothing to lose (guard 4), the
/// system call sets the flag (guard 6), and a burst of connections needs one wait.
pub(crate) struct Acceptor {
    /// Present until the drop.
    io: ManuallyDrop<UnixStream>,
    uring: bool,
    /// Waits that were started and have not been seen to end; those that were dropped stay counted.
    waiting: Cell<usize>,
}

impl Acceptor {
    pub(crate) fn adopt(local: &Local, fd: OwnedFd) -> io::Result<Acceptor> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Acceptor { io: ManuallyDrop::new(pollable(fd)?), uring: local.uring, waiting: Cell::new(0) })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        borrow(&self.io)
    }

    pub(crate) async fn accept(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        loop {
            match self.accept_now() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waiting.set(self.waiting.get() + 1);
                    let ready = self.io.readable(false).await;
                    self.waiting.set(self.waiting.get() - 1);
                    ready?;
                }
                outcome => return outcome,
            }
        }
    }

    /// What is in the backlog: nothing is accepted ahead here.
    pub(crate) fn rest(&self) -> Option<(OwnedFd, Option<SocketAddr>)> {
        self.accept_now().ok()
    }

    fn accept_now(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        let mut flags = SocketFlags::CLOEXEC;
        if !self.uring {
            // The ring waits inside its operations only on descriptors in blocking mode; epoll
            // needs the other.
            flags |= SocketFlags::NONBLOCK;
        }
        let (fd, peer) = acceptfrom_with(self.fd(), flags)?;
        Ok((fd, peer.and_then(internet)))
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        // SAFETY: `io` is not used after this: `self` is being dropped.
        let io = unsafe { ManuallyDrop::take(&mut self.io) };
        if self.waiting.get() > 0 {
            return drop(io);
        }
        // As with sockets (guard 5), and so that the address is free when this returns.
        // SAFETY: `into_raw_fd` gives up ownership of an open descriptor.
        drop(unsafe { OwnedFd::from_raw_fd(io.into_raw_fd()) });
    }
}

/// The address, if it is an internet one.
fn internet(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok()
}
