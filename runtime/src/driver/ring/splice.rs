//! Files to sockets. What is in the page cache is sent at once, see
//! [`sendfile`](crate::driver::sendfile); the rest goes by splices, from the file into a pipe and from
//! the pipe into the socket.
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
use crate::driver::sendfile::{CALL_BYTES_MAX, is_cached, send_now};
use crate::executor::yield_now;

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

/// A pipe for one file. It is kept for the next one if it is empty; else it is closed, once the
/// last operation on it has ended.
pub(super) struct Piping {
    ring: Rc<Ring>,
    pipe: Rc<Pipe>,
    /// Nothing is in it, and no operation is under way that may put something there.
    empty: bool,
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
        Some(Piping { ring: Rc::clone(ring), pipe, empty: true })
    }

    /// Carries bytes of `file` to the socket, `len` at most, and returns how many; none at the end
    /// of the file. `goes_on` is called each time the socket has taken some. The caller has seen the
    /// socket's sends idle.
    ///
    /// # Errors
    /// `InvalidInput` if the file cannot be spliced; else the file's and the socket's own.
    ///
    /// # Cancellation
    /// What is in hand is cancelled; how much was sent is not known. The pipe, and what it holds, is
    /// closed when that has ended.
    pub(super) async fn carry(
        &mut self,
        socket: &Socket,
        file: &Arc<Descriptor>,
        offset: u64,
        len: u64,
        more: bool,
        goes_on: &impl Fn(),
    ) -> io::Result<u64> {
        self.empty = false;
        let filled = self.fill(file, offset, len).await;
        let mut held = *filled.as_ref().unwrap_or(&0);
        while held > 0 {
            match self.drain(socket.key(), held, more).await {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    held -= n.min(held);
                    goes_on();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.empty = true;
        filled.map(u64::from)
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
    /// Sends `len` bytes of `file` from `offset` on: what is in the page cache from here, the rest
    /// by a worker. `goes_on` is called each time the socket has taken some. Returns how many were
    /// sent; fewer if there is no pipe, or the file cannot be sent so.
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
        let mut piping = None;
        let mut sent = 0;
        while sent < len {
            let at = offset + sent;
            let count = (len - sent).min(CALL_BYTES_MAX);
            let here = is_cached(file, at, count);
            let outcome = if here {
                send_now(self.fd(), file, at, count).inspect(|_| goes_on())
            } else {
                piping = piping.or_else(|| Piping::begin(self.ring()));
                let Some(piping) = &mut piping else { return Ok(sent) };
                piping.carry(self, file, at, count, sent + count < len, &goes_on).await
            };
            match outcome {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    sent += n;
                    if here && sent < len {
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
