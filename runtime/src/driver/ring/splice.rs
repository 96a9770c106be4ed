//! Files to sockets. What is in the page cache is sent at once, see
//! [`sendfile`](crate::driver::sendfile); the rest goes by splices, from the file into a pipe and from
//! the pipe into the socket.
//!
//! The pipe holds references to pages, no copies. Filling it may wait for a disk and is an operation
//! that a worker of the kernel does. What is in the pipe has been read, so emptying it waits for
//! nobody: the core does that itself, on a socket that does not block, and the wait for room is a
//! poll on the ring.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use io_uring::{opcode, types};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};

use super::Ring;
use super::fs::{FileOp, Loan, Working};
use super::handle::Socket;
use crate::buf::{Chunk, LEASE_LARGE};
use crate::driver::file::Descriptor;
use crate::driver::sendfile::{CALL_BYTES_MAX, Whereabouts, read_now, send_now, whereabouts};
use crate::executor::yield_now;

/// Bytes a pipe is asked to hold, the best first. The pages of a file that wait for a slow peer.
///
/// One trip to a worker per pipe, so larger is cheaper.
/// The first is what the kernel gives a process without privileges (`fs.pipe-max-size`); all pipes of
/// a user together may hold 64 MiB (`fs.pipe-user-pages-soft`), after which it gives less.
const PIPE_BYTES: [usize; 2] = [1024 * 1024, 256 * 1024];

/// Files being sent through pipes on one core at most. More are read and sent through leases.
const PIPES_MAX: u32 = 128;

/// Empty pipes kept for the next file. Each is two descriptors.
const PIPES_KEPT_MAX: usize = 8;

/// A pipe of this core.
pub(super) struct Pipe {
    exit: OwnedFd,
    entrance: OwnedFd,
    /// Bytes it takes at once.
    capacity: u32,
}

impl Pipe {
    fn new() -> io::Result<Pipe> {
        let (exit, entrance) = pipe_with(PipeFlags::CLOEXEC)?;
        // Refused when the user's pipes together hold as much as they may.
        let asked = PIPE_BYTES.into_iter().find_map(|bytes| fcntl_setpipe_size(&entrance, bytes).ok());
        let capacity = asked.map_or_else(|| fcntl_getpipe_size(&entrance), Ok)?;
        Ok(Pipe { exit, entrance, capacity: u32::try_from(capacity).unwrap_or(u32::MAX) })
    }
}

/// The pipes of one core.
#[derive(Default)]
pub(super) struct Pipes {
    /// Invariant: empty pipes that no operation holds, [`PIPES_KEPT_MAX`] at most.
    kept: Vec<Rc<Pipe>>,
    /// Invariant: [`PIPES_MAX`] at most.
    in_use: u32,
}

impl Pipes {
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, u32) {
        (self.kept.len(), self.in_use)
    }
}

/// A pipe for one file. It is kept for the next one if it is empty; else it is closed, once the
/// last operation on it has ended.
pub(super) struct Piping {
    ring: Rc<Ring>,
    pipe: Rc<Pipe>,
    /// Bytes in it. Not known while it is filled, and after that was given up.
    held: Option<u64>,
}

impl Piping {
    /// `None` at the bound, or if there are no descriptors left for a pipe.
    pub(super) fn begin(ring: &Rc<Ring>) -> Option<Piping> {
        let pipe = ring.with(|inner| {
            let pipes = &mut inner.pipes;
            if pipes.in_use == PIPES_MAX {
                return None;
            }
            let pipe = pipes.kept.pop().or_else(|| Pipe::new().ok().map(Rc::new))?;
            pipes.in_use += 1;
            Some(pipe)
        })?;
        Some(Piping { ring: Rc::clone(ring), pipe, held: Some(0) })
    }

    /// Bytes that wait for [`drain`](Self::drain).
    pub(super) fn held(&self) -> u64 {
        self.held.unwrap_or(0)
    }

    /// Moves bytes of `file` into the empty pipe, `len` at most; none at the end of the file.
    ///
    /// # Errors
    /// `InvalidInput` if the file cannot be spliced; else the file's own.
    ///
    /// # Cancellation
    /// The splice is cancelled. The pipe, and what it holds, is closed when that has ended.
    pub(super) async fn fill(&mut self, file: &Arc<Descriptor>, offset: u64, len: u64) -> io::Result<u64> {
        debug_assert_eq!(self.held, Some(0), "what is in the pipe is sent first");
        let offset = i64::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(self.pipe.capacity);
        let entrance = types::Fd(self.pipe.entrance.as_raw_fd());
        let entry = opcode::Splice::new(types::Fd(file.raw()), offset, entrance, -1, len).build();
        let op = FileOp::new(Loan::Pipe(Rc::clone(&self.pipe)), Some(file));
        // SAFETY: it points to no memory; the file and the pipe are held.
        let working = unsafe { Working::start(&self.ring, entry, op)? };
        self.held = None;
        let filled = working.await.0.map(u64::from);
        self.held = Some(*filled.as_ref().unwrap_or(&0));
        filled
    }

    /// Moves bytes from the pipe into a socket that does not block, as many as it takes and one
    /// call may. The caller has seen its sends idle.
    ///
    /// # Errors
    /// `WouldBlock` if the socket is full; else the socket's own.
    pub(super) fn drain(&mut self, socket: BorrowedFd<'_>, more: bool) -> io::Result<u64> {
        let held = self.held();
        let count = held.min(CALL_BYTES_MAX);
        let mut flags = SpliceFlags::NONBLOCK;
        flags.set(SpliceFlags::MORE, more || held > count);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let moved = splice(&self.pipe.exit, None, socket, None, count, flags)? as u64;
        if moved == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.held = Some(held.saturating_sub(moved));
        Ok(moved)
    }
}

impl Drop for Piping {
    fn drop(&mut self) {
        let empty = self.held == Some(0);
        self.ring.with(|inner| {
            inner.pipes.in_use -= 1;
            if empty && inner.pipes.kept.len() < PIPES_KEPT_MAX {
                inner.pipes.kept.push(Rc::clone(&self.pipe));
            }
        });
    }
}

/// What moved, and where.
enum Step {
    /// To the socket.
    Sent(u64),
    /// Into the pipe.
    Filled(u64),
}

impl Socket {
    /// Sends `len` bytes of `file` from `offset` on: what is in the page cache from here, the rest
    /// by way of a worker. `goes_on` is called each time the socket has taken some. Returns how many
    /// were sent; fewer if there is no pipe, or the file cannot be sent so.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; the file's and the socket's own.
    ///
    /// # Cancellation
    /// What is in hand is cancelled; how much was sent is not known.
    pub(crate) async fn send_file<G: Fn()>(
        &mut self,
        file: &Arc<Descriptor>,
        offset: u64,
        len: u64,
        goes_on: G,
    ) -> io::Result<u64> {
        rustix::io::ioctl_fionbio(self.fd(), true)?;
        poll_fn(|cx| self.poll_send_idle(cx)).await?;
        let mut piping: Option<Piping> = None;
        let mut sent = 0;
        while sent < len {
            let (at, left) = (offset + sent, len - sent);
            let step = match &mut piping {
                Some(piping) if piping.held() > 0 => {
                    piping.drain(self.fd(), left > piping.held()).map(Step::Sent)
                }
                _ => {
                    let count = left.min(CALL_BYTES_MAX);
                    let place = whereabouts(file, at, count);
                    if place == Whereabouts::Untold
                        && left <= LEASE_LARGE as u64
                        && let Some(lease) = read_now(file, at, left)
                    {
                        // The last of it: nothing here sends behind the driver's back any more.
                        self.send(Chunk::Lease(lease), &goes_on).await?;
                        return Ok(len);
                    }
                    if place == Whereabouts::Cached {
                        send_now(self.fd(), file, at, count).map(Step::Sent)
                    } else {
                        piping = piping.or_else(|| Piping::begin(self.ring()));
                        let Some(piping) = &mut piping else { return Ok(sent) };
                        piping.fill(file, at, left).await.map(Step::Filled)
                    }
                }
            };
            match step {
                Ok(Step::Sent(0) | Step::Filled(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Step::Filled(_)) => {}
                Ok(Step::Sent(n)) => {
                    sent += n;
                    goes_on();
                    if sent < len {
                        yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidInput && sent == 0 => return Ok(0),
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}
