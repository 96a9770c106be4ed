//! How far what was sent has come.

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use super::stream::{Io, Stream};

/// Bytes of a TCP connection, counted by the kernel since it was made. See [`Stream::delivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Bytes that have left this machine, repeated ones counted once.
    pub sent: u64,
    /// Bytes that the peer's kernel has acknowledged.
    pub acknowledged: u64,
}

/// Offsets into the kernel's `struct tcp_info` (linux/tcp.h), in bytes. The kernel only ever appends to it; libc's
/// declaration ends before these.
const BYTES_ACKED: usize = 120;
const BYTES_SENT: usize = 200;
const BYTES_RETRANS: usize = 208;
const INFO_BYTES: usize = BYTES_RETRANS + 8;

impl Stream {
    /// How far what was sent over TCP has come; `None` for other streams, over TLS, and before Linux 4.19.
    ///
    /// A peer that ended the stream before its kernel had received some bytes can never have read them: its end
    /// carries the number of the last byte received (RFC 9293 section 3.4). So bytes that were not acknowledged when the end
    /// of the stream came are bytes that nobody has acted upon. One system call.
    pub fn delivery(&self) -> Option<Delivery> {
        let Io::Socket(socket) = &self.io else { return None };
        let mut info = MaybeUninit::<[u8; INFO_BYTES]>::zeroed();
        let mut len = libc::socklen_t::try_from(INFO_BYTES).ok()?;
        // SAFETY: the descriptor is open while `socket` is borrowed; the kernel writes at most `len` bytes, as many as
        // `info` has.
        let outcome = unsafe {
            libc::getsockopt(
                socket.fd().as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        // SAFETY: zeroed bytes are bytes, and so is what the kernel wrote over them.
        let info = unsafe { info.assume_init() };
        if outcome != 0 || usize::try_from(len).ok()? < INFO_BYTES {
            return None;
        }
        let number = |at: usize| info[at..at + 8].as_array().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        // The SYN is acknowledged too, and is no byte of the stream.
        Some(Delivery {
            sent: number(BYTES_SENT).saturating_sub(number(BYTES_RETRANS)),
            acknowledged: number(BYTES_ACKED).saturating_sub(1),
        })
    }
}
