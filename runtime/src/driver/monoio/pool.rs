//! Work on files, on the blocking pool.
//!
//! A job owns everything it touches, so a dropped future frees nothing that a thread still uses:
//! the job runs to its end, and what it has made is dropped on that thread.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use rustix::fs::{AtFlags, CWD, ResolveFlags, Statx, StatxFlags};

use crate::blocking;
use crate::buf::{Chunk, Lease};
use crate::driver::file::{Descriptor, Open};

/// Runs `job` on the pool.
///
/// # Errors
/// The job's own; [`ResourceBusy`](io::ErrorKind::ResourceBusy) if the pool did not take it.
pub(super) async fn run<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match blocking::run(job).await {
        Ok(result) => result,
        Err(error) if error.is_full() => Err(io::Error::new(io::ErrorKind::ResourceBusy, error)),
        Err(error) => Err(io::Error::other(error)),
    }
}

pub(crate) async fn open(open: Open) -> io::Result<OwnedFd> {
    run(move || {
        let Open { dir, path, flags, mode, resolve } = open;
        let dir = dir.as_ref().map_or(CWD, |dir| dir.as_fd());
        // The old call where nothing is asked of the new one: this driver also serves old kernels.
        Ok(if resolve == ResolveFlags::empty() {
            rustix::fs::openat(dir, path, flags, mode)?
        } else {
            rustix::fs::openat2(dir, path, flags, mode, resolve)?
        })
    })
    .await
}

pub(crate) async fn read(
    file: &Arc<Descriptor>,
    offset: u64,
    mut lease: Lease,
    max: usize,
) -> io::Result<Lease> {
    let file = Arc::clone(file);
    run(move || {
        let room = lease.spare();
        let len = room.len().min(max);
        let n = rustix::io::retry_on_intr(|| {
            rustix::io::pread(&file, &mut room[..len], offset).map(|(read, _)| read.len())
        })?;
        // SAFETY: the kernel wrote `n` bytes at the start of the room.
        unsafe { lease.filled(n) };
        Ok(lease)
    })
    .await
}

pub(crate) async fn write(file: &Arc<Descriptor>, mut offset: u64, chunk: Chunk) -> io::Result<()> {
    let file = Arc::clone(file);
    let mut bytes = shareable(chunk);
    run(move || {
        while !bytes.is_empty() {
            let n = rustix::io::retry_on_intr(|| rustix::io::pwrite(&file, &bytes, offset))?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += n as u64;
            bytes.advance(n);
        }
        Ok(())
    })
    .await
}

pub(crate) async fn metadata(file: &Arc<Descriptor>) -> io::Result<Statx> {
    let file = Arc::clone(file);
    run(move || Ok(rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?)).await
}

pub(crate) async fn sync(file: &Arc<Descriptor>, all: bool) -> io::Result<()> {
    let file = Arc::clone(file);
    run(move || {
        let synced = if all { rustix::fs::fsync(&file) } else { rustix::fs::fdatasync(&file) };
        Ok(synced?)
    })
    .await
}

/// The chunk's bytes as another thread may have them. Copies only a view that is not the last one
/// of its lease.
fn shareable(chunk: Chunk) -> Bytes {
    match chunk {
        Chunk::Lease(lease) => lease.into(),
        Chunk::View(view) => view.into_bytes(),
        Chunk::Bytes(bytes) => bytes,
        Chunk::Static(bytes) => Bytes::from_static(bytes),
        Chunk::Vec(bytes) => bytes.into(),
    }
}
