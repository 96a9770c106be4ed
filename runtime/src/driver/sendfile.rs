//! `sendfile(2)` on sockets that do not block, for what is in the page cache.
//!
//! Such a call waits for nobody: not for the peer, because the socket does not block, and not for
//! the disk. It is the cheapest way there is: a splice on the ring does the same on a thread of the
//! kernel, and the way there and back twice costs more than sending a small file (15 us of CPU
//! against 4 us for 16 KiB). Trying before waiting for room costs a third less than the reverse.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::ReadWriteFlags;

use super::file::Descriptor;
use crate::buf::Lease;

/// Bytes handed over in one call at most. Bounds how long one call keeps the core, a hundred
/// microseconds. A quarter of it costs a quarter more of the processor for each byte of a file of 1 MiB.
pub(super) const CALL_BYTES_MAX: u64 = 1024 * 1024;

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

/// Where a part of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// In the page cache: it can be sent without a wait for the disk.
    Cached,
    /// Some of it is not there, or still being read.
    Elsewhere,
    /// The kernel does not tell: before 6.5, or of a file that the process may neither write to nor
    /// owns.
    Untold,
}

/// Where this part of the file is.
///
/// Two questions, because either alone would be wrong: pages that are still being read count as
/// cached, and a read that must not wait tells only of the bytes it asks for. Both ends are asked
/// for, since the kernel reads ahead in order.
pub(super) fn whereabouts(file: &Descriptor, offset: u64, count: u64) -> Whereabouts {
    let ends = || {
        [offset, offset + count - 1].into_iter().all(|at| {
            let mut byte = [0];
            let byte = &mut [IoSliceMut::new(&mut byte)];
            matches!(rustix::io::preadv2(file, byte, at, ReadWriteFlags::NOWAIT), Ok(1))
        })
    };
    match pages_cached(file, offset, count) {
        None => Whereabouts::Untold,
        Some(true) if count > 0 && ends() => Whereabouts::Cached,
        Some(_) => Whereabouts::Elsewhere,
    }
}

/// Reads a part of a file that fits one lease, if all of it is in the page cache and there is a
/// lease. For files of which [`whereabouts`] does not tell: a copy of a few pages is cheaper than a
/// trip to another thread.
pub(super) fn read_now(file: &Descriptor, offset: u64, count: u64) -> Option<Lease> {
    let count = usize::try_from(count).ok()?;
    let mut lease = Lease::take(count).ok()?;
    let room = lease.spare().get_mut(..count)?;
    let room: *mut [MaybeUninit<u8>] = room;
    let offset = libc::off64_t::try_from(offset).ok()?;
    let vector = libc::iovec { iov_base: room.cast(), iov_len: count };
    // SAFETY: one vector, whose room is the lease's and as long as it says.
    let read =
        unsafe { libc::preadv2(file.as_fd().as_raw_fd(), &raw const vector, 1, offset, libc::RWF_NOWAIT) };
    if usize::try_from(read).ok()? != count {
        return None;
    }
    // SAFETY: the kernel wrote `count` bytes at the start of the room.
    unsafe { lease.filled(count) };
    Some(lease)
}

/// True if the page cache has every page of this part, be it one that is still being read. `None` if
/// the kernel does not tell.
fn pages_cached(file: &Descriptor, offset: u64, count: u64) -> Option<bool> {
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
    let page = u64::try_from(page).ok().filter(|&page| page > 0)?;
    let wanted = (offset + count).div_ceil(page) - offset / page;
    (result == 0).then(|| pages[0] >= wanted)
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
            let want = if cached { Whereabouts::Cached } else { Whereabouts::Elsewhere };
            assert_eq!(whereabouts(&descriptor, offset, count), want, "{why}");
            let read = read_now(&descriptor, offset, count);
            assert_eq!(read.is_some(), cached && count <= 65_536 || count == 0, "{why}");
        }
        let lease = read_now(&descriptor, 99_000, 1_000).unwrap();
        assert!(lease.len() == 1_000 && lease.iter().all(|&byte| byte == 1));
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        assert_eq!(whereabouts(&descriptor, 0, 100_000), Whereabouts::Elsewhere, "dropped from the cache");
        assert!(read_now(&descriptor, 0, 1).is_none(), "a read that does not wait finds nothing");
    }
}
