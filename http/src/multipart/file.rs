//! Files that have no name until they are complete, or never get one.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use corelane_runtime::blocking;
use corelane_runtime::fs::File;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// Readable and writable by this user only.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Names tried before giving up. Each is one of 2^64.
const NAMES_TRIED: u32 = 8;

/// A file in `dir` without a name: it is gone once it is closed, even if the process is killed.
pub(super) async fn unnamed(dir: PathBuf) -> io::Result<File> {
    run(move || match tmpfile(&dir) {
        Err(error) if is_unsupported(error) => named_and_unlinked(&dir),
        opened => Ok(opened?),
    })
    .await
    .map(|file| File::from_std(file.into()))
}

/// Gives `file` the name `path`, which must not exist: at no cost in the same file system, else by a copy.
pub(super) async fn name(file: File, path: PathBuf) -> io::Result<()> {
    let file = OwnedFd::from(file.into_std()?);
    run(move || match link(&file, &path) {
        // Another file system, or a file that was unlinked (which has no link to be followed any more).
        Err(Errno::XDEV | Errno::NOENT) => copy(file, &path),
        linked => Ok(linked?),
    })
    .await
}

/// A file being written that will stand under a path.
pub(super) struct Target {
    file: File,
    path: PathBuf,
    /// Set if it stands there already, incomplete: removed unless it gets complete.
    incomplete: Option<Incomplete>,
}

/// `None` once it is complete.
struct Incomplete(Option<PathBuf>);

impl Incomplete {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Incomplete {
    fn drop(&mut self) {
        let Some(path) = &self.0 else { return };
        // In place, as nobody is left to wait for it. Only file systems without unnamed files come here.
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(%error, path = %path.display(), "an incomplete upload could not be removed");
        }
    }
}

impl Target {
    pub(super) async fn make(path: &Path) -> io::Result<Target> {
        let path = path.to_owned();
        let (file, path, incomplete) = run(move || {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match tmpfile(dir) {
                Ok(file) => Ok((file, path, None)),
                Err(error) if is_unsupported(error) => {
                    let file = create_new(&path)?;
                    let incomplete = Some(Incomplete(Some(path.clone())));
                    Ok((file, path, incomplete))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        Ok(Target { file: File::from_std(file.into()), path, incomplete })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Makes it stand under its path.
    pub(super) async fn finish(self) -> io::Result<()> {
        let Target { file, path, incomplete } = self;
        match incomplete {
            Some(incomplete) => {
                incomplete.keep();
                Ok(())
            }
            None => name(file, path).await,
        }
    }
}

async fn run<T: Send + 'static>(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    blocking::run(job).await.map_err(io::Error::other)?
}

fn tmpfile(dir: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, MODE)
}

/// What `open(2)` says of `O_TMPFILE` where the file system, or an old kernel, does not know it.
fn is_unsupported(error: Errno) -> bool {
    matches!(error, Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL)
}

fn create_new(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC, MODE)
}

fn named_and_unlinked(dir: &Path) -> io::Result<OwnedFd> {
    for _ in 0..NAMES_TRIED {
        // The keys of a new `RandomState` are the system's random numbers: enough for a name that `O_EXCL` guards.
        let path = dir.join(format!(".corelane-upload-{:016x}", RandomState::new().hash_one(())));
        match create_new(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// `linkat(2)` by way of `/proc`, which needs no capability.
fn link(file: &OwnedFd, path: &Path) -> Result<(), Errno> {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, &source, CWD, path, AtFlags::SYMLINK_FOLLOW)
}

fn copy(source: OwnedFd, path: &Path) -> io::Result<()> {
    let mut source = std::fs::File::from(source);
    io::Seek::rewind(&mut source)?;
    let mut copy = std::fs::File::from(create_new(path)?);
    let incomplete = Incomplete(Some(path.to_owned()));
    io::copy(&mut source, &mut copy)?;
    incomplete.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("corelane-file-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn both_ways_to_have_no_name_leave_none_and_can_be_given_one() {
        let dir = dir("unnamed");
        for (way, file) in
            [("tmpfile", tmpfile(&dir).unwrap()), ("unlinked", named_and_unlinked(&dir).unwrap())]
        {
            assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "{way}");
            let mut file = std::fs::File::from(file);
            file.write_all(b"content").unwrap();
            let path = dir.join(way);
            corelane_runtime::block_on(name(File::from_std(file.try_clone().unwrap()), path.clone()))
                .unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"content", "{way}");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{way}");
            let again = corelane_runtime::block_on(name(File::from_std(file), path.clone()));
            assert_eq!(
                again.unwrap_err().kind(),
                io::ErrorKind::AlreadyExists,
                "{way}: nothing is overwritten"
            );
            std::fs::remove_file(path).unwrap();
        }
        std::fs::remove_dir(dir).unwrap();
    }

    #[test]
    fn an_incomplete_file_is_removed_where_it_has_a_name() {
        let dir = dir("incomplete");
        let path = dir.join("x");
        let make = || Target {
            file: File::from_std(std::fs::File::from(create_new(&path).unwrap())),
            path: path.clone(),
            incomplete: Some(Incomplete(Some(path.clone()))),
        };
        drop(make());
        assert!(!path.exists());
        corelane_runtime::block_on(make().finish()).unwrap();
        assert!(path.exists());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
