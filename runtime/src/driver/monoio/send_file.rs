//! Files to sockets by `sendfile(2)`.
//!
//! What is in the page cache is sent by the core, the rest by a thread of the pool.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::Socket;
use super::pool::run;
use crate::driver::file::Descriptor;
use crate::driver::sendfile::{CALL_BYTES_MAX, Whereabouts, send_now, whereabouts};
use crate::executor::yield_now;

impl Socket {
    /// See [`driver::Socket::send_file`](crate::driver::Socket::send_file).
    pub(crate) async fn send_file(
        &mut self,
        file: &Arc<Descriptor>,
        offset: u64,
        len: u64,
        goes_on: impl Fn(),
    ) -> io::Result<u64> {
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
    ) -> io::Result<u64> {
        let mut sent = 0;
        let mut shared = None;
        while sent < len {
            let at = offset + sent;
            let count = (len - sent).min(CALL_BYTES_MAX);
            let here = whereabouts(file, at, count) == Whereabouts::Cached;
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
                    if here && sent < len {
                        yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Not every file can be sent so, nor to every socket.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput && sent == 0 => return Ok(0),
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
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
