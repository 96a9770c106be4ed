//! Certificates of a server that ends TLS itself.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use corelane_runtime::tls::{Acceptor, Identities, TlsError};

/// Largest certificate or key file, in bytes. A chain of four is a tenth of it.
const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// The certificates of a [`Listen`](super::Listen) that takes TLS, with their keys.
///
/// TLS 1.3 and 1.2 with rustls' own choice of ciphers, and `http/1.1` by ALPN. A client is shown the first certificate that is for
/// the host it names, or the first of all. nginx in front is the other way, and the one with HTTP/2.
///
/// Files are read again when [`Server::run`](super::Server::run) gets SIGHUP, when it sees that one has changed (it looks every ten
/// seconds), and by [`Tls::reload`]. What cannot be used changes nothing. Connections that are open go on.
///
/// ```no_run
/// use corelane_http::app::App;
/// use corelane_http::server::{Listen, Server, Tls};
///
/// let tls = Tls::from_files([
///     ("/etc/app/shop.example.pem", "/etc/app/shop.example.key"),
///     ("/etc/app/shop.test.pem", "/etc/app/shop.test.key"),
/// ])?;
/// Server::new(Listen::tcp("0.0.0.0:8443".parse()?).tls(tls)).run(App::new)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    acceptor: Acceptor,
    identities: Identities,
    files: Arc<Files>,
}

struct Files {
    pairs: Vec<(PathBuf, PathBuf)>,
    /// When each was last changed, as of the last reading.
    seen: Mutex<Vec<Option<SystemTime>>>,
}

impl Tls {
    /// Certificates (PEM, each with its chain behind it) and keys (PEM) in files.
    ///
    /// # Errors
    /// A file cannot be read or holds none, a key does not fit its certificate, or there is no pair.
    pub fn from_files<C, K>(pairs: impl IntoIterator<Item = (C, K)>) -> Result<Tls, TlsFileError>
    where
        C: Into<PathBuf>,
        K: Into<PathBuf>,
    {
        let pairs: Vec<(PathBuf, PathBuf)> =
            pairs.into_iter().map(|(chain, key)| (chain.into(), key.into())).collect();
        let seen = Mutex::new(changed(&pairs));
        let identities = Identities::new(read(&pairs)?).map_err(|error| TlsFileError::tls(&pairs, error))?;
        Tls::with(identities, Files { pairs, seen })
    }

    /// Certificates and keys that are in memory: see [`Identities`]. They are replaced there; [`Tls::reload`] does nothing.
    ///
    /// # Errors
    /// None are known of; what rustls says is handed on.
    pub fn new(identities: Identities) -> Result<Tls, TlsFileError> {
        Tls::with(identities, Files { pairs: Vec::new(), seen: Mutex::default() })
    }

    fn with(identities: Identities, files: Files) -> Result<Tls, TlsFileError> {
        let acceptor = Acceptor::builder().identities(identities.clone()).alpn("http/1.1").build();
        let acceptor = acceptor.map_err(|error| TlsFileError::tls(&files.pairs, error))?;
        Ok(Tls { acceptor, identities, files: Arc::new(files) })
    }

    /// Reads the files again, and shows what is in them from now on.
    ///
    /// # Errors
    /// As [`Tls::from_files`]; the certificates before stay.
    pub fn reload(&self) -> Result<(), TlsFileError> {
        let pairs = &self.files.pairs;
        if pairs.is_empty() {
            return Ok(());
        }
        *self.files.seen.lock().unwrap_or_else(PoisonError::into_inner) = changed(pairs);
        self.identities.replace(read(pairs)?).map_err(|error| TlsFileError::tls(pairs, error))
    }

    /// True if a file has changed since it was last read.
    pub(super) fn is_outdated(&self) -> bool {
        let seen = self.files.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen != changed(&self.files.pairs)
    }

    /// Reads the files again and says in the log how it went.
    pub(super) fn reload_and_log(&self) {
        match self.reload() {
            Ok(()) => tracing::info!(pairs = self.files.pairs.len(), "the certificates were read again"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the certificates were not read again, the old ones stay"
            ),
        }
    }

    pub(super) fn acceptor(&self) -> &Acceptor {
        &self.acceptor
    }
}

/// Equal if they are clones of one.
impl PartialEq for Tls {
    fn eq(&self, other: &Tls) -> bool {
        Arc::ptr_eq(&self.files, &other.files)
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files.pairs).finish_non_exhaustive()
    }
}

fn changed(pairs: &[(PathBuf, PathBuf)]) -> Vec<Option<SystemTime>> {
    let files = pairs.iter().flat_map(|(chain, key)| [chain, key]);
    files.map(|file| fs::metadata(file).and_then(|about| about.modified()).ok()).collect()
}

/// A certificate chain and its key, as their files hold them.
type Pem = (Vec<u8>, Vec<u8>);

fn read(pairs: &[(PathBuf, PathBuf)]) -> Result<Vec<Pem>, TlsFileError> {
    pairs.iter().map(|(chain, key)| Ok((read_file(chain)?, read_file(key)?))).collect()
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let len = fs::metadata(path).map(|about| about.len());
    let read = match len {
        Ok(PEM_BYTES_MAX..) => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read(path),
        Err(error) => Err(error),
    };
    read.map_err(|source| TlsFileError { files: vec![path.to_owned()], kind: Kind::Io(source) })
}

/// Certificates that cannot be used.
#[derive(Debug)]
pub struct TlsFileError {
    /// Those that are to blame, as far as that is known.
    files: Vec<PathBuf>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Io(io::Error),
    Tls(TlsError),
}

impl TlsFileError {
    fn tls(pairs: &[(PathBuf, PathBuf)], source: TlsError) -> TlsFileError {
        let files = pairs.iter().flat_map(|(chain, key)| [chain.clone(), key.clone()]).collect();
        TlsFileError { files, kind: Kind::Tls(source) }
    }

    /// True if a file could not be read.
    pub fn is_io(&self) -> bool {
        matches!(self.kind, Kind::Io(_))
    }
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        match &self.kind {
            Kind::Io(_) => write!(f, "{} cannot be read", names.join(", ")),
            Kind::Tls(_) if names.is_empty() => f.write_str("the certificates cannot be used"),
            Kind::Tls(_) => write!(f, "the certificates and keys in {} cannot be used", names.join(", ")),
        }
    }
}

impl std::error::Error for TlsFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Io(error) => Some(error),
            Kind::Tls(error) => Some(error),
        }
    }
}
