//! One test per row of `ownership.md` about files, under its name.

use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::ownership::{is_dropped, watched};
use super::{drive, pair, poll_once, ring, settle};
use crate::buf::{Chunk, Lease, pool_stats};
use crate::driver::file::{Descriptor, Open};
use crate::driver::ring::fs::FILE_OPS_MAX;
use crate::driver::ring::splice::Piping;
use crate::driver::ring::{Ring, Socket, Wait};

/// A file in the temporary directory, removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, len: usize) -> Temporary {
        let path = std::env::temp_dir().join(format!("corelane-ring-{}-{name}", std::process::id()));
        std::fs::write(&path, vec![7; len]).unwrap();
        Temporary(path)
    }

    fn descriptor(&self) -> Arc<Descriptor> {
        Descriptor::new(std::fs::File::open(&self.0).unwrap().into())
    }

    /// Descriptors of this process that are this file.
    fn descriptors(&self) -> usize {
        let all = std::fs::read_dir("/proc/self/fd").unwrap();
        all.filter(|fd| std::fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|path| path == self.0))
            .count()
    }

    fn open(&self) -> Open {
        open(&self.0)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn open(path: &Path) -> Open {
    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Open { dir: None, path, flags, mode: Mode::empty(), resolve: ResolveFlags::empty() }
}

/// A file that has nothing to read until somebody writes: the read end of a pipe.
fn waiting() -> (Arc<Descriptor>, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    (Descriptor::new(reader.into()), writer)
}

/// A file that takes nothing until somebody reads: the write end of a full pipe.
fn full() -> (Arc<Descriptor>, PipeReader) {
    let (reader, mut writer) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[0; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (Descriptor::new(writer.into()), reader)
}

fn in_flight(ring: &Rc<Ring>) -> u32 {
    ring.with(|inner| inner.file_ops.len())
}

/// Turns until the last operation on a file has ended.
fn finish(ring: &Rc<Ring>) {
    let started = Instant::now();
    while in_flight(ring) > 0 {
        ring.turn(Wait::AtMost(Duration::from_millis(2)), Instant::now());
        assert!(started.elapsed() < super::PATIENCE, "{} operations do not end", in_flight(ring));
    }
}

#[test]
fn open_of_a_file() {
    let ring = ring();
    let file = Temporary::new("open", 10);
    let fd = drive(&ring, ring.open(file.open())).unwrap();
    assert_eq!(file.descriptors(), 1);
    drop(fd);
    // Dropped before it is submitted, while a worker is at it, and when it is done and not taken.
    for turns in [0, 1, 50] {
        for _ in 0..20 {
            let mut opening = Box::pin(ring.open(file.open()));
            assert!(poll_once(&mut opening).is_pending());
            for _ in 0..turns {
                ring.turn(Wait::AtMost(Duration::from_micros(100)), Instant::now());
            }
            drop(opening);
        }
        finish(&ring);
        assert_eq!(file.descriptors(), 0, "{turns} turns: what was opened is closed");
    }
}

#[test]
fn read_of_a_file() {
    let ring = ring();
    // Its own buffers are lent with the first turn.
    settle(&ring);
    let before = pool_stats().leases_in_use;
    let (file, mut writer) = waiting();
    let mut reading = Box::pin(ring.read(&file, 0, Lease::take(100).unwrap(), 100));
    assert!(poll_once(&mut reading).is_pending());
    settle(&ring);
    drop(reading);
    assert_eq!(pool_stats().leases_in_use, before + 1, "cancelled, not ended: the kernel may still write");
    finish(&ring);
    assert_eq!(pool_stats().leases_in_use, before);
    writer.write_all(b"later").unwrap();
    let read = drive(&ring, ring.read(&file, 0, Lease::take(100).unwrap(), 3)).unwrap();
    assert_eq!(&read[..], b"lat", "the dropped read took nothing; this one no more than it may");
    // The file may go first: the operation holds it.
    let mut reading = Box::pin(ring.read(&file, 0, Lease::take(100).unwrap(), 100));
    assert_eq!(&drive(&ring, &mut reading).unwrap()[..], b"er");
    let mut reading = Box::pin(ring.read(&file, 0, Lease::take(100).unwrap(), 100));
    assert!(poll_once(&mut reading).is_pending());
    assert_eq!(Arc::strong_count(&file), 2);
    settle(&ring);
    drop(reading);
    finish(&ring);
    assert_eq!(Arc::strong_count(&file), 1);
}

#[test]
fn read_of_a_file_when_the_core_ends() {
    let before = pool_stats().leases_in_use;
    let ring = ring();
    let (file, _writer) = waiting();
    let mut reading = Box::pin(ring.read(&file, 0, Lease::take(100).unwrap(), 100));
    assert!(poll_once(&mut reading).is_pending());
    settle(&ring);
    drop(reading);
    drop(ring);
    assert_eq!(pool_stats().leases_in_use, before, "cancelled, completed, freed");
}

#[test]
fn write_of_a_file() {
    let ring = ring();
    let (file, mut reader) = full();
    let (chunk, dropped) = watched(100);
    let mut writing = Box::pin(ring.write(&file, 0, chunk));
    assert!(poll_once(&mut writing).is_pending());
    settle(&ring);
    drop(writing);
    assert!(!is_dropped(&dropped), "cancelled, not ended: the kernel may still read");
    finish(&ring);
    assert!(is_dropped(&dropped));
    drop(file);
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert!(all.iter().all(|&byte| byte == 0), "the dropped write wrote nothing");
}

#[test]
fn statx_of_a_file() {
    let ring = ring();
    let file = Temporary::new("statx", 1234);
    let descriptor = file.descriptor();
    assert_eq!(drive(&ring, ring.metadata(&descriptor)).unwrap().stx_size, 1234);
    for turns in [0, 1, 20] {
        let mut asking = Box::pin(ring.metadata(&descriptor));
        assert!(poll_once(&mut asking).is_pending());
        for _ in 0..turns {
            ring.turn(Wait::AtMost(Duration::from_micros(100)), Instant::now());
        }
        drop(asking);
        finish(&ring);
        assert_eq!(Arc::strong_count(&descriptor), 1, "the slot is free, and with it the room");
    }
}

#[test]
fn fsync_of_a_file() {
    let ring = ring();
    let file = Temporary::new("fsync", 1234);
    let descriptor = file.descriptor();
    for all in [true, false] {
        drive(&ring, ring.sync(&descriptor, all)).unwrap();
        let mut syncing = Box::pin(ring.sync(&descriptor, all));
        assert!(poll_once(&mut syncing).is_pending());
        assert_eq!(Arc::strong_count(&descriptor), 2, "a worker will look the number up");
        drop(syncing);
        finish(&ring);
        assert_eq!(Arc::strong_count(&descriptor), 1);
    }
}

/// Sends a part of a file by splices alone, also if it is in the page cache, as these are.
async fn splice(
    socket: &Socket,
    ring: &Rc<Ring>,
    file: &Arc<Descriptor>,
    mut from: u64,
    to: u64,
) -> io::Result<()> {
    rustix::io::ioctl_fionbio(socket.fd(), true)?;
    let mut piping = Piping::begin(ring).expect("a pipe is free");
    while from < to {
        if piping.held() == 0 && piping.fill(file, from, to - from).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match piping.drain(socket.fd(), false) {
            Ok(n) => from += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[test]
fn splice_of_a_file_into_a_pipe() {
    let ring = ring();
    let file = Temporary::new("fill", 100_000);
    let descriptor = file.descriptor();
    let (socket, mut peer) = pair(&ring);
    let mut sending = Box::pin(splice(&socket, &ring, &descriptor, 0, 100_000));
    assert!(poll_once(&mut sending).is_pending());
    assert_eq!(Arc::strong_count(&descriptor), 2, "a worker will look the number up");
    assert_eq!(ring.with(|inner| inner.pipes.counts()), (0, 1));
    drop(sending);
    finish(&ring);
    assert_eq!(Arc::strong_count(&descriptor), 1);
    assert_eq!(ring.with(|inner| inner.pipes.counts()), (0, 0), "what is in it is nobody's: closed");
    // A file that arrives whole leaves an empty pipe for the next one, also one that ends early.
    for _ in 0..3 {
        drive(&ring, splice(&socket, &ring, &descriptor, 1, 100_000)).unwrap();
        peer.read_exact(&mut [0; 99_999]).unwrap();
        assert_eq!(ring.with(|inner| inner.pipes.counts()), (1, 0));
    }
    let error = drive(&ring, splice(&socket, &ring, &descriptor, 99_990, 100_001)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(ring.with(|inner| inner.pipes.counts()), (1, 0));
    peer.read_exact(&mut [0; 10]).unwrap();
}

/// What is in the pipe goes with it, and the socket is not held by anybody.
#[test]
fn a_splice_that_waits_for_room_is_dropped() {
    let ring = ring();
    let file = Temporary::new("drain", 4_000_000);
    let descriptor = file.descriptor();
    for _ in 0..20 {
        let (socket, mut peer) = pair(&ring);
        let key = socket.key();
        let mut sending = Box::pin(splice(&socket, &ring, &descriptor, 0, 4_000_000));
        while ring.with(|inner| inner.singles.len()) == 0 {
            assert!(poll_once(&mut sending).is_pending());
            ring.turn(Wait::AtMost(Duration::from_millis(2)), Instant::now());
        }
        drop(sending);
        drop(socket);
        assert!(ring.with(|inner| inner.conns.get(key).is_none()), "closed at once");
        settle(&ring);
        assert_eq!(ring.with(|inner| (inner.pipes.counts(), inner.singles.len())), ((0, 0), 0));
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert!(!all.is_empty() && all.len() < 4_000_000 && all.iter().all(|&byte| byte == 7));
    }
}

#[test]
fn splices_to_a_peer_that_reads_slowly_arrive_whole() {
    let ring = ring();
    let file = Temporary::new("slow", 0);
    let bytes: Vec<u8> = (0..4_000_000u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(&file.0, &bytes).unwrap();
    let descriptor = file.descriptor();
    let (socket, mut peer) = pair(&ring);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        while (&mut peer).take(100_000).read_to_end(&mut all).unwrap() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        all
    });
    drive(&ring, splice(&socket, &ring, &descriptor, 5, 4_000_000)).unwrap();
    drop(socket);
    settle(&ring);
    assert!(reader.join().unwrap() == bytes[5..]);
}

#[test]
fn splices_to_a_peer_that_does_not_read_hold_no_worker() {
    let ring = ring();
    let file = Temporary::new("stuck", 4_000_000);
    let descriptor = file.descriptor();
    let (socket, peer) = pair(&ring);
    let mut sending = Box::pin(splice(&socket, &ring, &descriptor, 0, 4_000_000));
    for _ in 0..100 {
        assert!(poll_once(&mut sending).is_pending());
        settle(&ring);
    }
    assert_eq!(in_flight(&ring), 0, "it waits for room by a poll");
    drop(peer);
    drive(&ring, sending).expect_err("the peer is gone");
}

#[test]
fn beyond_its_pipes_a_core_sends_otherwise() {
    let ring = ring();
    let piping: Vec<_> = std::iter::from_fn(|| Piping::begin(&ring)).collect();
    assert_eq!(piping.len(), 128);
    drop(piping);
    assert_eq!(ring.with(|inner| inner.pipes.counts()), (8, 0), "some are kept, none is lost");
}

#[test]
fn close_of_a_file() {
    let ring = ring();
    let (mut reader, writer) = pipe().unwrap();
    let raw = writer.as_fd().as_raw_fd();
    ring.close_file(writer.into());
    settle(&ring);
    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0, "descriptor {raw} is closed: the pipe has ended");
}

#[test]
fn too_many_operations_are_refused() {
    let ring = ring();
    let (file, _writer) = waiting();
    let lease = || Lease::take(1).unwrap();
    let mut waiting: Vec<_> = (0..FILE_OPS_MAX).map(|_| Box::pin(ring.read(&file, 0, lease(), 1))).collect();
    for read in &mut waiting {
        assert!(poll_once(read).is_pending());
    }
    let error = drive(&ring, ring.read(&file, 0, lease(), 1)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
    let error = drive(&ring, ring.write(&file, 0, Chunk::Static(b"x"))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
    drop(waiting);
    finish(&ring);
    let other = Temporary::new("room", 1);
    drive(&ring, ring.open(other.open())).expect("there is room again");
}
