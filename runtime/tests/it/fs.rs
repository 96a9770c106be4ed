//! Files: what is written is read, what must not be opened is not, what is dropped leaves nothing.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use corelane_runtime::buf::{Chunk, LEASE_LARGE, Lease, pool_stats};
use corelane_runtime::fs::{File, OpenOptions};
use corelane_runtime::{time, yield_now};

use crate::support::{in_child, on_each_driver, open_descriptors, settle};

/// A directory of its own, removed with what is in it.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Dir {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("corelane-fs-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Dir(path)
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Bytes of which each tells its place.
pub(crate) fn pattern(offset: u64, len: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..251).collect();
    let mut bytes = Vec::with_capacity(len + period.len());
    bytes.extend_from_slice(&period[(offset % 251) as usize..]);
    while bytes.len() < len {
        bytes.extend_from_slice(&period);
    }
    bytes.truncate(len);
    bytes
}

const BOTH: OpenOptions = OpenOptions::new().read(true).write(true).create(true);

#[test]
fn what_is_written_is_read_back_whatever_owns_the_bytes() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = BOTH.open(dir.join("file")).await.unwrap();
        let mut lease = Lease::take(10).unwrap();
        lease.extend_from_slice(b"lease").unwrap();
        let mut view = Lease::take(10).unwrap();
        view.extend_from_slice(b"a view").unwrap();
        let view = view.freeze();
        let mut offset = 0;
        for (why, chunk) in [
            ("static", Chunk::from("static")),
            ("a lease", lease.into()),
            ("part of a shared view", view.slice(2..).into()),
            ("the only view", view.slice(1..3).into()),
            ("shared bytes", bytes::Bytes::from(vec![b'b'; 3]).into()),
            ("heap bytes, more than a lease", pattern(0, 200_000).into()),
            ("nothing", Chunk::from("")),
        ] {
            let bytes = chunk.to_vec();
            file.write_at(offset, chunk).await.unwrap();
            let mut read = Vec::new();
            while read.len() < bytes.len() {
                let lease = file.read_at(offset + read.len() as u64, bytes.len() - read.len()).await.unwrap();
                assert!(!lease.is_empty() && lease.len() <= LEASE_LARGE, "{why}");
                read.extend_from_slice(&lease);
            }
            assert_eq!(read, bytes, "{why}");
            offset += bytes.len() as u64;
        }
        drop(view);
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(std::fs::read(dir.join("file")).unwrap().len() as u64, offset);
    });
}

#[test]
fn reads_end_where_the_file_does() {
    on_each_driver(|| async {
        let dir = Dir::new();
        std::fs::write(dir.join("ten"), pattern(0, 10)).unwrap();
        std::fs::write(dir.join("none"), b"").unwrap();
        std::fs::File::create(dir.join("hole")).unwrap().write_at(b"x", 1 << 33).unwrap();
        for (why, name, offset, max, want) in [
            ("whole", "ten", 0, 100, &pattern(0, 10)[..]),
            ("as much as asked for", "ten", 3, 4, &pattern(3, 4)),
            ("the last byte", "ten", 9, 100, &pattern(9, 1)),
            ("at the end", "ten", 10, 100, &[]),
            ("far behind the end", "ten", 1 << 40, 100, &[]),
            ("nothing asked for", "ten", 0, 0, &[]),
            ("an empty file", "none", 0, 100, &[]),
            ("a hole", "hole", 1 << 32, 4, &[0; 4]),
            ("behind a hole, beyond 32 bits", "hole", (1 << 33) - 1, 4, b"\0x"),
        ] {
            let file = File::open(dir.join(name)).await.unwrap();
            assert_eq!(&file.read_at(offset, max).await.unwrap()[..], want, "{why}");
        }
        let file = BOTH.open(dir.join("sparse")).await.unwrap();
        file.write_at(1 << 34, "end").await.unwrap();
        let metadata = std::fs::metadata(dir.join("sparse")).unwrap();
        assert_eq!(metadata.len(), (1 << 34) + 3);
        assert!(metadata.blocks() < 1000, "a hole takes no room");
    });
}

#[test]
fn errors_are_told() {
    on_each_driver(|| async {
        let dir = Dir::new();
        std::fs::write(dir.join("file"), "x").unwrap();
        let new = OpenOptions::new().write(true).create_new(true);
        for (why, options, path, want) in [
            ("no such file", OpenOptions::new().read(true), dir.join("none"), ErrorKind::NotFound),
            ("there already", new, dir.join("file"), ErrorKind::AlreadyExists),
            ("no directory", BOTH, dir.join("file/below"), ErrorKind::NotADirectory),
            ("a directory", BOTH, dir.join("."), ErrorKind::IsADirectory),
            ("a zero byte", BOTH, dir.join("a\0b"), ErrorKind::InvalidInput),
            ("for nothing", OpenOptions::new(), dir.join("file"), ErrorKind::InvalidInput),
        ] {
            assert_eq!(options.open(path).await.unwrap_err().kind(), want, "{why}");
        }
        let file = File::open(dir.join("file")).await.unwrap();
        for offset in [u64::MAX, 1 << 63] {
            // All ones would be the file's own position.
            assert_eq!(file.read_at(offset, 1).await.unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(file.write_at(offset, "x").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        file.write_at(0, "opened for reading").await.unwrap_err();
        let directory = File::open(dir.join("")).await.unwrap();
        assert_eq!(directory.read_at(0, 1).await.unwrap_err().kind(), ErrorKind::IsADirectory);
        let full = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        assert_eq!(full.write_at(0, "x").await.unwrap_err().kind(), ErrorKind::StorageFull);
    });
}

#[test]
fn opening_a_pipe_nobody_writes_to_does_not_wait() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let made = std::process::Command::new("mkfifo").arg(dir.join("fifo")).status().unwrap();
        assert!(made.success());
        let fifo =
            time::timeout(Duration::from_secs(10), File::open(dir.join("fifo"))).await.unwrap().unwrap();
        assert!(!fifo.metadata().await.unwrap().is_file());
    });
}

#[test]
fn metadata_agrees_with_the_standard_library() {
    on_each_driver(|| async {
        let dir = Dir::new();
        std::fs::write(dir.join("file"), pattern(0, 12345)).unwrap();
        for path in [dir.join("file"), dir.join("")] {
            let ours = File::open(&path).await.unwrap().metadata().await.unwrap();
            let theirs = std::fs::metadata(&path).unwrap();
            assert_eq!(ours.len(), theirs.len());
            assert_eq!(ours.modified(), theirs.modified().unwrap());
            assert_eq!(ours.inode(), theirs.ino());
            assert_eq!((ours.is_file(), ours.is_dir()), (theirs.is_file(), theirs.is_dir()));
        }
    });
}

#[test]
fn files_come_from_the_standard_library_and_go_back() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let std = std::fs::File::options().read(true).write(true).create_new(true).open(dir.join("file"));
        let file = File::from_std(std.unwrap());
        file.write_at(0, "there and back").await.unwrap();
        let mut text = String::new();
        file.into_std().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "there and back", "and the position was not touched");
        let mode = std::fs::metadata(dir.join("file")).unwrap().mode();
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join("own")).await.unwrap();
        assert_ne!(mode & 0o7777, 0o600, "what the next line tests would be so without it");
        assert_eq!(std::fs::metadata(dir.join("own")).unwrap().mode() & 0o7777, 0o600);
    });
}

#[test]
fn nothing_outside_a_directory_is_opened_beneath_it() {
    on_each_driver(|| async {
        let dir = Dir::new();
        std::fs::create_dir_all(dir.join("root/deep")).unwrap();
        std::fs::write(dir.join("secret"), "secret").unwrap();
        std::fs::write(dir.join("root/page"), "page").unwrap();
        for (link, target) in [
            ("out", "../secret"),
            ("up", ".."),
            ("absolute", "/etc/passwd"),
            ("deep/in", "../page"),
            ("loop", "loop"),
        ] {
            symlink(target, dir.join("root").join(link)).unwrap();
        }
        symlink(dir.join("root/page"), dir.join("root/absolute-in")).unwrap();
        let root = File::open(dir.join("root")).await.unwrap();
        for (why, path) in [
            ("a file", "page"),
            ("a link that stays inside", "deep/in"),
            ("down and up again", "deep/../page"),
        ] {
            let file = File::open_beneath(&root, path).await.expect(why);
            assert_eq!(&file.read_at(0, 10).await.unwrap()[..], b"page", "{why}");
        }
        for (why, path, want) in [
            ("up", "../secret", ErrorKind::CrossesDevices),
            ("down and too far up", "deep/../../secret", ErrorKind::CrossesDevices),
            ("out and in again", "../root/page", ErrorKind::CrossesDevices),
            ("an absolute path", "/etc/passwd", ErrorKind::CrossesDevices),
            ("a link out", "out", ErrorKind::CrossesDevices),
            ("through a link out", "up/secret", ErrorKind::CrossesDevices),
            ("an absolute link", "absolute", ErrorKind::CrossesDevices),
            ("an absolute link inside", "absolute-in", ErrorKind::CrossesDevices),
            ("nothing there", "none", ErrorKind::NotFound),
            ("no name", "", ErrorKind::NotFound),
        ] {
            let error = File::open_beneath(&root, path).await.expect_err(why);
            assert_eq!(error.kind(), want, "{why}");
        }
        File::open_beneath(&root, "loop").await.expect_err("a link to itself");
        let made = OpenOptions::new().write(true).create(true).open_beneath(&root, "../made").await;
        made.expect_err("nothing is made outside either");
        assert!(!dir.join("made").exists());
    });
}

#[test]
fn many_operations_at_once_share_a_file() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = std::rc::Rc::new(BOTH.open(dir.join("file")).await.unwrap());
        let tasks: Vec<_> = (0..200u64)
            .map(|number| {
                let file = std::rc::Rc::clone(&file);
                corelane_runtime::spawn(async move {
                    let offset = number * 1000;
                    file.write_at(offset, pattern(offset, 1000)).await.unwrap();
                    assert_eq!(file.read_at(offset, 1000).await.unwrap()[..], pattern(offset, 1000)[..]);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(std::fs::read(dir.join("file")).unwrap(), pattern(0, 200_000));
    });
}

/// Steps: begin operations and drop them after some polls, at each stage; the file and its room are
/// gone by then. A descriptor or a lease that stays, or a byte in a lease that is somebody else's
/// by then, is the failure.
#[test]
fn dropped_operations_leave_nothing() {
    in_child("fs::dropped_operations_leave_nothing", || {
        on_each_driver(|| async {
            let dir = Dir::new();
            std::fs::write(dir.join("file"), pattern(0, 100_000)).unwrap();
            drop(File::open(dir.join("file")).await.unwrap().metadata().await);
            settle(|| false).await;
            let (descriptors, leases) = (open_descriptors(), pool_stats().leases_in_use);
            for round in 0..400usize {
                let polls = round % 3;
                let opened = poll_and_drop(polls, File::open(dir.join("file"))).await;
                let file = File::open(dir.join("file")).await.unwrap();
                drop(opened);
                match round % 5 {
                    0 => drop(poll_and_drop(polls, file.read_at(0, 65536)).await),
                    1 => drop(poll_and_drop(polls, file.metadata()).await),
                    2 => drop(poll_and_drop(polls, file.sync_all()).await),
                    3 => drop(poll_and_drop(polls, file.write_at(0, vec![0; 100_000])).await),
                    _ => {
                        drop(poll_and_drop(polls, file.read_at(0, 65536)).await);
                        let std = file.into_std().unwrap();
                        assert_eq!(std.metadata().unwrap().len(), 100_000);
                        continue;
                    }
                }
                drop(file);
                // Whoever has that room now must keep its bytes.
                let mut lease = Lease::take(65536).unwrap();
                lease.extend_from_slice(&[0xaa; 65536]).unwrap();
                yield_now().await;
                assert!(lease.iter().all(|&byte| byte == 0xaa), "round {round}");
            }
            let back = || open_descriptors() <= descriptors && pool_stats().leases_in_use == leases;
            settle(back).await;
            assert!(
                back(),
                "{descriptors} descriptors and {leases} leases before, {} and {} after",
                open_descriptors(),
                pool_stats().leases_in_use
            );
            let bytes = std::fs::read(dir.join("file")).unwrap();
            assert_eq!(bytes, pattern(0, 100_000), "opened for reading: nothing was written");
        });
    });
}

/// Polls a future so many times, a turn apart, and drops it.
async fn poll_and_drop<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        yield_now().await;
    }
    None
}
