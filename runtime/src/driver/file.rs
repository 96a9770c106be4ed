//! Work on files: on the core's ring where we drive it, on the blocking pool elsewhere.
//!
//! Opens, metadata and flushes may wait for a disk or a server far away, and reads for a disk; no
//! driver lets the core wait for them.

use std::ffi::CString;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, Statx};

use super::monoio::pool;
use super::ring::Ring;
use super::{Local, Socket};
use crate::buf::{Chunk, Lease};
use crate::executor::Core;
use crate::net::SocketState;

/// The descriptor of an open file, shared by its [`File`](crate::fs::File) and by every operation
/// on it.
///
/// Shared because a worker of the ring or a thread of the pool looks the number up when it gets
/// there: were it closed by then, the number could be another file's. By `Arc` because that thread
/// may be the last to hold it.
#[derive(Debug)]
pub(crate) struct Descriptor {
    /// Present until the drop, which gives it away.
    fd: ManuallyDrop<OwnedFd>,
}

impl Descriptor {
    pub(crate) fn new(fd: OwnedFd) -> Arc<Descriptor> {
        Arc::new(Descriptor { fd: ManuallyDrop::new(fd) })
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// The descriptor itself if nobody shares it, else another one for the same open file.
    ///
    /// # Errors
    /// `EMFILE` when another one is needed and there is none left.
    pub(crate) fn into_fd(this: Arc<Descriptor>) -> io::Result<OwnedFd> {
        match Arc::try_unwrap(this) {
            Ok(descriptor) => {
                let mut descriptor = ManuallyDrop::new(descriptor);
                // SAFETY: the descriptor's own drop does not run, so this is the only take.
                Ok(unsafe { ManuallyDrop::take(&mut descriptor.fd) })
            }
            Err(shared) => shared.as_fd().try_clone_to_owned(),
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the field is not used after this: `self` is being dropped.
        let fd = unsafe { ManuallyDrop::take(&mut self.fd) };
        // The last close of an unlinked file frees its blocks, and one on a network file system
        // flushes: the ring does that without the core. Elsewhere the core does it, or the pool
        // if a job of it was the last to hold the file.
        match ring() {
            Some(ring) => ring.close_file(fd),
            None => drop(fd),
        }
    }
}

/// What to open, and how.
pub(crate) struct Open {
    /// Where a relative path begins; the working directory if none.
    pub(crate) dir: Option<Arc<Descriptor>>,
    pub(crate) path: CString,
    pub(crate) flags: OFlags,
    /// Permissions of a file that is made. Invariant: empty unless `flags` may make one, which
    /// `openat2` insists on.
    pub(crate) mode: Mode,
    pub(crate) resolve: ResolveFlags,
}

/// Opens a file.
///
/// Dropping the future closes what was opened meanwhile.
pub(crate) async fn open(open: Open) -> io::Result<Arc<Descriptor>> {
    let fd = match ring() {
        Some(ring) => ring.open(open).await?,
        None => pool::open(open).await?,
    };
    Ok(Descriptor::new(fd))
}

/// Reads into the room of `lease`, `max` bytes at most; none at the end of the file.
///
/// Dropping the future leaves the lease with the driver until the read has ended.
pub(crate) async fn read(file: &Arc<Descriptor>, offset: u64, lease: Lease, max: usize) -> io::Result<Lease> {
    match ring() {
        Some(ring) => ring.read(file, offset, lease, max).await,
        None => pool::read(file, offset, lease, max).await,
    }
}

/// Writes all of `chunk`.
///
/// Dropping the future leaves open how much is written; the chunk stays with the driver until the
/// write has ended.
pub(crate) async fn write(file: &Arc<Descriptor>, offset: u64, chunk: Chunk) -> io::Result<()> {
    match ring() {
        Some(ring) => ring.write(file, offset, chunk).await,
        None => pool::write(file, offset, chunk).await,
    }
}

/// What the file system knows of a file.
pub(crate) async fn metadata(file: &Arc<Descriptor>) -> io::Result<Statx> {
    match ring() {
        Some(ring) => ring.metadata(file).await,
        None => pool::metadata(file).await,
    }
}

/// Waits until what was written is on the disk; without `all` only what is needed to read it back.
pub(crate) async fn sync(file: &Arc<Descriptor>, all: bool) -> io::Result<()> {
    match ring() {
        Some(ring) => ring.sync(file, all).await,
        None => pool::sync(file, all).await,
    }
}

/// The ring of this thread's core, if it has one.
fn ring() -> Option<std::rc::Rc<Ring>> {
    Core::try_with(|core| match &core.driver {
        Local::Ring(ring) => Some(std::rc::Rc::clone(ring)),
        Local::Monoio(_) => None,
    })
    .flatten()
}

impl Socket {
    /// Sends `len` bytes of `file` from `offset` on, from the page cache to the socket without a
    /// copy through memory of ours. Returns how many it has sent: fewer if that cannot be done with
    /// this file, or not at this time; the rest has to be read and sent.
    ///
    /// Dropping the future leaves open how much was sent.
    pub(crate) async fn send_file(
        &mut self,
        file: &Arc<Descriptor>,
        offset: u64,
        len: u64,
        state: &std::rc::Rc<SocketState>,
    ) -> io::Result<u64> {
        match self {
            Socket::Ring(socket) => socket.send_file(file, offset, len, || state.send_goes_on()).await,
            Socket::Monoio(socket) => socket.send_file(file, offset, len, || state.send_goes_on()).await,
        }
    }
}
