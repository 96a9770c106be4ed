//! Where a server listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use corelane_runtime::net::UnixOptions;

use super::TrustedProxies;

/// One place to listen at, with what is to be said about it. A server may have several: see [`Server::listen`](super::Server::listen).
///
/// As text, in flags and in `server.listen`:
///
/// | text | what |
/// | --- | --- |
/// | `127.0.0.1:8080`, `[::]:8080` | an address; port 0 takes a free one |
/// | `unix:/run/app.sock` | a Unix socket |
/// | `unix:/run/app.sock,mode=660,group=www-data` | with its mode (octal), `user=` and `group=` by name or number |
/// | `systemd`, `systemd:web` | the sockets that systemd has passed, all or those of a name |
///
/// ```
/// use corelane_http::server::Listen;
///
/// let listen: Listen = "unix:/run/app.sock,mode=660".parse()?;
/// assert_eq!(listen, Listen::unix("/run/app.sock").mode(0o660));
/// assert_eq!(listen.to_string(), "unix:/run/app.sock");
///
/// let error = "localhost".parse::<Listen>().unwrap_err();
/// assert!(error.to_string().starts_with("`localhost` is no place to listen at"));
/// # Ok::<(), corelane_http::server::ListenError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub(super) place: Place,
    /// Who has to speak the PROXY protocol.
    pub(super) proxies: Option<TrustedProxies>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::Tls>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf, UnixOptions),
    /// The sockets that a supervisor has passed; of this name, if there is one.
    Passed(Option<Box<str>>),
}

impl Listen {
    fn at(place: Place) -> Listen {
        Listen {
            place,
            proxies: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// At a TCP address.
    pub fn tcp(address: SocketAddr) -> Listen {
        Listen::at(Place::Tcp(address))
    }

    /// On a Unix socket at this path. One that a dead process has left there is replaced; it is removed when the
    /// server stops.
    ///
    /// # Panics
    /// If the path holds a control character.
    #[track_caller]
    pub fn unix(path: impl Into<PathBuf>) -> Listen {
        let path = path.into();
        assert!(is_plain(&path), "the path of a socket holds a control character: {path:?}");
        Listen::at(Place::Unix(path, UnixOptions::default()))
    }

    /// On the sockets that systemd, or who speaks its protocol, has made for this process: all of them, or those that
    /// are called `name` (`FileDescriptorName=`). `sd_listen_fds(3)` tells about it.
    pub fn passed(name: Option<&str>) -> Listen {
        Listen::at(Place::Passed(name.map(Into::into)))
    }

    /// Permission bits of a Unix socket: who may write to it may connect. Without it the umask says.
    ///
    /// # Panics
    /// If this is no Unix socket.
    #[track_caller]
    pub fn mode(self, mode: u32) -> Listen {
        self.with_options(|options| options.mode = Some(mode))
    }

    /// Owning user of a Unix socket, by number.
    ///
    /// # Panics
    /// If this is no Unix socket.
    #[track_caller]
    pub fn user(self, id: u32) -> Listen {
        self.with_options(|options| options.user = Some(id))
    }

    /// Owning group of a Unix socket, by number.
    ///
    /// # Panics
    /// If this is no Unix socket.
    #[track_caller]
    pub fn group(self, id: u32) -> Listen {
        self.with_options(|options| options.group = Some(id))
    }

    /// Has connections begin with a header of the PROXY protocol, version 1 or 2, which tells who has connected to the proxy:
    /// that is then the [`peer`](crate::request::Request::peer), and the client's address unless a trusted proxy forwards
    /// another. A header that tells that the client came by TLS makes the scheme `https`.
    ///
    /// Only these proxies may connect; whatever else comes is closed without an answer, as is who sends no header within
    /// [`Limits::handshake_timeout`](super::Limits::handshake_timeout). Whether the protocol is spoken is never guessed: a client
    /// could speak it, too. It comes before TLS.
    ///
    /// ```
    /// use corelane_http::server::{Listen, TrustedProxies};
    ///
    /// let balancer = TrustedProxies::new(["10.0.0.5"])?;
    /// let listen = Listen::tcp(([0, 0, 0, 0], 8080).into()).proxy_protocol(balancer);
    /// # Ok::<(), corelane_http::server::TrustError>(())
    /// ```
    pub fn proxy_protocol(mut self, from: TrustedProxies) -> Listen {
        self.proxies = Some(from);
        self
    }

    /// Takes TLS here, and nothing else.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: super::Tls) -> Listen {
        self.tls = Some(tls);
        self
    }

    #[track_caller]
    fn with_options(mut self, set: impl FnOnce(&mut UnixOptions)) -> Listen {
        match &mut self.place {
            Place::Unix(_, options) => set(options),
            _ => panic!("mode and owner are those of a Unix socket; this is {self}"),
        }
        self
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Listen {
        Listen::tcp(address)
    }
}

/// The place alone, as it would be written.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(address) => address.fmt(f),
            Place::Unix(path, _) => write!(f, "unix:{}", path.display()),
            Place::Passed(None) => f.write_str("systemd"),
            Place::Passed(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Listen, ListenError> {
        let error = |what| ListenError { text: text.into(), what };
        if let Some(unix) = text.strip_prefix("unix:") {
            let mut parts = unix.split(',');
            let path = Path::new(parts.next().unwrap_or_default());
            if path.as_os_str().is_empty() || !is_plain(path) {
                return Err(error(What::Place));
            }
            return parts.try_fold(Listen::unix(path), |listen, part| option(listen, part).map_err(error));
        }
        match text.strip_prefix("systemd") {
            Some("") => return Ok(Listen::passed(None)),
            Some(name) if name.len() > 1 && name.starts_with(':') => {
                return Ok(Listen::passed(Some(&name[1..])));
            }
            _ => {}
        }
        text.parse().map(Listen::tcp).map_err(|_| error(What::Place))
    }
}

/// One of the words behind a path.
fn option(listen: Listen, part: &str) -> Result<Listen, What> {
    match part.split_once('=') {
        Some(("mode", digits)) => {
            let is_octal = !digits.is_empty() && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
            let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
            mode.map(|mode| listen.mode(mode)).ok_or(What::Mode)
        }
        Some(("user", name)) => id_of(name, "/etc/passwd").map(|id| listen.user(id)).ok_or(What::Owner),
        Some(("group", name)) => id_of(name, "/etc/group").map(|id| listen.group(id)).ok_or(What::Owner),
        _ => Err(What::Option),
    }
}

/// A number, or the number that stands behind a name in this file: the third field in both.
fn id_of(name: &str, file: &str) -> Option<u32> {
    if let Ok(id) = name.parse() {
        return Some(id);
    }
    let all = std::fs::read_to_string(file).ok()?;
    let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split(':').nth(1)?.parse().ok()
}

/// Such a path can stand in a line of its own.
fn is_plain(path: &Path) -> bool {
    !path.as_os_str().as_encoded_bytes().iter().any(u8::is_ascii_control)
}

/// A text that names no place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenError {
    text: Box<str>,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Place,
    Mode,
    Owner,
    Option,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ListenError { text, what } = self;
        match what {
            What::Place => write!(
                f,
                "`{text}` is no place to listen at: give 127.0.0.1:8080, [::]:8080, unix:/run/app.sock, systemd or systemd:NAME"
            ),
            What::Mode => write!(f, "`{text}`: the mode of a socket is octal, such as mode=660"),
            What::Owner => write!(f, "`{text}`: there is no such user or group on this machine"),
            What::Option => write!(f, "`{text}`: behind the path may stand mode=, user= and group="),
        }
    }
}

impl std::error::Error for ListenError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_as_text() {
        let unix = |path: &str| Some(Listen::unix(path));
        for (why, text, want) in [
            ("IPv4", "127.0.0.1:80", Some(Listen::tcp("127.0.0.1:80".parse().unwrap()))),
            ("IPv6", "[::1]:0", Some(Listen::tcp("[::1]:0".parse().unwrap()))),
            ("a path", "unix:/a/b", unix("/a/b")),
            ("a relative path", "unix:b.sock", unix("b.sock")),
            ("with a mode", "unix:/a,mode=0660", unix("/a").map(|it| it.mode(0o660))),
            ("with an owner by number", "unix:/a,user=7,group=8", unix("/a").map(|it| it.user(7).group(8))),
            (
                "with an owner by name",
                "unix:/a,user=root,group=root",
                unix("/a").map(|it| it.user(0).group(0)),
            ),
            ("all that was passed", "systemd", Some(Listen::passed(None))),
            ("by name", "systemd:web", Some(Listen::passed(Some("web")))),
            ("a name of no length", "systemd:", None),
            ("another word", "systemdx", None),
            ("no path", "unix:", None),
            ("a line end in the path", "unix:/a\nb", None),
            ("a mode that is not octal", "unix:/a,mode=680", None),
            ("a mode with a sign", "unix:/a,mode=+60", None),
            ("a mode with more than permissions", "unix:/a,mode=4755", None),
            ("a name that nobody has", "unix:/a,group=no-such-group", None),
            ("half a name", "unix:/a,user=roo", None),
            ("an unknown word", "unix:/a,own=1", None),
            ("no port", "127.0.0.1", None),
            ("a name to resolve", "localhost:80", None),
            ("nothing", "", None),
        ] {
            assert_eq!(text.parse().ok(), want, "{why}");
        }
    }
}
