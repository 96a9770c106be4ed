//! `sendfile(2)` on sockets that do not block, for what is in the page cache.
//!
//! Such a call waits for nobody: not for the peer, because the socket does not block, and not for
//! the disk. It is the cheapest way there is: a splice on the ring does the same on a thread of the
//! kernel, and for 16 KiB the way there and back costs three times what it does.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::file::Descriptor;

/// Bytes handed over in one call at most. Bounds how long one call keeps the core, a few dozen
/// microseconds.
pub(super) const CALL_BYTES_MAX: u64 = 256 * 1024;

/// One call: sends at most `count` bytes; none at the end of the file.
///
/// # Errors
/// `WouldBlock` if the socket is full; `InvalidInput` if this file or this socket cannot do it.
pub(super) fn send_now(socket: impl AsFd, file: &Descriptor, mut offset: u64, count: u64) -> io::Result<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), count)? as u64)
}

/// True if all of this part of the file was in the page cache a moment ago. False where the kernel
/// does not tell: before 6.5, or for a file the process may neither write to nor owns.
pub(super) fn is_cached(file: &Descriptor, offset: u64, count: u64) -> bool {
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
