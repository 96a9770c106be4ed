//! Files to sockets: from the page cache into a pipe, from the pipe into the socket.
//!
//! The pipe holds references to pages, no copies. Each half is an operation that a worker of the
//! kernel does; neither waits for the peer there. The socket is made non-blocking for it, so a
//! worker finds it full at once, and the wait for room is a poll on the ring.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use io_uring::{opcode, types};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::fs::{FileOp, Loan, Working};
use super::handle::Socket;
use super::send::Sending;
use super::token::Key;
use super::{Inner, Ring};
use crate::driver::file::Descriptor;

/// Bytes a pipe is asked to hold. The pages of a file that wait for a slow peer.
///
/// Two trips to a worker per pipe, so larger is cheaper for the core; but all pipes of a user
/// together may hold 64 MiB (`fs.pipe-user-pages-soft`).
const PIPE_BYTES: usize = 256 * 1024;

/// Bytes an operation moves at most when the kernel gives a pipe of the size it gives everybody.
const PIPE_BYTES_DEFAULT: usize = 64 * 1024;

/// Files being sent through pipes on one core at most. More are read and sent through leases.
const PIPES_MAX: u32 = 128;

/// Empty pipes kept for the next file. Each is two descriptors.
const PIPES_KEPT_MAX: usize = 8;

/// A pipe of this core.
pub(super) struct Pipe {
    exit: OwnedFd,
    entrance: OwnedFd,
    /// Bytes it takes at once.
    capacity: usize,
}

impl Pipe {
    fn new() -> io::Result<Pipe> {
        let (exit, entrance) = pipe_with(PipeFlags::CLOEXEC)?;
        // Refused when the user's pipes together hold as much as they may.
        let capacity = fcntl_setpipe_size(&entrance, PIPE_BYTES).unwrap_or(PIPE_BYTES_DEFAULT);
        Ok(Pipe { exit, entrance, capacity })
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

/// A pipe for one file. It is kept for the next one if it was [emptied](Self::emptied); else it is
/// closed, once the last operation on it has ended.
struct Piping {
    ring: Rc<Ring>,
    pipe: Rc<Pipe>,
    empty: bool,
}

impl Piping {
    /// `None` at the bound, or if there are no descriptors left for a pipe.
    fn begin(ring: &Rc<Ring>) -> Option<Piping> {
        let pipe = ring.with(|inner| {
            let pipes = &mut inner.pipes;
            if pipes.in_use == PIPES_MAX {
                return None;
            }
            let pipe = pipes.kept.pop().or_else(|| Pipe::new().ok().map(Rc::new))?;
            pipes.in_use += 1;
            Some(pipe)
        })?;
        Some(Piping { ring: Rc::clone(ring), pipe, empty: false })
    }

    /// The last byte has left it.
    fn emptied(mut self) {
        self.empty = true;
    }

    /// Moves bytes of `file` into the pipe, `len` at most.
    async fn fill(&self, file: &Arc<Descriptor>, offset: u64, len: u64) -> io::Result<u32> {
        let offset = i64::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        let len = self.at_once(len);
        let entrance = types::Fd(self.pipe.entrance.as_raw_fd());
        let entry = opcode::Splice::new(types::Fd(file.raw()), offset, entrance, -1, len).build();
        let op = FileOp::new(Loan::Pipe(Rc::clone(&self.pipe)), Some(file));
        // SAFETY: it points to no memory; the file and the pipe are held.
        let key = self.ring.with(|inner| unsafe { inner.start_file(entry, op) });
        Working::of(&self.ring, key)?.await.0
    }

    /// Moves bytes from the pipe into the socket. The caller has seen its sends idle.
    async fn drain(&self, socket: Key, len: u32, more: bool) -> io::Result<u32> {
        let key = self.ring.with(|inner| inner.start_drain(&self.pipe, socket, len, more));
        Working::of(&self.ring, key)?.await.0
    }

    fn at_once(&self, len: u64) -> u32 {
        let capacity = u32::try_from(self.pipe.capacity).unwrap_or(u32::MAX);
        u32::try_from(len).unwrap_or(u32::MAX).min(capacity)
    }
}

impl Drop for Piping {
    fn drop(&mut self) {
        self.ring.with(|inner| {
            inner.pipes.in_use -= 1;
            if self.empty && inner.pipes.kept.len() < PIPES_KEPT_MAX {
                inner.pipes.kept.push(Rc::clone(&self.pipe));
            }
        });
    }
}

impl Inner {
    fn start_drain(&mut self, pipe: &Rc<Pipe>, socket: Key, len: u32, more: bool) -> Option<Key> {
        let conn = self.conns.get_mut(socket)?;
        debug_assert!(matches!(conn.sending, Sending::Idle), "one send in hand at a time");
        let exit = types::Fd(pipe.exit.as_raw_fd());
        let flags = if more { libc::SPLICE_F_MORE } else { 0 };
        let entry =
            opcode::Splice::new(exit, -1, types::Fd(conn.fd.as_raw_fd()), -1, len).flags(flags).build();
        let mut op = FileOp::new(Loan::Pipe(Rc::clone(pipe)), None);
        op.conn = Some(socket);
        // SAFETY: it points to no memory; the pipe is held, and the connection is not closed while
        // it is `Splicing`.
        let key = unsafe { self.start_file(entry, op) }?;
        if let Some(conn) = self.conns.get_mut(socket) {
            conn.sending = Sending::Splicing;
        }
        Some(key)
    }

    /// A splice into a connection has ended. Does what waited for it.
    pub(super) fn end_splice(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        debug_assert!(matches!(conn.sending, Sending::Splicing));
        conn.sending = Sending::Idle;
        self.wakes.extend(conn.send_waker.take());
        if conn.closing {
            self.close_now(key);
        } else if let Some(how) = conn.shutdown_after_send.take() {
            // An error means that the peer was faster.
            let _gone = self.shutdown(key, how);
        }
    }
}

impl Socket {
    /// Sends `len` bytes of `file` from `offset` on. `goes_on` is called each time the socket has
    /// taken some. `false`, with nothing sent, if there is no pipe for it or the file cannot be
    /// spliced.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; the file's and the socket's own.
    ///
    /// # Cancellation
    /// What is in hand is cancelled; how much was sent is not known. The pipe, and what it holds,
    /// is closed when that has ended.
    pub(crate) async fn send_file<G: Fn()>(
        &mut self,
        file: &Arc<Descriptor>,
        mut offset: u64,
        len: u64,
        goes_on: G,
    ) -> io::Result<bool> {
        let Some(piping) = Piping::begin(self.ring()) else { return Ok(false) };
        rustix::io::ioctl_fionbio(self.fd(), true)?;
        let mut left = len;
        while left > 0 {
            let mut held = match piping.fill(file, offset, left).await {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::InvalidInput && left == len => {
                    piping.emptied();
                    return Ok(false);
                }
                Err(error) => return Err(error),
            };
            offset += u64::from(held);
            left -= u64::from(held);
            while held > 0 {
                poll_fn(|cx| self.poll_send_idle(cx)).await?;
                match piping.drain(self.key(), held, left > 0).await {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => {
                        held -= n.min(held);
                        goes_on();
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        piping.emptied();
        Ok(true)
    }
}
