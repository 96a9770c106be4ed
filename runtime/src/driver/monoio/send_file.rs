//! Files to sockets by `sendfile(2)`.
//!
//! The call neither waits for the peer, because the socket does not block, nor should it wait for
//! the disk: what is in the page cache is sent by the core, the rest by a thread of the pool.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use super::Socket;
use super::pool::run;
use crate::driver::file::Descriptor;
use crate::executor::yield_now;

/// Bytes handed over in one call at most. Bounds how long one call keeps the core, a few dozen
/// microseconds.
const CALL_BYTES_MAX: u64 = 256 * 1024;

impl Socket {
    /// See [`driver::Socket::send_file`](crate::driver::Socket::send_file).
    pub(crate) async fn send_file(
        &mut self,
        file: &Arc<Descriptor>,
        offset: u64,
        len: u64,
        goes_on: impl Fn(),
    ) -> io::Result<bool> {
        // The ring's other operations want the descriptor in blocking mode. After a dropped future
        // it stays in the other one: nothing is sent on that stream any more, and receives wait
        // for readiness in either mode.
        if self.uring() {
            rustix::io::ioctl_fionbio(self.fd(), true)?;
        }
        let sent = self.send_pieces(file, offset, len, goes_on).await;
        if self.uring() {
            rustix::io::ioctl_fionbio(self.fd(), false)?;
        }
        sent
    }

    async fn send_pieces(
        &mut self,
        file: &Arc<Descriptor>,
        offset: u64,
        len: u64,
        goes_on: impl Fn(),
    ) -> io::Result<bool> {
        let mut sent = 0;
        let mut shared = None;
        while sent < len {
            let at = offset + sent;
            let count = (len - sent).min(CALL_BYTES_MAX);
            let here = is_cached(file, at, count);
            let outcome = if here {
                send_now(self.fd(), file, at, count)
            } else {
                self.send_elsewhere(&mut shared, file, at, count).await
            };
            match outcome {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    sent += n;
                    goes_on();
                    if here {
                        yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Not every file can be sent so, nor to every socket.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput && sent == 0 => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// One call on a thread of the pool. It has a descriptor of its own for the socket: the stream
    /// may be dropped and its number be another's by the time the thread gets there.
    async fn send_elsewhere(
        &self,
        shared: &mut Option<Arc<OwnedFd>>,
        file: &Arc<Descriptor>,
        offset: u64,
        count: u64,
    ) -> io::Result<u64> {
        let socket = match shared {
            Some(socket) => Arc::clone(socket),
            None => Arc::clone(shared.insert(Arc::new(self.fd().try_clone_to_owned()?))),
        };
        let file = Arc::clone(file);
        run(move || send_now(socket.as_fd(), &file, offset, count)).await
    }
}

fn send_now(socket: impl AsFd, file: &Descriptor, mut offset: u64, count: u64) -> io::Result<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), count)? as u64)
}

/// True if all of this part of the file was in the page cache a moment ago. False where the kernel
/// does not tell: before 6.5, or for a file the process may neither write to nor owns.
fn is_cached(file: &Descriptor, offset: u64, count: u64) -> bool {
    let range: [u64; 2] = [offset, count];
    // Cached, dirty, under writeback, evicted, recently evicted: pages each.
    let mut pages = [0u64; 5];
    // SAFETY: both structures of cachestat(2) are rows of u64, two and five long, and live through
    // the call.
    let result = unsafe {
        libc::syscall(SYS_CACHESTAT, file.as_fd().as_raw_fd(), range.as_ptr(), pages.as_mut_ptr(), 0)
    };
    // SAFETY: no pointers.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page @ 1..) = u64::try_from(page) else { return false };
    let wanted = (offset + count).div_ceil(page) - offset / page;
    result == 0 && pages[0] >= wanted
}

/// Number of `cachestat`, the same on every architecture; `libc` does not name it everywhere.
const SYS_CACHESTAT: libc::c_long = 451;
