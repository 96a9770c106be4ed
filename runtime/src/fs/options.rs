//! How to open a file.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::File;
use crate::driver::file::{self, Descriptor, Open};

/// What a file is opened for, and whether it is made.
///
/// There is no appending: [`File::write_at`] names its offset, which a file opened for appending
/// would ignore.
///
/// ```
/// use corelane_runtime::{block_on, fs::OpenOptions};
///
/// let missing = block_on(OpenOptions::new().read(true).open("/no/such/file"));
/// assert_eq!(missing.unwrap_err().kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing allowed yet; a file that is made may be read and written by all whom the process's
    /// umask lets.
    pub const fn new() -> Self {
        Self { read: false, write: false, truncate: false, create: false, create_new: false, mode: 0o666 }
    }

    /// For reading.
    #[must_use]
    pub const fn read(mut self, yes: bool) -> Self {
        self.read = yes;
        self
    }

    /// For writing.
    #[must_use]
    pub const fn write(mut self, yes: bool) -> Self {
        self.write = yes;
        self
    }

    /// Emptied if it exists. Needs writing.
    #[must_use]
    pub const fn truncate(mut self, yes: bool) -> Self {
        self.truncate = yes;
        self
    }

    /// Made if it does not exist. Needs writing.
    #[must_use]
    pub const fn create(mut self, yes: bool) -> Self {
        self.create = yes;
        self
    }

    /// Made, and an error if it exists, a dangling link included. Needs writing.
    #[must_use]
    pub const fn create_new(mut self, yes: bool) -> Self {
        self.create_new = yes;
        self
    }

    /// Permission bits of a file that is made, before the umask. Other bits are ignored.
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o7777;
        self
    }

    /// Opens `path`, close-on-exec. A pipe without another end, a terminal or a device does not make
    /// this wait; reading such a file gives [`WouldBlock`](io::ErrorKind::WouldBlock) while it has
    /// nothing.
    ///
    /// # Errors
    /// What the file system says; [`InvalidInput`](io::ErrorKind::InvalidInput) for options that
    /// contradict each other, or a path with a zero byte; and those of the
    /// [module](super#bounds).
    ///
    /// # Cancellation
    /// May be dropped at any time: what was opened is closed. A file may have been made or emptied.
    pub async fn open(self, path: impl AsRef<Path>) -> io::Result<File> {
        self.open_from(None, path.as_ref(), ResolveFlags::empty()).await
    }

    /// Opens `relative`, which must not lead out of the directory `dir`: neither by `..`, nor as an
    /// absolute path, nor through a link, whoever changes what meanwhile. The kernel sees to it
    /// (`openat2(2)` with `RESOLVE_BENEATH`, Linux 5.6). Links that stay inside are followed, those
    /// of `/proc` are not.
    ///
    /// # Errors
    /// [`CrossesDevices`](io::ErrorKind::CrossesDevices) for a path that leads out, else as
    /// [`open`](Self::open).
    ///
    /// # Cancellation
    /// As [`open`](Self::open).
    pub async fn open_beneath(self, dir: &File, relative: impl AsRef<Path>) -> io::Result<File> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        self.open_from(Some(dir.descriptor()), relative.as_ref(), resolve).await
    }

    async fn open_from(
        self,
        dir: Option<&Arc<Descriptor>>,
        path: &Path,
        resolve: ResolveFlags,
    ) -> io::Result<File> {
        let flags = self.flags()?;
        let makes = self.create || self.create_new;
        let mode = if makes { Mode::from_bits_truncate(self.mode) } else { Mode::empty() };
        let path = CString::new(path.as_os_str().as_bytes())?;
        file::open(Open { dir: dir.cloned(), path, flags, mode, resolve }).await.map(File::new)
    }

    fn flags(self) -> io::Result<OFlags> {
        let changes = self.truncate || self.create || self.create_new;
        let access = match (self.read, self.write) {
            (true, false) if !changes => OFlags::RDONLY,
            (false, true) => OFlags::WRONLY,
            (true, true) => OFlags::RDWR,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let mut flags = access | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        for (wanted, flag) in [
            (self.truncate, OFlags::TRUNC),
            (self.create, OFlags::CREATE),
            (self.create_new, OFlags::CREATE | OFlags::EXCL),
        ] {
            if wanted {
                flags |= flag;
            }
        }
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let none = OpenOptions::new();
        for (why, options, accepted) in [
            ("neither reading nor writing", none, false),
            ("reading", none.read(true), true),
            ("making a file one cannot write to", none.read(true).create(true), false),
            ("emptying a file one cannot write to", none.read(true).truncate(true), false),
            ("making a new one one cannot write to", none.create_new(true), false),
            ("writing", none.write(true), true),
            ("all", none.read(true).write(true).create(true).truncate(true), true),
        ] {
            assert_eq!(options.flags().is_ok(), accepted, "{why}");
        }
    }
}
