//! Bodies that are files: the kernel sends them, and no byte of them passes through memory of the process.

use std::io;

use corelane_runtime::net::Shutdown;

use super::{Conn, Gone};
use crate::body::{FileBody, Part};

impl Conn {
    /// Sends what is left of a body made of parts of a file, behind what is in the output.
    ///
    /// The length was promised in the head. If the file became shorter meanwhile, the connection is closed, so that the
    /// client sees that something is missing; what it grew by is not sent.
    pub(super) async fn send_files(&mut self, mut body: FileBody) -> Result<(), Gone> {
        while let Some(part) = body.next_part() {
            match part {
                Part::Bytes(chunk) => {
                    self.machine.body_sent(chunk.len() as u64).map_err(|_| Gone::Peer)?;
                    self.output.push(chunk)?;
                }
                Part::Range { offset, len } => {
                    self.machine.body_sent(len).map_err(|_| Gone::Peer)?;
                    self.flush().await?;
                    if let Err(error) = self.stream.send_file(body.file(), offset, len).await {
                        return Err(self.file_failed(&error));
                    }
                }
            }
        }
        Ok(())
    }

    /// Closes both sides; says in the log what was wrong if it was not the peer.
    #[cold]
    fn file_failed(&self, error: &io::Error) -> Gone {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
        let by_peer = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut];
        if !by_peer.contains(&error.kind()) {
            tracing::warn!(%error, "a file could not be sent to its promised end; its connection is closed");
        }
        let _ = self.stream.shutdown(Shutdown::Both);
        Gone::Peer
    }
}
