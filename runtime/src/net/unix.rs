//! Making the socket of a path, whatever was left there.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

/// Connections the kernel keeps until they are accepted; it caps that at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Who may connect to a path.
///
/// The kernel asks for the permission to write to a socket before it lets a client connect (unix(7)), so mode and
/// owner say who may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnixOptions {
    /// Permission bits, such as `0o660`. `None`, the default, is what the umask leaves.
    pub mode: Option<u32>,
    /// Owning user, by number. Changing it needs a privilege.
    pub user: Option<u32>,
    /// Owning group, by number. One that the process is in may be given without a privilege.
    pub group: Option<u32>,
}

/// Listens on `path` off any core, with a backlog of 4096, as [`listen_std`](super::listen_std) does on an address.
///
/// The socket of a process that has ended without removing it is replaced. Nobody can connect before mode and
/// owner are set. Two processes that replace the same one at the same moment are not told apart: the later has the path.
///
/// ```
/// use corelane_runtime::net::{UnixOptions, listen_unix_std};
///
/// let path = std::env::temp_dir().join(format!("corelane-doc-{}.sock", std::process::id()));
/// let options = UnixOptions { mode: Some(0o600), ..UnixOptions::default() };
/// let listener = listen_unix_std(&path, &options)?;
/// assert_eq!(listen_unix_std(&path, &options).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
/// drop(listener);
/// assert!(path.exists(), "the kernel leaves it");
/// drop(listen_unix_std(&path, &options)?);
/// std::fs::remove_file(&path)?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// [`AddrInUse`](io::ErrorKind::AddrInUse) if somebody listens there,
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the path is something else than a socket,
/// [`InvalidInput`](io::ErrorKind::InvalidInput) for a path of over 107 bytes, else what the kernel says.
pub fn listen_unix_std(path: &Path, options: &UnixOptions) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path of a Unix socket has 1 to 107 bytes, and none of them is zero",
        )
    })?;
    remove_stale(path, &address)?;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&fd, &address)?;
    let made = (|| {
        if options.user.is_some() || options.group.is_some() {
            chown(path, options.user, options.group)?;
        }
        if let Some(mode) = options.mode {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        io::Result::Ok(listen(&fd, BACKLOG)?)
    })();
    if made.is_err() {
        let _ = fs::remove_file(path);
    }
    made.map(|()| fd)
}

/// Removes the socket that a process has left behind.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => return Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path),
        Err(Errno::NOENT) => Ok(()),
        // Somebody's backlog is full.
        Ok(()) | Err(Errno::AGAIN) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_socket_stays() {
        let path = std::env::temp_dir().join(format!("corelane-no-socket-{}", std::process::id()));
        fs::write(&path, "precious").unwrap();
        let error = listen_unix_std(&path, &UnixOptions::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_mode_is_set_and_a_failure_leaves_nothing() {
        let path = std::env::temp_dir().join(format!("corelane-mode-{}", std::process::id()));
        let options = UnixOptions { mode: Some(0o620), ..UnixOptions::default() };
        drop(listen_unix_std(&path, &options).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
        fs::remove_file(&path).unwrap();

        let long = std::env::temp_dir().join("x".repeat(120));
        let error = listen_unix_std(&long, &UnixOptions::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    }
}
