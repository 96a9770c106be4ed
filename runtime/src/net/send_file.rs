//! Files over streams.

use std::io;

use super::stream::{Io, Stream};
use crate::buf::{LEASE_LARGE, LocalBoxFuture};
use crate::fs::File;

impl Stream {
    /// Sends `len` bytes of `file` from `offset` on, and returns `len`. What was sent before goes
    /// first.
    ///
    /// The bytes go from the page cache to the socket without a copy through memory of the process:
    /// by `sendfile` where they are in the page cache and the kernel says so (Linux 6.5, for files
    /// that the process owns or may write to), else off the core: by `splice` through a pipe on the
    /// ring driver, by `sendfile` on the blocking pool on the others. On a
    /// [`duplex`](super::duplex), with a file that knows neither (as in `/proc`), and on the ring
    /// driver beyond 128 files from the disk at a time, they are read into leases and sent; so are, on
    /// the ring driver, the last 64 KiB of a file of which the kernel does not say.
    ///
    /// It keeps at most 1 MiB of the file in the page cache, and none in memory of the process but those
    /// leases, however slow the peer is.
    ///
    /// ```
    /// use corelane_runtime::{self as runtime, fs::File, net};
    ///
    /// # let dir = std::env::temp_dir().join(format!("corelane-doc-send-{}", std::process::id()));
    /// # std::fs::create_dir(&dir)?;
    /// # std::fs::write(dir.join("page.html"), "<p>hello")?;
    /// runtime::block_on(async {
    ///     let root = File::open(&dir).await?;
    ///     let page = File::open_beneath(&root, "page.html").await?;
    ///     let len = page.metadata().await?.len();
    ///
    ///     let (mut stream, mut peer) = net::duplex(4096);
    ///     stream.send_file(&page, 0, len).await?;
    ///     assert_eq!(&peer.recv().await?[..], b"<p>hello");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::fs::remove_dir_all(&dir)?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the file ends before, also when it is cut
    /// short meanwhile; [`InvalidInput`](io::ErrorKind::InvalidInput) if the range ends above
    /// `i64::MAX`; [`TimedOut`](io::ErrorKind::TimedOut) as [`send`](Self::send); else what the
    /// file system or the socket says, and the errors of [`fs`](crate::fs#bounds). After an error
    /// every further send fails with [`BrokenPipe`](io::ErrorKind::BrokenPipe): the peer has seen
    /// part of what it was promised.
    ///
    /// # Cancellation
    /// As [`send`](Self::send): how much has reached the peer is not known, and the stream is broken
    /// for sending.
    pub async fn send_file(&mut self, file: &File, offset: u64, len: u64) -> io::Result<u64> {
        // Boxed, in a recycled block: it is part of every task that might send a file.
        LocalBoxFuture::new(self.send_file_inner(file, offset, len)).await
    }

    async fn send_file_inner(&mut self, file: &File, offset: u64, len: u64) -> io::Result<u64> {
        if offset.checked_add(len).is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.begin_send()?;
        self.state.send_goes_on();
        let direct = match &mut self.io {
            Io::Socket(socket) => socket.send_file(file.descriptor(), offset, len, &self.state).await,
            // Read and sent, below.
            _ => Ok(0),
        };
        let sent = match direct {
            Ok(sent) => {
                self.end_send(usize::try_from(sent).unwrap_or(usize::MAX));
                self.copy_file(file, offset + sent, len - sent).await
            }
            Err(error) => Err(error),
        };
        sent.map(|()| len).map_err(|error| self.send_failed(error))
    }

    /// Reads into leases and sends those.
    async fn copy_file(&mut self, file: &File, offset: u64, len: u64) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            // Part of the file is promised: dropped or failed in here, the stream is broken.
            self.state.broken.set(true);
            let max = usize::try_from(len - done).unwrap_or(usize::MAX).min(LEASE_LARGE);
            let lease = file.read_at(offset + done, max).await?;
            if lease.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            done += lease.len() as u64;
            self.state.broken.set(false);
            self.send(lease).await?;
        }
        Ok(())
    }
}
