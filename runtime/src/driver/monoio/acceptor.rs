//! Accepting by readiness.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

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
    stream: UnixStream,
    uring: bool,
}

impl Acceptor {
    pub(crate) fn adopt(local: &Local, fd: OwnedFd) -> io::Result<Acceptor> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Acceptor { stream: pollable(fd)?, uring: local.uring })
    }

    pub(crate) async fn accept(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        loop {
            match self.accept_now() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.readable(false).await?;
                }
                outcome => return outcome,
            }
        }
    }

    fn accept_now(&self) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        let mut flags = SocketFlags::CLOEXEC;
        if !self.uring {
            // The ring waits inside its operations only on descriptors in blocking mode; epoll
            // needs the other.
            flags |= SocketFlags::NONBLOCK;
        }
        let (fd, peer) = acceptfrom_with(borrow(&self.stream), flags)?;
        Ok((fd, peer.and_then(internet)))
    }
}

/// The address, if it is an internet one.
fn internet(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok()
}
