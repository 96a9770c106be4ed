//! The file.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use super::{Metadata, OpenOptions};
use crate::buf::{Chunk, LEASE_LARGE, Lease};
use crate::driver::file::{self, Descriptor};

/// An open file or directory.
///
/// It may be shared by the tasks of any core: each operation is done by the core that asks for it.
/// It is closed when it and its last operation are gone.
pub struct File {
    descriptor: Arc<Descriptor>,
}

impl File {
    /// Opens a file or directory for reading. See [`OpenOptions::open`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    ///
    /// # Cancellation
    /// May be dropped at any time; what was opened is closed.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Makes a file, or empties the one there is, and opens it for writing. See
    /// [`OpenOptions::open`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    ///
    /// # Cancellation
    /// May be dropped at any time. The file may have been made or emptied.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Opens a file or directory under `dir` for reading. See [`OpenOptions::open_beneath`].
    ///
    /// # Errors
    /// As [`OpenOptions::open_beneath`].
    ///
    /// # Cancellation
    /// May be dropped at any time; what was opened is closed.
    pub async fn open_beneath(dir: &File, relative: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open_beneath(dir, relative).await
    }

    pub(super) fn new(descriptor: Arc<Descriptor>) -> File {
        File { descriptor }
    }

    pub(crate) fn descriptor(&self) -> &Arc<Descriptor> {
        &self.descriptor
    }

    /// Takes over a file of the standard library. Its position is not used.
    pub fn from_std(file: std::fs::File) -> File {
        File::new(Descriptor::new(file.into()))
    }

    /// Hands the file over to the standard library.
    ///
    /// # Errors
    /// If an operation whose future was dropped still holds the file, it is duplicated, which fails
    /// when the process has no descriptor left.
    pub fn into_std(self) -> io::Result<std::fs::File> {
        Descriptor::into_fd(self.descriptor).map(Into::into)
    }

    /// Reads from `offset` on, in bytes from the start of the file, into a lease of the driver's
    /// choice: `max` bytes at most, and never more than [`LEASE_LARGE`]. An empty lease is the end
    /// of the file, unless `max` is 0. Elsewhere a lease may be shorter than asked for.
    ///
    /// # Errors
    /// What the file system says; [`OutOfMemory`](io::ErrorKind::OutOfMemory) if the core's leases
    /// are at their bound, [`InvalidInput`](io::ErrorKind::InvalidInput) for an offset above
    /// `i64::MAX`; and those of the [module](super#bounds).
    ///
    /// # Cancellation
    /// May be dropped at any time; the lease comes back when the read has ended.
    pub async fn read_at(&self, offset: u64, max: usize) -> io::Result<Lease> {
        check(offset, 0)?;
        let max = max.min(LEASE_LARGE);
        file::read(&self.descriptor, offset, Lease::take(max)?, max).await
    }

    /// Writes all of `chunk` at `offset`, in bytes from the start of the file. Beyond the end of the
    /// file this leaves a hole, which reads as zeroes.
    ///
    /// # Errors
    /// What the file system says, such as [`StorageFull`](io::ErrorKind::StorageFull); then part of
    /// the chunk may be written. [`InvalidInput`](io::ErrorKind::InvalidInput) if it would end
    /// above `i64::MAX`; and those of the [module](super#bounds).
    ///
    /// # Cancellation
    /// If dropped before it is done, it is not known how much is written. The chunk is freed when
    /// the write has ended.
    pub async fn write_at(&self, offset: u64, chunk: impl Into<Chunk>) -> io::Result<()> {
        let chunk = chunk.into();
        check(offset, chunk.len())?;
        file::write(&self.descriptor, offset, chunk).await
    }

    /// Waits until everything written, and the file's own data, is on the disk (`fsync`).
    ///
    /// # Errors
    /// What the file system says. After an error it is not known what has reached the disk, and
    /// Linux reports it once: do not take a second call's success for an answer.
    ///
    /// # Cancellation
    /// May be dropped at any time; the disk may go on.
    pub async fn sync_all(&self) -> io::Result<()> {
        file::sync(&self.descriptor, true).await
    }

    /// As [`sync_all`](Self::sync_all), without what is not needed to read the bytes back, such as
    /// the time of the last change (`fdatasync`).
    ///
    /// # Errors
    /// As [`sync_all`](Self::sync_all).
    ///
    /// # Cancellation
    /// May be dropped at any time; the disk may go on.
    pub async fn sync_data(&self) -> io::Result<()> {
        file::sync(&self.descriptor, false).await
    }

    /// Length, kind, time of the last change and inode (`statx`).
    ///
    /// # Errors
    /// What the file system says; and those of the [module](super#bounds).
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        file::metadata(&self.descriptor).await.map(Metadata::new)
    }
}

/// Offsets are signed in the kernel; -1 would mean the file's own position.
fn check(offset: u64, len: usize) -> io::Result<()> {
    match offset.checked_add(len as u64) {
        Some(end) if i64::try_from(end).is_ok() => Ok(()),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("fd", &self.descriptor.raw()).finish()
    }
}
