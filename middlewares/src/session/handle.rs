//! The session of a request, in the hands of its handler.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::SessionError;
use super::error::Kind;
use super::record::{Values, bytes_of};

/// The name that a logged-in user is kept under.
const USER: &str = "_user";

/// The session of a request: values by name, of any type that serde knows. Clones are the same session.
///
/// It is loaded when a handler takes it; reads and changes are local from then on, and what has changed is saved after the
/// handler, before the response leaves. A client that has no session gets one when the first value is put in, and
/// not before. See the [module](super).
///
/// Names that begin with an underscore are those of the framework.
///
/// ```
/// use corelane_middlewares::session::{Session, SessionError};
///
/// async fn count(session: Session) -> Result<String, SessionError> {
///     let seen: u32 = session.get("seen")?.unwrap_or(0);
///     session.insert("seen", seen + 1)?;
///     Ok(format!("seen {seen} times"))
/// }
/// # let _ = corelane_http::app::App::new().get("/", count);
/// ```
#[derive(Clone)]
pub struct Session {
    pub(super) state: Rc<State>,
}

pub(super) struct State {
    /// What the store has; `None` for a client without a session.
    pub(super) origin: Option<Origin>,
    values: RefCell<Values>,
    /// What this request has put in (`Some`) or taken out, by name.
    changes: RefCell<BTreeMap<String, Option<Value>>>,
    bytes: Cell<usize>,
    bytes_max: usize,
    fate: Cell<Fate>,
    closed: Cell<bool>,
}

/// Where a session came from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// Its id; empty if the session is the cookie itself.
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) created: u64,
    /// Milliseconds until it would expire.
    pub(super) expires_in: u64,
}

/// What becomes of a session after the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Kept under its id.
    Keep,
    /// Kept under a new id, if it is still there.
    Rotate,
    /// Kept under a new id in any case: somebody has proven who they are.
    LogIn,
    /// Ended.
    End,
}

/// What the layer has to save.
pub(super) struct Outcome {
    pub(super) fate: Fate,
    pub(super) values: Values,
    pub(super) changes: BTreeMap<String, Option<Value>>,
}

impl State {
    pub(super) fn new(origin: Option<Origin>, values: Values, bytes_max: usize) -> State {
        let bytes = values.iter().map(|(name, value)| bytes_of(name, value)).sum();
        State {
            origin,
            values: RefCell::new(values),
            changes: RefCell::default(),
            bytes: Cell::new(bytes),
            bytes_max,
            fate: Cell::new(Fate::Keep),
            closed: Cell::new(false),
        }
    }

    /// Ends the handler's part: changes fail from now on.
    pub(super) fn close(&self) -> Outcome {
        self.closed.set(true);
        Outcome { fate: self.fate.get(), values: self.values.take(), changes: self.changes.take() }
    }

    fn check_open(&self) -> Result<(), SessionError> {
        if self.closed.get() { Err(Kind::Closed.into()) } else { Ok(()) }
    }
}

fn check_name(name: &str) -> Result<(), SessionError> {
    if name.starts_with('_') { Err(Kind::Reserved.into()) } else { Ok(()) }
}

impl Session {
    /// The value of this name.
    ///
    /// # Errors
    /// What is there has another type ([`SessionError::is_wrong_type`]).
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SessionError> {
        let values = self.state.values.borrow();
        let value = values.get(name).map(T::deserialize).transpose();
        value.map_err(|source| Kind::Decode { name: name.to_owned(), source }.into())
    }

    /// Puts a value in, in the place of one that is there.
    ///
    /// # Errors
    /// The value is no JSON, the name is reserved, the session would be too large
    /// ([`SessionError::is_too_large`]), or the response has left. Nothing has changed then.
    pub fn insert(&self, name: &str, value: impl Serialize) -> Result<(), SessionError> {
        check_name(name)?;
        self.put(name, &value)
    }

    pub(crate) fn put(&self, name: &str, value: &impl Serialize) -> Result<(), SessionError> {
        self.state.check_open()?;
        let value = serde_json::to_value(value).map_err(Kind::Encode)?;
        let mut values = self.state.values.borrow_mut();
        let freed = values.get(name).map_or(0, |before| bytes_of(name, before));
        let bytes = self.state.bytes.get() - freed + bytes_of(name, &value);
        let bytes_max = self.state.bytes_max;
        if bytes > bytes_max {
            return Err(Kind::TooLarge { bytes, bytes_max }.into());
        }
        if values.get(name) != Some(&value) {
            self.state.bytes.set(bytes);
            self.state.changes.borrow_mut().insert(name.to_owned(), Some(value.clone()));
            values.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// Takes a value out; true if there was one.
    ///
    /// # Errors
    /// The name is reserved, or the response has left.
    pub fn remove(&self, name: &str) -> Result<bool, SessionError> {
        check_name(name)?;
        self.take(name)
    }

    pub(crate) fn take(&self, name: &str) -> Result<bool, SessionError> {
        self.state.check_open()?;
        let Some(before) = self.state.values.borrow_mut().remove(name) else { return Ok(false) };
        self.state.bytes.set(self.state.bytes.get() - bytes_of(name, &before));
        self.state.changes.borrow_mut().insert(name.to_owned(), None);
        Ok(true)
    }

    /// The names that have a value, in alphabetical order, reserved ones left out.
    pub fn names(&self) -> Vec<String> {
        self.all_names().filter(|name| !name.starts_with('_')).collect()
    }

    pub(crate) fn all_names(&self) -> impl Iterator<Item = String> {
        self.state.values.borrow().keys().cloned().collect::<Vec<_>>().into_iter()
    }

    /// True if the client came without a session, or with one that is gone.
    pub fn is_new(&self) -> bool {
        self.state.origin.is_none()
    }

    /// Gives the session a new id when it is saved; the old one is dead then. Do this whenever what the session may do changes.
    ///
    /// # Errors
    /// The response has left.
    pub fn rotate(&self) -> Result<(), SessionError> {
        self.state.check_open()?;
        if self.state.fate.get() == Fate::Keep {
            self.state.fate.set(Fate::Rotate);
        }
        Ok(())
    }

    /// Makes the session that of a user, under a new id: an id that somebody planted in the browser before gains nothing.
    /// `user` is an id, or what else tells who it is.
    ///
    /// What was in the session stays (the basket of a guest), unless it was another user's: then it is emptied first.
    ///
    /// # Errors
    /// As [`Session::insert`].
    pub fn log_in(&self, user: impl Serialize) -> Result<(), SessionError> {
        let user = serde_json::to_value(user).map_err(Kind::Encode)?;
        let before = self.state.values.borrow().get(USER).cloned();
        if before.is_some_and(|before| before != user) {
            self.all_names().try_for_each(|name| self.take(&name).map(|_| ()))?;
        }
        self.put(USER, &user)?;
        // One that was ended by this request gets a new id anyway, and nothing of it may come back.
        if self.state.fate.get() != Fate::End {
            self.state.fate.set(Fate::LogIn);
        }
        Ok(())
    }

    /// Who has logged in.
    ///
    /// # Errors
    /// As [`Session::get`].
    pub fn user<T: DeserializeOwned>(&self) -> Result<Option<T>, SessionError> {
        self.get(USER)
    }

    /// Ends the session: it is empty from now on, deleted from the store, and the client forgets its cookie. What is put in
    /// afterwards, in the same request, begins a new one.
    ///
    /// # Errors
    /// The response has left.
    pub fn log_out(&self) -> Result<(), SessionError> {
        self.state.check_open()?;
        self.state.values.borrow_mut().clear();
        self.state.changes.borrow_mut().clear();
        self.state.bytes.set(0);
        self.state.fate.set(Fate::End);
        Ok(())
    }
}

impl fmt::Debug for Session {
    /// Shows no values and no id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("names", &self.names()).finish_non_exhaustive()
    }
}
