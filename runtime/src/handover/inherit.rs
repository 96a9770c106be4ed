//! The side that is given descriptors.

use std::env;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::SocketType;
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::process::{Pid, getpid, getppid};

use super::TABLE;

/// A descriptor and the name that it was passed under.
#[derive(Debug)]
pub struct Inherited {
    /// What its former holder calls it. From systemd it is `FileDescriptorName=`, by default the name of the socket unit.
    pub name: String,
    /// A listening stream socket, close-on-exec.
    pub socket: OwnedFd,
}

/// The process that has started this one to take its place.
#[derive(Debug)]
pub struct Predecessor {
    /// Its sockets.
    pub sockets: Vec<Inherited>,
    /// How it is told that it may end.
    pub ready: Ready,
}

/// Tells the predecessor that this process serves. Dropped without that, it tells that this process has failed.
#[derive(Debug)]
#[must_use = "dropping it tells the predecessor that this process has failed"]
pub struct Ready(OwnedFd);

impl Ready {
    /// Tells that this process serves.
    ///
    /// # Errors
    /// If the predecessor has ended, or waits no longer.
    pub fn tell(self) -> io::Result<()> {
        std::fs::File::from(self.0).write_all(&[1])
    }
}

/// What the process that started this one has passed, if it was a [`Successor`](super::Successor) that it started. `None`
/// also from the second call on.
///
/// What is not a listening stream socket is left out, with a line in the log.
pub fn from_predecessor() -> Option<Predecessor> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let table = env::var(TABLE).ok()?;
    let mut lines = table.lines();
    let mut head = lines.next()?.split(' ');
    // A variable is inherited by children's children, descriptors are not.
    let parent: u32 = head.next()?.parse().ok()?;
    let is_ours = getppid().is_some_and(|pid| u32::try_from(Pid::as_raw(Some(pid))) == Ok(parent));
    if !is_ours || TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    let ready = own(head.next()?.parse().ok()?)?;
    let sockets = lines.filter_map(|line| {
        let (number, name) = line.split_once(' ')?;
        listening(number.parse().ok()?, name)
    });
    Some(Predecessor { sockets: sockets.collect(), ready: Ready(ready) })
}

/// First descriptor that is passed, by `sd_listen_fds(3)`.
const FIRST: RawFd = 3;

/// The sockets that systemd, or who else speaks its protocol, has made for this process: `LISTEN_PID`, `LISTEN_FDS`,
/// `LISTEN_FDNAMES`. Empty if there are none, and from the second call on.
///
/// What is not a listening stream socket is left out, with a line in the log.
pub fn from_supervisor() -> Vec<Inherited> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name| env::var(name).ok()?.parse::<RawFd>().ok();
    let Some(count) = number("LISTEN_FDS").filter(|count| *count > 0) else { return Vec::new() };
    if number("LISTEN_PID") != Some(Pid::as_raw(Some(getpid()))) || TAKEN.swap(true, Ordering::AcqRel) {
        return Vec::new();
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let numbers = FIRST..FIRST.saturating_add(count);
    numbers.filter_map(|number| listening(number, names.next().unwrap_or("unknown"))).collect()
}

fn listening(number: RawFd, name: &str) -> Option<Inherited> {
    let socket = own(number)?;
    let is_stream = socket_type(&socket) == Ok(SocketType::STREAM);
    if is_stream && socket_acceptconn(&socket) == Ok(true) {
        return Some(Inherited { name: name.to_owned(), socket });
    }
    tracing::warn!(descriptor = number, name, "what was passed is no listening stream socket: it is closed");
    None
}

/// Takes over a descriptor that was passed to this process. `None` if there is none of this number.
fn own(number: RawFd) -> Option<OwnedFd> {
    if number < FIRST {
        return None;
    }
    // SAFETY: borrowed for one system call, which fails if it is not open.
    let open = fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC);
    // SAFETY: it is open, and by the protocols above it was passed to this process by whoever started it: nothing in
    // here has opened it. Each protocol is read once, so nobody owns it yet.
    open.ok().map(|()| unsafe { OwnedFd::from_raw_fd(number) })
}
