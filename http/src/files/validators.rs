//! What tells one version of a file from another: entity tag and time of the last change (RFC 9110 §8.8).

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use corelane_http_proto::date::{UNIX_SECONDS_MAX, imf_fixdate};

/// Both validators of one version.
#[derive(Clone, Debug)]
pub(super) struct Validators {
    etag: String,
    /// Whole seconds since 1970; `None` if the file is from before, which has no form as a date worth sending.
    modified: Option<u64>,
}

impl Validators {
    /// The tag is `"inode-nanoseconds-length"` in hexadecimal, and strong.
    ///
    /// A file that is replaced, as editors and deployments do, has another inode; one that is written in place has another
    /// time, or another length. What it does not see is a write in place of the same length that falls into the same tick of
    /// the file system's clock (4 ms, on Linux before 6.13) as the one before, or one whose time was set back on purpose.
    pub(super) fn new(inode: u64, modified: SystemTime, len: u64) -> Validators {
        let since = modified.duration_since(SystemTime::UNIX_EPOCH);
        let nanos = match &since {
            Ok(after) => after.as_nanos(),
            // Before 1970: any number that differs will do.
            Err(before) => u128::MAX - before.duration().as_nanos(),
        };
        let mut etag = String::with_capacity(48);
        let written = write!(etag, "\"{inode:x}-{nanos:x}-{len:x}\"");
        debug_assert!(written.is_ok(), "a string takes what it is given");
        let modified = since.ok().map(|after| after.as_secs()).filter(|seconds| *seconds <= UNIX_SECONDS_MAX);
        Validators { etag, modified }
    }

    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    /// The second of the last change.
    pub(super) fn modified_second(&self) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(self.modified?))
    }

    /// The last change as `Last-Modified` shows it. A time in the future is shown as `now` (RFC 9110 §8.8.2.1).
    pub(super) fn last_modified(&self, now: SystemTime) -> Option<[u8; 29]> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Some(imf_fixdate(self.modified?.min(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_makes_another_tag() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 7);
        let tag = Validators::new(1, at, 10).etag;
        assert_eq!(tag, "\"1-de0b6b3a7640007-a\"");
        for (why, inode, modified, len) in [
            ("replaced", 2, at, 10),
            ("written a moment later", 1, at + Duration::from_nanos(1), 10),
            ("longer", 1, at, 11),
            ("from before 1970", 1, SystemTime::UNIX_EPOCH - Duration::from_secs(1), 10),
        ] {
            assert_ne!(Validators::new(inode, modified, len).etag, tag, "{why}");
        }
    }

    #[test]
    fn dates_that_cannot_be_shown_are_left_out_or_bounded() {
        let epoch = SystemTime::UNIX_EPOCH;
        let now = epoch + Duration::from_secs(784_111_777);
        let shown = |modified| {
            let date = Validators::new(1, modified, 1).last_modified(now)?;
            Some(String::from_utf8_lossy(&date).into_owned())
        };
        for (why, modified, want) in [
            ("the past", epoch, Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            ("the future", now + Duration::from_secs(9), Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            ("before 1970", epoch - Duration::from_secs(1), None),
            ("a year of five digits", epoch + Duration::from_secs(UNIX_SECONDS_MAX + 1), None),
        ] {
            assert_eq!(shown(modified).as_deref(), want, "{why}");
        }
    }
}
