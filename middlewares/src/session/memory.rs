//! Sessions in the memory of the process.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use corelane_runtime::mesh::{CallError, Sharded};
use corelane_runtime::{CoreId, core_count, core_id, time, try_core_id};

use super::store::{Saved, SessionStore, StoreError, StoreKey, Stored};

/// Sessions of one core at most, unless said otherwise: a million on twenty cores.
pub const SESSIONS_PER_CORE: usize = 50_000;

/// Bytes of sessions on one core at most, unless said otherwise (64 MiB).
pub const BYTES_PER_CORE: usize = 64 << 20;

/// What an entry costs besides its data, about: key and links in a table and in a tree.
const ENTRY_BYTES: usize = 192;

/// Sessions in the memory of this process: gone when it ends.
///
/// Each session lives on one core, which its key tells; the others ask that core through the mesh. So a session is
/// found whichever core a client's next connection lands on, and no lock or memory is shared. Asking the own core is a function call,
/// another core a round trip of some tens of microseconds.
///
/// Make one **outside** the factory, and give each core a clone:
///
/// ```
/// use corelane_http::app::App;
/// use corelane_middlewares::session::{MemoryStore, Sessions};
///
/// let store = MemoryStore::new();
/// let factory = move || App::new().with(Sessions::new(store.clone()));
/// # let _ = factory;
/// ```
///
/// # Bounds
/// [`SESSIONS_PER_CORE`] and [`BYTES_PER_CORE`]. At the bound the session that would expire first goes, which with one
/// lifetime for all is the one that was used longest ago; [`MemoryStats::evicted`] counts them.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shards: Sharded<RefCell<Shard>>,
}

impl MemoryStore {
    /// An empty store with the default bounds.
    ///
    /// # Panics
    /// At the caller's line, if called on a core of several, as in an application's factory: each core would have a
    /// store of its own, and sessions would come and go with the core that a connection lands on.
    #[track_caller]
    pub fn new() -> MemoryStore {
        MemoryStore::bounded(SESSIONS_PER_CORE, BYTES_PER_CORE)
    }

    /// With other bounds on each core. A bound of 0 counts as one session.
    ///
    /// # Panics
    /// As [`MemoryStore::new`].
    #[track_caller]
    pub fn bounded(sessions_per_core: usize, bytes_per_core: usize) -> MemoryStore {
        assert!(
            try_core_id().is_none() || core_count() == 1,
            "a session store made on one core is not that of the others: make it outside the factory and clone it"
        );
        let shard = move |_| RefCell::new(Shard::new(sessions_per_core.max(1), bytes_per_core));
        MemoryStore { shards: Sharded::new(shard) }
    }

    /// What all cores keep.
    ///
    /// # Errors
    /// A core has ended.
    pub async fn stats(&self) -> Result<MemoryStats, StoreError> {
        let mut total = MemoryStats::default();
        for shard in self.shards.broadcast(|shard| shard.borrow().stats()).await {
            let shard = shard.map_err(StoreError::new)?;
            total.sessions += shard.sessions;
            total.bytes += shard.bytes;
            total.evicted += shard.evicted;
        }
        Ok(total)
    }

    async fn on<R: Send + 'static>(
        &self,
        key: &StoreKey,
        run: impl FnOnce(&mut Shard, Instant) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let run = |shard: &RefCell<Shard>| run(&mut shard.borrow_mut(), time::now());
        let core = home(key);
        if core == core_id() {
            return Ok(self.shards.with(run));
        }
        self.shards.call(core, run).await.map_err(|error: CallError| StoreError::new(error))
    }
}

impl Default for MemoryStore {
    #[track_caller]
    fn default() -> Self {
        MemoryStore::new()
    }
}

/// The core that keeps a session. Keys are hashes, so their bytes spread evenly.
fn home(key: &StoreKey) -> CoreId {
    let [first, second, third, fourth, ..] = *key.as_bytes();
    let spread = u32::from_le_bytes([first, second, third, fourth]) as usize;
    CoreId::new(spread % core_count())
}

impl SessionStore for MemoryStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>, StoreError> {
        let key = *key;
        self.on(&key, move |shard, now| shard.load(&key, now)).await
    }

    async fn save(
        &self,
        key: &StoreKey,
        data: Vec<u8>,
        version: Option<u64>,
        ttl: Duration,
    ) -> Result<Saved, StoreError> {
        let key = *key;
        self.on(&key, move |shard, now| shard.save(key, data, version, now, ttl)).await
    }

    async fn touch(&self, key: &StoreKey, ttl: Duration) -> Result<bool, StoreError> {
        let key = *key;
        self.on(&key, move |shard, now| shard.touch(&key, now, ttl)).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<(), StoreError> {
        let key = *key;
        self.on(&key, move |shard, _| {
            shard.remove(&key);
        })
        .await
    }
}

/// What a [`MemoryStore`] keeps. A snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Sessions, expired ones that nobody has come across yet among them.
    pub sessions: usize,
    /// Bytes that they take, about.
    pub bytes: usize,
    /// Sessions that had to go before their time, since the start.
    pub evicted: u64,
}

#[derive(Debug)]
struct Shard {
    entries: HashMap<StoreKey, Entry>,
    /// By time of expiry, the next first. Invariant: one for each entry.
    order: BTreeSet<(Instant, StoreKey)>,
    bytes: usize,
    evicted: u64,
    sessions_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry {
    data: Vec<u8>,
    version: u64,
    expires: Instant,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.data.len() + ENTRY_BYTES
    }
}

/// A lifetime that the clock can tell.
fn after(now: Instant, ttl: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    now + ttl.min(100 * YEAR)
}

impl Shard {
    fn new(sessions_max: usize, bytes_max: usize) -> Shard {
        Shard {
            entries: HashMap::new(),
            order: BTreeSet::new(),
            bytes: 0,
            evicted: 0,
            sessions_max,
            bytes_max,
        }
    }

    fn stats(&self) -> MemoryStats {
        MemoryStats { sessions: self.entries.len(), bytes: self.bytes, evicted: self.evicted }
    }

    fn remove(&mut self, key: &StoreKey) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&(entry.expires, *key));
        self.bytes -= entry.bytes();
        Some(entry)
    }

    fn put(&mut self, key: StoreKey, entry: Entry) {
        self.order.insert((entry.expires, key));
        self.bytes += entry.bytes();
        self.entries.insert(key, entry);
    }

    /// Removes what is over: each call pays for the few that have expired since the last.
    fn expire(&mut self, now: Instant) {
        while let Some((expires, key)) = self.order.first().copied()
            && expires <= now
        {
            self.remove(&key);
        }
    }

    fn load(&mut self, key: &StoreKey, now: Instant) -> Option<Stored> {
        let entry = self.entries.get(key).filter(|entry| entry.expires > now)?;
        Some(Stored::new(entry.data.clone(), entry.version, entry.expires - now))
    }

    fn save(
        &mut self,
        key: StoreKey,
        data: Vec<u8>,
        version: Option<u64>,
        now: Instant,
        ttl: Duration,
    ) -> Saved {
        self.expire(now);
        let found = self.entries.get(&key).map(|entry| entry.version);
        match (found, version) {
            (None, Some(_)) => return Saved::Gone,
            (found, version) if found != version => return Saved::Conflict,
            _ => {}
        }
        self.remove(&key);
        let entry =
            Entry { data, version: version.map_or(0, |version| version + 1), expires: after(now, ttl) };
        while !self.entries.is_empty()
            && (self.entries.len() >= self.sessions_max || self.bytes + entry.bytes() > self.bytes_max)
        {
            if let Some((_, first)) = self.order.first().copied() {
                self.remove(&first);
                self.evicted += 1;
            }
        }
        self.put(key, entry);
        Saved::Done
    }

    fn touch(&mut self, key: &StoreKey, now: Instant, ttl: Duration) -> bool {
        self.expire(now);
        let Some(mut entry) = self.remove(key) else { return false };
        entry.expires = after(now, ttl);
        self.put(*key, entry);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn key(n: u8) -> StoreKey {
        StoreKey::of(&n.to_string())
    }

    #[test]
    fn versions_keep_writers_apart_and_what_is_gone_stays_gone() {
        let now = time::now();
        let mut shard = Shard::new(10, 1 << 20);
        let mut save = |why: &str, data: &str, version, want| {
            assert_eq!(shard.save(key(1), data.into(), version, now, TTL), want, "{why}");
        };
        save("nothing to replace", "x", Some(0), Saved::Gone);
        save("new", "a", None, Saved::Done);
        save("new where there is one", "b", None, Saved::Conflict);
        save("the version read", "b", Some(0), Saved::Done);
        save("a version that is past", "c", Some(0), Saved::Conflict);
        assert_eq!(shard.load(&key(1), now), Some(Stored::new(b"b".to_vec(), 1, TTL)));
        shard.remove(&key(1));
        assert_eq!(shard.save(key(1), b"d".to_vec(), Some(1), now, TTL), Saved::Gone);
        assert_eq!((shard.stats(), shard.order.len()), (MemoryStats::default(), 0));
    }

    #[test]
    fn time_takes_sessions_away_unless_they_are_touched() {
        let now = time::now();
        let mut shard = Shard::new(10, 1 << 20);
        for n in [1, 2] {
            shard.save(key(n), vec![n], None, now, TTL);
        }
        assert!(shard.touch(&key(2), now + TTL / 2, TTL));
        assert_eq!(shard.load(&key(1), now + TTL), None, "absent though nobody has removed it");
        assert!(shard.load(&key(2), now + TTL).is_some());
        assert!(!shard.touch(&key(1), now + TTL, TTL));
        assert_eq!(shard.stats().sessions, 1);
        shard.save(key(3), vec![3], None, now + 2 * TTL, Duration::MAX);
        assert_eq!((shard.stats().sessions, shard.stats().evicted), (1, 0));
    }

    #[test]
    fn at_either_bound_the_one_that_would_expire_first_goes() {
        let now = time::now();
        let mut shard = Shard::new(2, 1 << 20);
        for n in [1, 2] {
            shard.save(key(n), vec![n], None, now + Duration::from_secs(n.into()), TTL);
        }
        shard.touch(&key(1), now + Duration::from_secs(3), TTL);
        shard.save(key(3), vec![3], None, now + Duration::from_secs(4), TTL);
        let there = |shard: &mut Shard| [1, 2, 3, 4].map(|n| shard.load(&key(n), now).is_some());
        assert_eq!(there(&mut shard), [true, false, true, false]);
        assert_eq!(shard.stats().evicted, 1);

        let mut shard = Shard::new(10, 2 * ENTRY_BYTES + 100);
        for n in [1, 2] {
            shard.save(key(n), vec![0; 50], None, now + Duration::from_secs(n.into()), TTL);
        }
        shard.save(key(2), vec![0; 51], Some(0), now + Duration::from_secs(3), TTL);
        assert_eq!(there(&mut shard), [false, true, false, false], "one byte too many");
        shard.save(key(4), vec![0; 10_000], None, now, TTL);
        assert_eq!(
            there(&mut shard),
            [false, false, false, true],
            "one that is larger than all may be alone"
        );
    }
}
