//! What is known of a file.

use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Statx};

/// What the file system knew of a file when it was asked.
#[derive(Debug, Clone, Copy)]
pub struct Metadata {
    len: u64,
    inode: u64,
    kind: FileType,
    modified: SystemTime,
}

impl Metadata {
    pub(super) fn new(statx: Statx) -> Metadata {
        let since = statx.stx_mtime;
        Metadata {
            len: statx.stx_size,
            inode: statx.stx_ino,
            kind: FileType::from_raw_mode(u32::from(statx.stx_mode)),
            modified: time(since.tv_sec, since.tv_nsec),
        }
    }

    /// Length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a file's length, not that of a collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// When its content was last changed.
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// True for a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    /// True for a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Its number in its file system.
    pub fn inode(&self) -> u64 {
        self.inode
    }
}

/// A time of a file system, which may lie before 1970. One that `SystemTime` cannot hold becomes 1970.
fn time(seconds: i64, nanoseconds: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let begin = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    begin
        .and_then(|begin| begin.checked_add(Duration::from_nanos(u64::from(nanoseconds))))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_1970_and_beyond_what_can_be_held() {
        let epoch = SystemTime::UNIX_EPOCH;
        for (why, seconds, nanoseconds, want) in [
            ("the epoch", 0, 0, epoch),
            ("after", 2, 5, epoch + Duration::new(2, 5)),
            (
                "nanoseconds count forwards before it too",
                -2,
                5,
                epoch - Duration::new(2, 0) + Duration::new(0, 5),
            ),
            ("no such time", i64::MAX, 999_999_999, epoch),
        ] {
            let made = time(seconds, nanoseconds);
            assert!(made == want || (seconds == i64::MAX && made > epoch), "{why}: {made:?}");
        }
    }
}
