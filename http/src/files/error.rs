//! Why a file cannot be answered.

use std::error::Error;
use std::fmt;
use std::io;

use http::StatusCode;
use rustix::io::Errno;

use crate::problem::Problem;
use crate::respond::IntoResponse;
use crate::response::Response;

/// Why a file could not be opened for an answer.
///
/// As a response: 404, 503 with `retry-after` or 500, and never more than that: what is not served is not told from what
/// is not there, and internals go to the log.
#[derive(Debug)]
pub struct FileError {
    kind: Kind,
    source: io::Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    NotFound,
    Busy,
    Other,
}

impl FileError {
    /// Sorts what the file system says.
    pub(super) fn new(source: io::Error) -> FileError {
        let busy = [io::ErrorKind::ResourceBusy, io::ErrorKind::OutOfMemory].contains(&source.kind());
        let kind = match Errno::from_io_error(&source) {
            // Not there, not allowed, out of the root (XDEV), a link that is not followed (LOOP), a socket (NXIO).
            Some(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::ACCESS
                | Errno::PERM
                | Errno::XDEV
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::NXIO
                | Errno::INVAL,
            ) => Kind::NotFound,
            // No descriptors, operations or memory left; the tree changed under the look-up (AGAIN) again and again.
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN) => Kind::Busy,
            _ if busy => Kind::Busy,
            // A zero byte in the path is found before the system is asked.
            None if [io::ErrorKind::NotFound, io::ErrorKind::InvalidInput].contains(&source.kind()) => {
                Kind::NotFound
            }
            _ => Kind::Other,
        };
        FileError { kind, source }
    }

    /// What is there is not a regular file: a folder, a pipe, a device.
    pub(super) fn not_a_file() -> FileError {
        FileError::new(io::Error::new(io::ErrorKind::NotFound, "it is not a regular file"))
    }

    /// True if there is no such file, or none that may be read or is beneath the root.
    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// True if descriptors, memory or the blocking pool were at their bound: the same may work in a moment.
    pub fn is_busy(&self) -> bool {
        self.kind == Kind::Busy
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::NotFound => "there is no such file to be served",
            Kind::Busy => "the file cannot be opened now: descriptors, memory or threads are at their bound",
            Kind::Other => "the file cannot be read",
        })
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl IntoResponse for FileError {
    fn into_response(self) -> Response {
        let problem = Problem::new(match self.kind {
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Other => StatusCode::INTERNAL_SERVER_ERROR,
        });
        match self.kind {
            Kind::NotFound => problem.detail("There is nothing at this path.").into_response(),
            Kind::Busy => {
                tracing::warn!(error = %self.source, "a file could not be opened: a bound is reached");
                (
                    [("retry-after", "1")],
                    problem.detail("The server has too much open; try again in a moment."),
                )
                    .into_response()
            }
            Kind::Other => {
                tracing::error!(error = %self.source, "a file could not be opened");
                problem.into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_system_says_becomes_a_status() {
        for (why, errno, status) in [
            ("absent", Errno::NOENT, 404),
            ("unreadable: not told from absent", Errno::ACCESS, 404),
            ("out of the root", Errno::XDEV, 404),
            ("a link in a circle, or one of /proc", Errno::LOOP, 404),
            ("a file in the place of a folder", Errno::NOTDIR, 404),
            ("a name that is too long", Errno::NAMETOOLONG, 404),
            ("a socket", Errno::NXIO, 404),
            ("no descriptors in the process", Errno::MFILE, 503),
            ("no descriptors in the system", Errno::NFILE, 503),
            ("no room in the ring", Errno::NOBUFS, 503),
            ("the disk fails", Errno::IO, 500),
        ] {
            let error = FileError::new(errno.into());
            assert_eq!(error.is_not_found(), status == 404, "{why}");
            assert_eq!(error.is_busy(), status == 503, "{why}");
            let response = error.into_response();
            assert_eq!(response.status(), status, "{why}");
            assert_eq!(response.headers().contains("retry-after"), status == 503, "{why}");
        }
        let full = FileError::new(io::ErrorKind::ResourceBusy.into());
        assert!(full.is_busy(), "the blocking pool is full");
        assert!(FileError::not_a_file().is_not_found());
        assert!(FileError::new(io::ErrorKind::InvalidInput.into()).is_not_found(), "a zero byte in the path");
    }
}
