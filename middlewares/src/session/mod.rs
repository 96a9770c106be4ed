//! Sessions: what the server remembers of a client, from one request to the next.
//!
//! [`Sessions`] is the layer, [`Session`] the extractor. A route that does not take a [`Session`] pays nothing; one that
//! does loads it before the handler runs, and saves after it what has changed.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_middlewares::session::{MemoryStore, Session, SessionError, Sessions};
//!
//! async fn log_in(session: Session) -> Result<&'static str, SessionError> {
//!     session.log_in("ada")?;
//!     Ok("welcome")
//! }
//! async fn whoami(session: Session) -> Result<String, SessionError> {
//!     Ok(session.user::<String>()?.unwrap_or_else(|| "nobody".to_owned()))
//! }
//!
//! let store = MemoryStore::new();
//! let app = move || App::new().with(Sessions::new(store.clone())).post("/login", log_in).get("/whoami", whoami);
//! # let _ = app();
//! ```
//!
//! # What is promised
//!
//! - **Nothing is stored for a client that has no session** until a value is put in; nor is a cookie set.
//! - **An id that the server did not make is never taken over**: a client that brings an unknown one, or an expired one, gets a
//!   new one when something is put in. [`Session::log_in`] changes the id in any case, [`Session::rotate`] on demand.
//! - **Ids are 256 random bits**, and stores see their SHA-256 only.
//! - **A save that fails is not silent**: the client gets 503 in the place of the handler's answer. So does one whose session
//!   cannot be loaded.
//! - **Expiry is sliding and absolute**: a session ends [`IDLE`] after its last use and [`LIFETIME`] after its beginning, whichever
//!   comes first. Sliding is written down once in a tenth of the idle time, so that reading mostly writes nothing.
//!
//! # Requests of one session at the same time
//!
//! Changes are saved name by name: what different requests put under different names is all kept, under one name the last
//! to be saved wins. A request that finds that somebody has written meanwhile reads again, lays its changes over that, and tries
//! once more; after [`SAVE_ATTEMPTS`] it gives up with 503. A session that was ended meanwhile stays ended, and a request
//! still under way with an id that was rotated away saves nothing. When an id changes, what a request under way
//! writes under the old one at the same moment may be lost.
//!
//! # In a cookie
//!
//! [`Sessions::in_cookie`] keeps the whole session, encrypted, at the client: no store, at most [`COOKIE_DATA_BYTES_MAX`]
//! of values. What follows from that: the last response wins as a whole, a copied cookie works until it expires, and
//! logging out makes this client forget it, no other.

mod error;
mod handle;
mod memory;
mod place;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod store;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use corelane_http::cookie::{Cookie, CookieError, Keys, cookies_of, set_cookie, time};
use corelane_http::extract::FromRequest;
use corelane_http::middleware::{Middleware, Next, lend};
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::{IntoResponse, Response, StatusCode};

pub use error::SessionError;
pub use handle::Session;
pub use memory::{BYTES_PER_CORE, MemoryStats, MemoryStore, SESSIONS_PER_CORE};
#[cfg(feature = "redis")]
pub use redis::{REDIS_PREFIX, RedisStore};
pub use store::{Saved, SessionStore, StoreError, StoreKey, Stored};

use crate::vary::vary;
use handle::State;
use place::{Change, Place};

/// How long a session lives without being used, unless said otherwise (2 hours).
pub const IDLE: Duration = Duration::from_secs(2 * 3600);

/// How long a session lives in all, unless said otherwise (7 days).
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Bytes of values in one session at most, as JSON, unless said otherwise (64 KiB).
pub const SESSION_BYTES_MAX: usize = 64 * 1024;

/// Bytes of values at most where the session is the cookie: with encryption, encoding and attributes that makes the 4 KiB that
/// browsers keep.
pub const COOKIE_DATA_BYTES_MAX: usize = 2600;

/// How often a save is tried that finds that others have written.
pub const SAVE_ATTEMPTS: usize = 8;

/// The name of the cookie, unless said otherwise. The prefix has browsers refuse one that another host of the domain sets.
pub const COOKIE_NAME: &str = "__Host-session";

thread_local! {
    static CURRENT: Cell<Option<Slot>> = const { Cell::new(None) };
}

/// What the layer around the handler that is being polled has.
#[derive(Default)]
struct Slot {
    shared: Option<Rc<Shared>>,
    session: Option<Rc<State>>,
}

/// Settings and store of one layer.
struct Shared {
    place: Place,
    cookie: Cookie<'static>,
    persistent: bool,
    idle: Duration,
    lifetime: Duration,
    bytes_max: usize,
}

/// The layer that gives handlers their [`Session`]. See the [module](self).
#[must_use = "a layer does nothing until it is given to `App::with`"]
pub struct Sessions {
    shared: Rc<Shared>,
}

impl Sessions {
    /// Sessions kept in a store, the client having an id.
    pub fn new(store: impl SessionStore) -> Sessions {
        Sessions::at(Place::Store(Rc::new(store)), SESSION_BYTES_MAX)
    }

    /// Sessions kept by the client, encrypted. Keys are rotated as with [`Keys::also`].
    ///
    /// ```
    /// use corelane_http::cookie::Keys;
    /// use corelane_middlewares::session::Sessions;
    ///
    /// let keys = Keys::new("mMd0cYf9MbTz3dT8pfWzoLKYDbPc1Hf2").unwrap();
    /// let app = corelane_http::app::App::new().with(Sessions::in_cookie(keys));
    /// # let _ = app;
    /// ```
    pub fn in_cookie(keys: Keys) -> Sessions {
        Sessions::at(Place::Cookie(keys), COOKIE_DATA_BYTES_MAX)
    }

    fn at(place: Place, bytes_max: usize) -> Sessions {
        let cookie = Cookie::new(COOKIE_NAME, "");
        let (idle, lifetime) = (IDLE, LIFETIME);
        Sessions { shared: Rc::new(Shared { place, cookie, persistent: false, idle, lifetime, bytes_max }) }
    }

    fn set(mut self, change: impl FnOnce(&mut Shared)) -> Sessions {
        match Rc::get_mut(&mut self.shared) {
            Some(shared) => change(shared),
            None => unreachable!("shared once requests come, and settings are made before"),
        }
        self
    }

    /// How long a session lives without being used ([`IDLE`]).
    pub fn idle(self, idle: Duration) -> Sessions {
        self.set(|shared| shared.idle = idle)
    }

    /// How long a session lives in all ([`LIFETIME`]).
    pub fn lifetime(self, lifetime: Duration) -> Sessions {
        self.set(|shared| shared.lifetime = lifetime)
    }

    /// Bytes of values at most, as JSON ([`SESSION_BYTES_MAX`]; in a cookie [`COOKIE_DATA_BYTES_MAX`], which cannot be raised).
    pub fn bytes_max(self, bytes: usize) -> Sessions {
        self.set(|shared| {
            shared.bytes_max = match shared.place {
                Place::Store(_) => bytes,
                Place::Cookie(_) => bytes.min(COOKIE_DATA_BYTES_MAX),
            };
        })
    }

    /// The client keeps the cookie when it is closed, for as long as the session may live unused. By default it is
    /// forgotten then.
    pub fn persistent(self) -> Sessions {
        self.set(|shared| shared.persistent = true)
    }

    /// Name and attributes of the cookie ([`COOKIE_NAME`], with the defaults of [`cookie`](corelane_http::cookie)). Its value
    /// is not used, and its age follows from the settings here.
    ///
    /// # Panics
    /// At the caller's line, if it is no cookie that browsers take.
    #[track_caller]
    pub fn cookie(self, cookie: impl Into<Cookie<'static>>) -> Sessions {
        let cookie = cookie.into();
        if let Err(error) = set_cookie(cookie.clone()) {
            panic!("the cookie of the sessions: {error}");
        }
        self.set(|shared| shared.cookie = cookie)
    }
}

impl Shared {
    /// What the client sent under the cookie's name.
    fn sent(&self, request: &Request) -> Option<String> {
        cookies_of(request).find(|(name, _)| name == self.cookie.name()).map(|(_, value)| value)
    }

    fn cookie_with(&self, value: String) -> Result<String, CookieError> {
        let mut cookie = self.cookie.clone();
        cookie.set_value(value);
        if self.persistent {
            // Whole seconds, rounded up: an age of 0 would take the cookie away.
            let seconds = self.idle.min(self.lifetime).as_millis().div_ceil(1000);
            let age = time::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
            cookie.set_max_age(age);
        }
        set_cookie(cookie)
    }

    fn removal(&self) -> Result<String, CookieError> {
        let mut cookie = self.cookie.clone();
        cookie.make_removal();
        set_cookie(cookie)
    }

    async fn load(&self, request: &Request) -> Result<State, StoreError> {
        let loaded = match self.sent(request) {
            Some(sent) => self.place.load(self, &sent).await?,
            None => None,
        };
        Ok(match loaded {
            Some((origin, values)) => State::new(Some(origin), values, self.bytes_max),
            None => State::new(None, Default::default(), self.bytes_max),
        })
    }

    /// Saves what the handler has left, and tells the client.
    async fn finish(&self, state: &State, response: &mut Response) -> Result<(), Problem> {
        let change = self.place.save(self, state).await.map_err(Problem::from)?;
        let line = match change {
            Change::None => None,
            Change::Set(value) => Some(self.cookie_with(value)?),
            Change::Remove => Some(self.removal()?),
        };
        if let Some(line) = line {
            response.headers_mut().append("set-cookie", line)?;
        }
        vary(response, "cookie")?;
        Ok(())
    }
}

impl Middleware for Sessions {
    async fn handle(&self, request: Request, next: Next) -> Response {
        let slot = Slot { shared: Some(Rc::clone(&self.shared)), session: None };
        let (mut response, slot) = lend(&CURRENT, slot, next.run(request)).await;
        let Some(state) = slot.session else { return response };
        match self.shared.finish(&state, &mut response).await {
            Ok(()) => response,
            Err(problem) => problem.into_response(),
        }
    }
}

impl From<StoreError> for Problem {
    /// 503: the client may try again. The reason is logged and not told.
    fn from(error: StoreError) -> Problem {
        tracing::error!(error = &error as &dyn std::error::Error, "a session cannot be loaded or saved");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail("Sessions cannot be had at the moment. Try again.")
    }
}

impl IntoResponse for StoreError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// Reads the slot and puts it back.
fn current<R>(read: impl FnOnce(&mut Slot) -> R) -> Option<R> {
    let mut slot = CURRENT.take()?;
    let result = read(&mut slot);
    CURRENT.set(Some(slot));
    Some(result)
}

impl FromRequest for Session {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        let found = current(|slot| (slot.shared.clone(), slot.session.clone()));
        let shared = match found {
            Some((_, Some(state))) => return Ok(Session { state }),
            Some((Some(shared), None)) => shared,
            Some((None, None)) | None => {
                tracing::error!(
                    route = request.route(),
                    "a handler takes a `Session`, and no layer has any: add `.with(Sessions::new(store))` around it"
                );
                return Err(Problem::internal());
            }
        };
        let loaded = Rc::new(shared.load(request).await?);
        // Another extractor may have been quicker meanwhile: there is one session in a request.
        let state = current(|slot| Rc::clone(slot.session.get_or_insert(loaded)));
        state.map(|state| Session { state }).ok_or_else(Problem::internal)
    }
}
