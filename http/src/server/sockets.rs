//! The listening sockets of a server: made, passed by a supervisor, or handed over by the process before this one.
//!
//! A TCP address has one socket for each core (`SO_REUSEPORT`), so that cores do not meet in one queue. Sockets that
//! come from outside are as many as they are: where there are fewer than cores, several cores accept from one.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use corelane_runtime::CoreId;
use corelane_runtime::handover::{self, Inherited, Ready};
use corelane_runtime::net::{self, ListenOptions};

use super::ServerError;
use super::listen::{Listen, Place};

/// Where a server listens in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddr {
    /// A TCP address, with the port that was taken.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddr::Tcp(address) => address.fmt(f),
            ListenAddr::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A server's sockets. The cores have copies; when these and the copies are closed nobody listens any more.
pub(super) struct Sockets {
    groups: Vec<Group>,
}

/// The sockets of one [`Listen`], at least one.
struct Group {
    /// Under which name it is handed over: its place as it is written.
    name: String,
    sockets: Vec<OwnedFd>,
    addresses: Vec<ListenAddr>,
    /// The file to remove at the end, by device and inode: another process may have put its own there.
    file: Option<(PathBuf, u64, u64)>,
}

/// A core's copy of a socket, and which of the server's places it is of.
pub(super) type Copy = (usize, OwnedFd);

impl Sockets {
    /// Makes the sockets of all places, or takes over those that there are. Done before any core starts, so that an address that
    /// cannot be had is an error of `start` and not of a core. If another process has handed its own over, it is to be told
    /// when this one serves.
    pub(super) fn open(places: &[Listen], cores: usize) -> Result<(Sockets, Option<Ready>), ServerError> {
        let (mut handed, ready) = match handover::from_predecessor() {
            Some(predecessor) => (predecessor.sockets, Some(predecessor.ready)),
            None => (Vec::new(), None),
        };
        let mut passed = None;
        let mut groups = Vec::with_capacity(places.len());
        for listen in places {
            let name = listen.to_string();
            let mine = take(&mut handed, |given| given.name == name);
            let sockets = match &listen.place {
                _ if !mine.is_empty() => mine,
                Place::Tcp(address) => tcp(*address, cores)?,
                Place::Unix(path, options) => {
                    vec![
                        net::listen_unix_std(path, options)
                            .map_err(|error| ServerError::unix(path, error))?,
                    ]
                }
                Place::Passed(wanted) => {
                    let passed = passed.get_or_insert_with(handover::from_supervisor);
                    take(passed, |given| wanted.as_deref().is_none_or(|name| given.name == name))
                }
            };
            if sockets.is_empty() {
                return Err(ServerError::not_passed(&name));
            }
            groups.push(Group::new(listen, name, sockets)?);
        }
        for left in handed {
            tracing::warn!(
                place = left.name,
                "the process before this one listened there, this one does not"
            );
        }
        Ok((Sockets { groups }, ready))
    }

    /// Copies for a core of the sockets that it accepts from: of each place its share, or one that it shares.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub(super) fn of_core(&self, core: CoreId, cores: usize) -> io::Result<Vec<Copy>> {
        let mut copies = Vec::new();
        for (place, Group { sockets, .. }) in self.groups.iter().enumerate() {
            let own = sockets.iter().skip(core.index()).step_by(cores);
            let shared = sockets.get(core.index() % sockets.len()).filter(|_| sockets.len() <= core.index());
            for socket in own.chain(shared) {
                copies.push((place, socket.try_clone()?));
            }
        }
        Ok(copies)
    }

    /// All of them with their names, for a successor.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        self.groups.iter().flat_map(|group| group.sockets.iter().map(|socket| (group.name.as_str(), socket)))
    }

    pub(super) fn addresses(&self) -> Vec<ListenAddr> {
        self.groups.iter().flat_map(|group| group.addresses.iter().cloned()).collect()
    }

    /// Lets go of them; files are removed unless a successor has taken them over.
    pub(super) fn close(self, handed_over: bool) {
        for group in self.groups {
            let Some((path, device, inode)) = group.file.filter(|_| !handed_over) else { continue };
            let is_ours =
                fs::symlink_metadata(&path).is_ok_and(|now| (now.dev(), now.ino()) == (device, inode));
            if is_ours && let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "a socket could not be removed");
            }
        }
    }
}

impl Group {
    fn new(listen: &Listen, name: String, sockets: Vec<OwnedFd>) -> Result<Group, ServerError> {
        let mut addresses = Vec::new();
        for socket in &sockets {
            let address = address(socket).map_err(ServerError::runtime)?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let file = match &listen.place {
            Place::Unix(path, _) => {
                fs::symlink_metadata(path).ok().map(|made| (path.clone(), made.dev(), made.ino()))
            }
            _ => None,
        };
        Ok(Group { name, sockets, addresses, file })
    }
}

fn take(from: &mut Vec<Inherited>, is_wanted: impl Fn(&Inherited) -> bool) -> Vec<OwnedFd> {
    from.extract_if(.., |given| is_wanted(given)).map(|given| given.socket).collect()
}

fn address(socket: &OwnedFd) -> io::Result<ListenAddr> {
    let address = rustix::net::getsockname(socket.as_fd())?;
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return Ok(ListenAddr::Tcp(address));
    }
    let unix = rustix::net::SocketAddrUnix::try_from(address)?;
    let path = unix.path_bytes().map(|path| String::from_utf8_lossy(path).into_owned());
    Ok(ListenAddr::Unix(path.unwrap_or_default().into()))
}

/// Binds `count` sockets to `address`.
///
/// # Errors
/// The address is in use or not ours. A socket without `SO_REUSEPORT` is tried first: with it alone the kernel
/// would let a second process of the same user share the port, and half the connections would go astray.
fn tcp(address: SocketAddr, count: usize) -> Result<Vec<OwnedFd>, ServerError> {
    if address.port() != 0 {
        drop(
            net::listen_std(address, &ListenOptions { reuse_port: false, ..ListenOptions::default() })
                .map_err(|error| ServerError::listen(address, error))?,
        );
    }
    let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
    let mut address = address;
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let listener =
            net::listen_std(address, &options).map_err(|error| ServerError::listen(address, error))?;
        address = listener.local_addr().map_err(|error| ServerError::listen(address, error))?;
        sockets.push(listener.into());
    }
    Ok(sockets)
}
