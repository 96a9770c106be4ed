//! Where sessions are kept: the trait, and what goes through it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corelane_runtime::buf::LocalBoxFuture;
use sha2::{Digest, Sha256};

/// Keeps sessions. One value of it serves one core; its futures need not be `Send`.
///
/// A store keeps bytes under a key until their time is up. It has to keep four promises:
///
/// - **A session is found from every core**, whichever wrote it: a client's next connection may be another core's.
/// - **`save` is one step**: comparing the version and writing are not divided. That is a script in Redis, and one
///   `UPDATE … WHERE version = $n` in PostgreSQL.
/// - **What has expired is absent**, whether it was removed already or not.
/// - **A save that ended in an error may have happened**; the session is read again by the next request.
///
/// ```
/// use std::cell::RefCell;
/// use std::collections::HashMap;
/// use std::rc::Rc;
/// use std::time::Duration;
/// use corelane_middlewares::session::{Saved, SessionStore, StoreError, StoreKey, Stored};
///
/// /// For a test on one core; forgets nothing.
/// #[derive(Clone, Default)]
/// struct Map(Rc<RefCell<HashMap<StoreKey, (Vec<u8>, u64)>>>);
///
/// impl SessionStore for Map {
///     async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
///         let map = self.0.borrow();
///         Ok(map.get(key).map(|(data, version)| Stored::new(data.clone(), *version, Duration::MAX)))
///     }
///
///     async fn save(
///         &self, key: &StoreKey, data: Vec<u8>, version: Option<u64>, _: Duration,
///     ) -> Result<Saved, StoreError> {
///         let mut map = self.0.borrow_mut();
///         let found = map.get(key).map(|(_, version)| *version);
///         if found != version {
///             return Ok(if found.is_none() { Saved::Gone } else { Saved::Conflict });
///         }
///         map.insert(*key, (data, version.map_or(0, |version| version + 1)));
///         Ok(Saved::Done)
///     }
///
///     async fn touch(&self, key: &StoreKey, _: Duration) -> Result<bool, StoreError> {
///         Ok(self.0.borrow().contains_key(key))
///     }
///
///     async fn delete(&self, key: &StoreKey) -> Result<(), StoreError> {
///         self.0.borrow_mut().remove(key);
///         Ok(())
///     }
/// }
/// # let _ = corelane_middlewares::session::Sessions::new(Map::default());
/// ```
pub trait SessionStore: 'static {
    /// What is kept under `key`, unless it has expired.
    ///
    /// # Errors
    /// The store cannot be asked: the request is answered with 503.
    fn load(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Stored>, StoreError>>;

    /// Writes `data`, to be kept for `ttl`.
    ///
    /// With a version only if what is kept has that version, and it has the next higher afterwards. Without one only if
    /// nothing is kept; then its version is 0.
    ///
    /// # Errors
    /// As [`SessionStore::load`].
    fn save(
        &self,
        key: &StoreKey,
        data: Vec<u8>,
        version: Option<u64>,
        ttl: Duration,
    ) -> impl Future<Output = Result<Saved, StoreError>>;

    /// Keeps what is there for `ttl` from now on, as it is. False if there is nothing.
    ///
    /// # Errors
    /// As [`SessionStore::load`].
    fn touch(&self, key: &StoreKey, ttl: Duration) -> impl Future<Output = Result<bool, StoreError>>;

    /// Removes what is there. That nothing is there is no error.
    ///
    /// # Errors
    /// As [`SessionStore::load`].
    fn delete(&self, key: &StoreKey) -> impl Future<Output = Result<(), StoreError>>;
}

/// What a session is kept under: the SHA-256 of its id. Whoever reads the store learns no id that a client could use.
///
/// `Display` is base64url, 43 characters, fit for a Redis key or a text column.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// The key of the session with this id. The layer makes it; a store's tests may.
    pub fn of(id: &str) -> StoreKey {
        StoreKey(Sha256::digest(id).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreKey({self})")
    }
}

/// What a store gives back. `Debug` does not show the data.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The bytes that were saved.
    pub(super) data: Vec<u8>,
    pub(super) version: u64,
    pub(super) expires_in: Duration,
}

impl Stored {
    /// Bytes with their version, and how long they are kept if nobody touches them.
    pub fn new(data: Vec<u8>, version: u64, expires_in: Duration) -> Stored {
        Stored { data, version, expires_in }
    }

    /// The bytes that were saved.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// How often they were saved since they were new.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How long they are kept if nobody touches them.
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("bytes", &self.data.len())
            .field("version", &self.version)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// How a save went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is written.
    Done,
    /// Somebody else has written since this version. Nothing is written.
    Conflict,
    /// Nothing is kept under the key any more. Nothing is written.
    Gone,
}

/// Why a store could not be asked.
#[derive(Debug)]
pub struct StoreError {
    source: Option<Box<dyn Error + 'static>>,
}

impl StoreError {
    /// With what the store's client said, for the log.
    pub fn new(source: impl Into<Box<dyn Error + 'static>>) -> StoreError {
        StoreError { source: Some(source.into()) }
    }

    /// Other requests of the session have kept writing between this one's reads and writes.
    pub(super) fn contended() -> StoreError {
        StoreError { source: None }
    }

    /// True if the store works, and the session was written by others again and again meanwhile.
    pub fn is_contended(&self) -> bool {
        self.source.is_none()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Some(_) => "the session store could not be asked",
            None => "the session was written by other requests again and again",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref()
    }
}

/// A lifetime in milliseconds as stores take it: at least one, at most a hundred years, so that now and it make a time.
#[cfg(feature = "redis")]
pub(super) fn millis_of(ttl: Duration) -> u64 {
    const CENTURY: u64 = 100 * 365 * 24 * 3600 * 1000;
    u64::try_from(ttl.as_millis()).unwrap_or(CENTURY).clamp(1, CENTURY)
}

/// A store whose type is forgotten, so that [`Session`](super::Session) has no parameter. The futures live in blocks that
/// the core recycles.
pub(super) trait AnyStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> LocalBoxFuture<'a, Result<Option<Stored>, StoreError>>;
    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        data: Vec<u8>,
        version: Option<u64>,
        ttl: Duration,
    ) -> LocalBoxFuture<'a, Result<Saved, StoreError>>;
    fn touch<'a>(&'a self, key: &'a StoreKey, ttl: Duration) -> LocalBoxFuture<'a, Result<bool, StoreError>>;
    fn delete<'a>(&'a self, key: &'a StoreKey) -> LocalBoxFuture<'a, Result<(), StoreError>>;
}

impl<S: SessionStore> AnyStore for S {
    fn load<'a>(&'a self, key: &'a StoreKey) -> LocalBoxFuture<'a, Result<Option<Stored>, StoreError>> {
        LocalBoxFuture::new(SessionStore::load(self, key))
    }

    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        data: Vec<u8>,
        version: Option<u64>,
        ttl: Duration,
    ) -> LocalBoxFuture<'a, Result<Saved, StoreError>> {
        LocalBoxFuture::new(SessionStore::save(self, key, data, version, ttl))
    }

    fn touch<'a>(&'a self, key: &'a StoreKey, ttl: Duration) -> LocalBoxFuture<'a, Result<bool, StoreError>> {
        LocalBoxFuture::new(SessionStore::touch(self, key, ttl))
    }

    fn delete<'a>(&'a self, key: &'a StoreKey) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        LocalBoxFuture::new(SessionStore::delete(self, key))
    }
}
