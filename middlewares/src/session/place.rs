//! Loading and saving: where a session is kept, what wins, and which id it gets.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corelane_http::cookie::Keys;
use corelane_http::problem::Problem;
use serde_json::Value;

use super::error::Kind;
use super::handle::{Fate, Origin, Outcome, State};
use super::record::{Record, Values, millis, now};
use super::store::{AnyStore, Saved, StoreError, StoreKey};
use super::{SAVE_ATTEMPTS, SessionError, Shared};

/// Random bytes of an id: 256 bits, twice what guessing forbids.
const ID_BYTES: usize = 32;

/// Characters of an id in base64url.
const ID_CHARS: usize = (ID_BYTES * 4).div_ceil(3);

/// Where sessions are kept.
pub(super) enum Place {
    Store(Rc<dyn AnyStore>),
    /// At the client, encrypted.
    Cookie(Keys),
}

/// What the client is told.
pub(super) enum Change {
    None,
    /// Keep this as the cookie's value.
    Set(String),
    /// Forget the cookie.
    Remove,
}

/// Why a session is not saved.
pub(super) enum SaveError {
    Store(StoreError),
    Session(SessionError),
}

impl From<StoreError> for SaveError {
    fn from(error: StoreError) -> Self {
        SaveError::Store(error)
    }
}

impl From<SessionError> for SaveError {
    fn from(error: SessionError) -> Self {
        SaveError::Session(error)
    }
}

impl From<SaveError> for Problem {
    fn from(error: SaveError) -> Problem {
        match error {
            SaveError::Store(error) => error.into(),
            SaveError::Session(error) => error.into(),
        }
    }
}

impl Place {
    /// The session that the client's cookie stands for, if there is one and its time is not up.
    pub(super) async fn load(
        &self,
        shared: &Shared,
        sent: &str,
    ) -> Result<Option<(Origin, Values)>, StoreError> {
        match self {
            Place::Store(store) => load_stored(&**store, shared, sent).await,
            Place::Cookie(keys) => Ok(open(keys, shared, sent)),
        }
    }

    /// Saves what is left of the session.
    pub(super) async fn save(&self, shared: &Shared, state: &State) -> Result<Change, SaveError> {
        let outcome = state.close();
        match self {
            Place::Store(store) => {
                let saving = Saving { store: &**store, shared, outcome };
                match &state.origin {
                    Some(origin) => saving.known(origin).await,
                    None => saving.new_one(now()).await,
                }
            }
            Place::Cookie(keys) => seal(keys, shared, state.origin.as_ref(), outcome),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn new_id() -> Result<String, SessionError> {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| Kind::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

async fn load_stored(
    store: &dyn AnyStore,
    shared: &Shared,
    sent: &str,
) -> Result<Option<(Origin, Values)>, StoreError> {
    if !is_id(sent) {
        return Ok(None);
    }
    let key = StoreKey::of(sent);
    let Some(stored) = store.load(&key).await? else { return Ok(None) };
    let Some(record) = Record::decode(&stored.data) else {
        tracing::warn!(%key, "what the store has is no session: it counts as none");
        return Ok(None);
    };
    if age(record.created) >= shared.lifetime {
        store.delete(&key).await?;
        return Ok(None);
    }
    let expires_in = millis(stored.expires_in);
    let origin = Origin { id: sent.to_owned(), version: stored.version, created: record.created, expires_in };
    Ok(Some((origin, record.values)))
}

fn age(since: u64) -> Duration {
    Duration::from_millis(now().saturating_sub(since))
}

impl Shared {
    /// How long a session that began then is kept if it is used now.
    fn ttl(&self, created: u64) -> Duration {
        self.idle.min(self.lifetime.saturating_sub(age(created)))
    }

    /// True once a tenth of the idle time is used up and writing would win some.
    fn is_worth_touching(&self, created: u64, expires_in: u64) -> bool {
        let ttl = millis(self.ttl(created));
        ttl > expires_in.saturating_add(millis(self.idle) / 10)
    }

    fn context(&self) -> String {
        format!("session {}", self.cookie.name())
    }
}

/// A session on its way into a store.
struct Saving<'a> {
    store: &'a dyn AnyStore,
    shared: &'a Shared,
    outcome: Outcome,
}

impl Saving<'_> {
    /// Under an id of its own, if there is something to keep.
    async fn new_one(self, created: u64) -> Result<Change, SaveError> {
        if self.outcome.values.is_empty() {
            return Ok(Change::None);
        }
        let id = new_id()?;
        let data = Record { created, written: now(), values: self.outcome.values }.encode()?;
        match self.store.save(&StoreKey::of(&id), data, None, self.shared.ttl(created)).await? {
            Saved::Done => Ok(Change::Set(id)),
            // Two equal ids of 256 bits: the store is wrong, or the random numbers are.
            Saved::Conflict | Saved::Gone => Err(StoreError::contended().into()),
        }
    }

    async fn known(mut self, origin: &Origin) -> Result<Change, SaveError> {
        let key = StoreKey::of(&origin.id);
        match self.outcome.fate {
            Fate::End => {
                self.store.delete(&key).await?;
                match self.new_one(now()).await? {
                    Change::None => Ok(Change::Remove),
                    change => Ok(change),
                }
            }
            Fate::Rotate | Fate::LogIn => {
                let current = self.store.load(&key).await?;
                let record = current.and_then(|stored| Record::decode(&stored.data));
                match record {
                    Some(record) => self.outcome.values = overlaid(record.values, &self.outcome.changes),
                    // Ended meanwhile. It is not brought back, but who has just logged in gets a session.
                    None if self.outcome.fate == Fate::Rotate => return Ok(Change::None),
                    None => self.outcome.values = overlaid(Values::new(), &self.outcome.changes),
                }
                let store = self.store;
                // A log-in begins the lifetime anew: it is as good as a new session.
                let created = if self.outcome.fate == Fate::LogIn { now() } else { origin.created };
                let change = self.new_one(created).await?;
                store.delete(&key).await?;
                Ok(change)
            }
            Fate::Keep if self.outcome.changes.is_empty() => {
                if self.shared.is_worth_touching(origin.created, origin.expires_in) {
                    self.store.touch(&key, self.shared.ttl(origin.created)).await?;
                    return Ok(self.renewed(origin));
                }
                Ok(Change::None)
            }
            Fate::Keep => self.merge(origin, &key).await,
        }
    }

    /// A cookie that browsers keep has an age of its own, which slides with the session's.
    fn renewed(&self, origin: &Origin) -> Change {
        if self.shared.persistent { Change::Set(origin.id.clone()) } else { Change::None }
    }

    async fn merge(self, origin: &Origin, key: &StoreKey) -> Result<Change, SaveError> {
        let (mut values, mut version) = (self.outcome.values.clone(), origin.version);
        for _ in 0..SAVE_ATTEMPTS {
            let data = Record { created: origin.created, written: now(), values }.encode()?;
            match self.store.save(key, data, Some(version), self.shared.ttl(origin.created)).await? {
                Saved::Done => return Ok(self.renewed(origin)),
                Saved::Gone => return Ok(Change::None),
                Saved::Conflict => {}
            }
            let Some(stored) = self.store.load(key).await? else { return Ok(Change::None) };
            let Some(record) = Record::decode(&stored.data) else { return Ok(Change::None) };
            values = overlaid(record.values, &self.outcome.changes);
            version = stored.version;
        }
        Err(StoreError::contended().into())
    }
}

/// What is stored, with the changes of this request.
fn overlaid(mut values: Values, changes: &BTreeMap<String, Option<Value>>) -> Values {
    for (name, change) in changes {
        match change {
            Some(value) => values.insert(name.clone(), value.clone()),
            None => values.remove(name),
        };
    }
    values
}

fn open(keys: &Keys, shared: &Shared, sent: &str) -> Option<(Origin, Values)> {
    let record = Record::decode(&keys.open(&shared.context(), sent)?)?;
    let unused = age(record.written);
    if unused >= shared.idle || age(record.created) >= shared.lifetime {
        return None;
    }
    let expires_in = millis(shared.idle - unused);
    let origin = Origin { id: String::new(), version: 0, created: record.created, expires_in };
    Some((origin, record.values))
}

fn seal(
    keys: &Keys,
    shared: &Shared,
    origin: Option<&Origin>,
    outcome: Outcome,
) -> Result<Change, SaveError> {
    let created = match (origin, outcome.fate) {
        (Some(origin), Fate::Keep) if outcome.changes.is_empty() => {
            if !shared.is_worth_touching(origin.created, origin.expires_in) {
                return Ok(Change::None);
            }
            origin.created
        }
        (Some(origin), Fate::Keep | Fate::Rotate) => origin.created,
        (Some(_), Fate::End) if outcome.values.is_empty() => return Ok(Change::Remove),
        (None, _) if outcome.values.is_empty() => return Ok(Change::None),
        (_, _) => now(),
    };
    let data = Record { created, written: now(), values: outcome.values }.encode()?;
    let sealed = keys.seal(&shared.context(), &data).map_err(|_| SessionError::from(Kind::Random))?;
    Ok(Change::Set(sealed))
}
