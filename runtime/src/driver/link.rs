//! Names of sockets that do not own them.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;

use super::{Local, ring};
use crate::executor::Core;
use crate::net::{Shutdown, SocketState};

/// A core has one driver, and everything on it was made by that driver.
const STRANGER: &str = "a handle of another driver";

/// Names an open socket without owning it, for deadlines and close handles.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Link {
    /// The ring's key. It goes stale with the socket.
    Ring(ring::Key),
    /// A descriptor. Whoever keeps one must forget it before the socket is closed: the number may
    /// then be another's.
    Monoio(RawFd),
}

impl Link {
    /// Ends one half or both. Operations that wait complete.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => rustix::net::Shutdown::Read,
            Shutdown::Write => rustix::net::Shutdown::Write,
            Shutdown::Both => rustix::net::Shutdown::Both,
        };
        match *self {
            Link::Ring(key) => Core::try_with(|core| match &core.driver {
                Local::Ring(ring) => ring.shutdown(key, how),
                Local::Monoio(_) => unreachable!("{STRANGER}"),
            })
            .unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into())),
            Link::Monoio(fd) => Ok(rustix::net::shutdown(borrow(fd), how)?),
        }
    }

    /// Asks for one call of [`SocketState::peer_closed`] when the peer has gone. The key that is
    /// returned must be [forgotten](Self::forget) before the socket is closed. For drivers whose
    /// [`Socket::poll_closed`](super::Socket::poll_closed) does not tell.
    pub(crate) fn watch(&self, core: &Core, state: &Rc<SocketState>) -> io::Result<usize> {
        match (&core.driver, *self) {
            (Local::Monoio(local), Link::Monoio(fd)) => local.watch.add(borrow(fd), state),
            _ => unreachable!("{STRANGER}"),
        }
    }

    /// Takes back a [`watch`](Self::watch).
    pub(crate) fn forget(&self, core: &Core, watch: usize) {
        match &core.driver {
            Local::Monoio(local) => local.watch.forget(watch),
            Local::Ring(_) => unreachable!("{STRANGER}"),
        }
    }
}

fn borrow<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: links are forgotten before their socket is closed (see the type).
    unsafe { BorrowedFd::borrow_raw(fd) }
}
