//! Operations on files.
//!
//! Each has a slot that owns what the kernel reads, writes or looks up for it, until its
//! completion: these operations may run on a worker thread of the kernel, long after the turn that
//! submitted them, and only there is a descriptor's number looked up. So a slot is freed by the
//! completion alone; a dropped future cancels the operation and leaves the slot to it.
//!
//! None of them is probed for at start: they are years older than the multishot receive that the
//! driver cannot do without.

use std::ffi::CString;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use io_uring::{IoUring, opcode, squeue, types};
use rustix::fs::{AtFlags, Statx, StatxFlags};

use super::conn::remember;
use super::send::TRANSFER_MAX;
use super::splice::Pipe;
use super::token::{Key, Kind, Token};
use super::{Inner, Retired, Ring};
use crate::buf::{Chunk, Lease};
use crate::driver::file::{Descriptor, Open};

/// Operations on files in flight on one core at most. More fail with `ENOBUFS`.
///
/// Most are waiting for a worker then; at a tenth of a millisecond each and [`WORKERS_MAX`] of them
/// the last waits 13 ms.
pub(super) const FILE_OPS_MAX: u32 = 4096;

/// Kernel threads per core at most that work on files, for each of its two kinds: reads and writes
/// of regular files, and all else. They wait for disks, so there may be more than processors;
/// the kernel's own bound for the second kind is that of processes.
const WORKERS_MAX: u32 = 32;

/// Times an open is tried again that lost a race with a rename.
const OPEN_RETRIES_MAX: u32 = 8;

/// What an operation lends to the kernel. What is pointed to is on the heap or static and stays
/// where it is when this moves.
pub(super) enum Loan {
    Nothing,
    Path(Box<Path>),
    Read(Lease),
    Write(Chunk),
    Stat(Box<MaybeUninit<Statx>>),
    /// Both ends of a pipe, by number.
    Pipe(#[allow(dead_code, reason = "held to stay open")] Rc<Pipe>),
}

const _: () = assert!(size_of::<Statx>() == 256, "what the kernel writes for a statx");

/// The name of a file to open, and how to open it.
pub(super) struct Path {
    name: CString,
    how: types::OpenHow,
}

/// One operation in flight or just completed.
pub(super) struct FileOp {
    loan: Loan,
    /// The file it is about, or the directory a path begins in.
    #[allow(dead_code, reason = "held to stay open")]
    file: Option<Arc<Descriptor>>,
    waker: Option<Waker>,
    result: Option<i32>,
    /// The future was dropped: throw the result away.
    orphaned: bool,
}

impl FileOp {
    pub(super) fn new(loan: Loan, file: Option<&Arc<Descriptor>>) -> Self {
        Self { loan, file: file.cloned(), waker: None, result: None, orphaned: false }
    }
}

/// Bounds the kernel's worker threads. An older kernel (before 5.15) has its own bounds only.
pub(super) fn bound_workers(ring: &IoUring) {
    let _unbounded = ring.submitter().register_iowq_max_workers(&mut [WORKERS_MAX; 2]);
}

impl Inner {
    /// Submits an operation; `None` when there are too many.
    ///
    /// # Safety
    /// `entry` points to static memory or to what `op` lends, and names descriptors that `op`
    /// holds.
    unsafe fn start_file(&mut self, entry: squeue::Entry, op: FileOp) -> Option<Key> {
        match self.file_ops.insert(op) {
            Ok(key) => {
                let entry = entry.user_data(Token::new(Kind::File, key).bits());
                // SAFETY: the slot owns what the entry points to until its completion.
                unsafe { self.uring.push(&entry) };
                Some(key)
            }
            Err(op) => {
                self.retired.push(Retired::File(op));
                None
            }
        }
    }

    /// What an operation came to, once, and what it was lent.
    fn poll_file(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<(i32, Loan)> {
        let Some(op) = self.file_ops.get_mut(key) else {
            return Poll::Ready((-libc::EBADF, Loan::Nothing));
        };
        let Some(result) = op.result else {
            remember(&mut op.waker, cx.waker());
            return Poll::Pending;
        };
        let loan = std::mem::replace(&mut op.loan, Loan::Nothing);
        self.retired.extend(self.file_ops.remove(key).map(Retired::File));
        Poll::Ready((result, loan))
    }

    /// The future was dropped. Cancels the operation if it has not completed.
    pub(super) fn drop_file(&mut self, key: Key) {
        let Some(op) = self.file_ops.get_mut(key) else { return };
        if let Some(result) = op.result {
            return self.discard_file(key, result);
        }
        op.orphaned = true;
        op.waker = None;
        self.cancel(Token::new(Kind::File, key));
    }

    /// An operation has completed.
    pub(super) fn on_file(&mut self, key: Key, result: i32) {
        let Some(op) = self.file_ops.get_mut(key) else { return };
        op.result = Some(result);
        let orphaned = op.orphaned;
        self.wakes.extend(op.waker.take());
        if orphaned {
            self.discard_file(key, result);
        }
    }

    /// Frees an operation whose result nobody takes; a file it opened is closed.
    fn discard_file(&mut self, key: Key, result: i32) {
        let Some(op) = self.file_ops.remove(key) else { return };
        if matches!(op.loan, Loan::Path(_)) && result >= 0 {
            // SAFETY: an open that succeeded made this descriptor, and nobody was told of it.
            self.retired.push(Retired::Descriptor(unsafe { OwnedFd::from_raw_fd(result) }));
        }
        self.retired.push(Retired::File(op));
    }
}

/// An operation as a future. Dropping it cancels the operation.
pub(super) struct Working {
    ring: Rc<Ring>,
    key: Key,
}

impl Working {
    /// # Safety
    /// As [`Inner::start_file`].
    ///
    /// # Errors
    /// `ENOBUFS` at [`FILE_OPS_MAX`].
    pub(super) unsafe fn start(ring: &Rc<Ring>, entry: squeue::Entry, op: FileOp) -> io::Result<Self> {
        // SAFETY: the caller's promise is the same.
        let key = ring.with(|inner| unsafe { inner.start_file(entry, op) });
        let key = key.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOBUFS))?;
        Ok(Self { ring: Rc::clone(ring), key })
    }
}

impl Future for Working {
    type Output = (io::Result<u32>, Loan);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.ring.with(|inner| inner.poll_file(self.key, cx)).map(|(result, loan)| {
            (u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result)), loan)
        })
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.ring.with(|inner| inner.drop_file(self.key));
    }
}

impl Ring {
    /// Opens a file.
    ///
    /// # Cancellation
    /// What was opened is closed.
    pub(crate) async fn open(self: &Rc<Self>, open: Open) -> io::Result<OwnedFd> {
        let Open { dir, path, flags, mode, resolve } = open;
        let how = types::OpenHow::new()
            .flags(u64::from(flags.bits()))
            .mode(u64::from(mode.bits()))
            .resolve(resolve.bits());
        let mut path = Box::new(Path { name: path, how });
        for _ in 0..OPEN_RETRIES_MAX {
            let start = types::Fd(dir.as_ref().map_or(libc::AT_FDCWD, |dir| dir.raw()));
            let entry = opcode::OpenAt2::new(start, path.name.as_ptr(), &raw const path.how).build();
            // SAFETY: the name and the way are in the loan's box, and the directory is held.
            let working =
                unsafe { Working::start(self, entry, FileOp::new(Loan::Path(path), dir.as_ref()))? };
            let (result, loan) = working.await;
            match result {
                Ok(fd) => {
                    let fd = i32::try_from(fd).unwrap_or_else(|_| unreachable!("it came as an i32"));
                    // SAFETY: a descriptor the kernel has just made for us.
                    return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
                }
                // Something on the way was renamed, and the kernel cannot tell where it is.
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
                Err(error) => return Err(error),
            }
            let Loan::Path(back) = loan else { unreachable!("it was lent a path") };
            path = back;
        }
        Err(io::Error::from_raw_os_error(libc::EAGAIN))
    }

    /// Reads behind the bytes of `lease`, `max` at most.
    ///
    /// # Cancellation
    /// The read is cancelled; the lease is dropped when it has ended.
    pub(crate) async fn read(
        self: &Rc<Self>,
        file: &Arc<Descriptor>,
        offset: u64,
        mut lease: Lease,
        max: usize,
    ) -> io::Result<Lease> {
        loop {
            let room = lease.spare();
            let len = u32::try_from(room.len().min(max)).unwrap_or(u32::MAX);
            let entry = opcode::Read::new(types::Fd(file.raw()), room.as_mut_ptr().cast(), len)
                .offset(offset)
                .build();
            // SAFETY: the room is part of the loan and at least `len` long; the file is held.
            let working = unsafe { Working::start(self, entry, FileOp::new(Loan::Read(lease), Some(file)))? };
            let (result, loan) = working.await;
            let Loan::Read(back) = loan else { unreachable!("it was lent a lease") };
            lease = back;
            match result {
                Ok(n) => {
                    debug_assert!(n <= len, "the kernel was given that much room");
                    // SAFETY: the kernel wrote `n` bytes at the start of the room.
                    unsafe { lease.filled(n as usize) };
                    return Ok(lease);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes all of `chunk`.
    ///
    /// # Cancellation
    /// The write is cancelled; how much is written is not known. The chunk is dropped when it has
    /// ended.
    pub(crate) async fn write(
        self: &Rc<Self>,
        file: &Arc<Descriptor>,
        offset: u64,
        mut chunk: Chunk,
    ) -> io::Result<()> {
        let mut done = 0;
        while done < chunk.len() {
            let bytes = &chunk[done..];
            let len = u32::try_from(bytes.len().min(TRANSFER_MAX)).unwrap_or(u32::MAX);
            let entry = opcode::Write::new(types::Fd(file.raw()), bytes.as_ptr(), len)
                .offset(offset + done as u64)
                .build();
            // SAFETY: the bytes are the loan's, outside the chunk itself; the file is held.
            let working =
                unsafe { Working::start(self, entry, FileOp::new(Loan::Write(chunk), Some(file)))? };
            let (result, loan) = working.await;
            let Loan::Write(back) = loan else { unreachable!("it was lent a chunk") };
            chunk = back;
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n as usize,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the file system knows of a file.
    ///
    /// # Cancellation
    /// The operation is cancelled; what it writes to is freed when it has ended.
    pub(crate) async fn metadata(self: &Rc<Self>, file: &Arc<Descriptor>) -> io::Result<Statx> {
        let mut room = Box::new(MaybeUninit::<Statx>::uninit());
        let flags = i32::try_from(AtFlags::EMPTY_PATH.bits()).unwrap_or(0);
        let entry = opcode::Statx::new(types::Fd(file.raw()), c"".as_ptr(), room.as_mut_ptr().cast())
            .flags(flags)
            .mask(StatxFlags::BASIC_STATS.bits())
            .build();
        // SAFETY: the room is the loan's box, as large as the kernel writes; the path is static and
        // the file is held.
        let working = unsafe { Working::start(self, entry, FileOp::new(Loan::Stat(room), Some(file)))? };
        let (result, loan) = working.await;
        result?;
        let Loan::Stat(room) = loan else { unreachable!("it was lent room for a statx") };
        // SAFETY: the operation succeeded, so the kernel has filled all of it.
        Ok(unsafe { room.assume_init_read() })
    }

    /// Waits until the file's data, or `all` of it, is on the disk.
    ///
    /// # Cancellation
    /// The wait ends; the disk may go on.
    pub(crate) async fn sync(self: &Rc<Self>, file: &Arc<Descriptor>, all: bool) -> io::Result<()> {
        let flags = if all { types::FsyncFlags::empty() } else { types::FsyncFlags::DATASYNC };
        let entry = opcode::Fsync::new(types::Fd(file.raw())).flags(flags).build();
        // SAFETY: it points to no memory, and the file is held.
        let working = unsafe { Working::start(self, entry, FileOp::new(Loan::Nothing, Some(file)))? };
        working.await.0.map(drop)
    }

    /// Closes a file whose last operation has ended.
    pub(crate) fn close_file(&self, fd: OwnedFd) {
        self.with(|inner| inner.close_descriptor(fd));
    }
}
