//! `sendfile(2)` on sockets that do not block, for what is in the page cache.
//!
//! Such a call waits for nobody: not for the peer, because the socket does not block, and not for
//! the disk. It is the cheapest way there is: a splice on the ring does the same on a thread of the
//! kernel, and the way there and back twice costs more than sending a small file (15 us of CPU
//! against 4 us for 16 KiB). Trying before waiting for room costs a third less than the reverse.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::ReadWriteFlags;

use super::file::Descriptor;

/// Bytes handed over in one call at most. Bounds how long one call keeps the core, a few dozen
/// microseconds.
pub(super) const CALL_BYTES_MAX: u64 = 256 * 1024;

/// Number of `cachestat`, the same on every architecture; `libc` does not name it everywhere.
const SYS_CACHESTAT: libc::c_long = 451;

/// One call: sends at most `count` bytes; none at the end of the file.
///
/// # Errors
/// `WouldBlock` if the socket is full; `InvalidInput` if this file or this socket cannot do it.
pub(super) fn send_now(socket: impl AsFd, file: &Descriptor, mut offset: u64, count: u64) -> io::Result<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), count)? as u64)
}

/// True if this part of the file is in the page cache and can be sent without a wait for the disk.
///
/// Two questions, because either alone would be wrong: pages that are still being read count as
/// cached, and a read that must not wait tells only of the bytes it asks for. Both ends are asked
/// for, since the kernel reads ahead in order. False where the kernel does not tell: before 6.5, or
/// of a file that the process may neither write to nor owns.
pub(super) fn is_cached(file: &Descriptor, offset: u64, count: u64) -> bool {
    count > 0
        && pages_cached(file, offset, count)
        && [offset, offset + count - 1].into_iter().all(|at| {
            let mut byte = [0];
            let byte = &mut [IoSliceMut::new(&mut byte)];
            matches!(rustix::io::preadv2(file, byte, at, ReadWriteFlags::NOWAIT), Ok(1))
        })
}

/// True if the page cache has every page of this part, be it one that is still being read.
fn pages_cached(file: &Descriptor, offset: u64, count: u64) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_the_page_cache_counts_as_cached() {
        // Beside the test's program, which is on a disk; the temporary directory may not be.
        let path = std::env::current_exe().unwrap().with_extension(std::process::id().to_string());
        std::fs::write(&path, vec![1; 100_000]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        file.sync_all().unwrap();
        std::fs::remove_file(&path).unwrap();
        let descriptor = Descriptor::new(file.try_clone().unwrap().into());
        for (why, offset, count, cached) in [
            ("all, just written", 0, 100_000, true),
            ("less than a page, across two", 4095, 2, true),
            ("the last byte", 99_999, 1, true),
            ("a page behind the end", 50_000, 60_000, false),
            ("the rest of the last page", 99_999, 2, false),
            ("nothing", 0, 0, false),
        ] {
            assert_eq!(is_cached(&descriptor, offset, count), cached, "{why}");
        }
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        assert!(!is_cached(&descriptor, 0, 100_000), "dropped from the cache");
    }
}
