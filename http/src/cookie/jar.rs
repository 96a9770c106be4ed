//! What a request brought and what its response takes along.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;

use ::cookie::Cookie;

use super::error::Kind;
use super::parse::{decoded, joined, pairs};
use super::write::set_cookie;
use super::{CHANGES_BYTES_MAX, CHANGES_MAX, CookieError};
use crate::request::Request;

pub(super) struct Jar {
    /// The `Cookie` fields, copied: the request is gone before the handler runs.
    text: String,
    /// Where the cookies stand in `text`, once somebody has asked.
    pairs: OnceCell<Vec<(Range<usize>, Range<usize>)>>,
    changes: RefCell<Vec<Change>>,
    /// True once the changes have left.
    closed: Cell<bool>,
}

struct Change {
    name: String,
    path: Option<String>,
    domain: Option<String>,
    /// The value before it was encoded; `None` if the cookie is taken away.
    value: Option<String>,
    line: String,
}

impl Jar {
    pub(super) fn of(request: &Request) -> Jar {
        Jar {
            text: joined(request),
            pairs: OnceCell::new(),
            changes: RefCell::default(),
            closed: Cell::new(false),
        }
    }

    pub(super) fn sent(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.pairs.get_or_init(|| pairs(&self.text));
        pairs.iter().map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.changed(name).unwrap_or_else(|| {
            let (_, value) = self.sent().find(|(found, _)| *found == name)?;
            Some(decoded(value))
        })
    }

    /// The value that a change of this request has given the cookie: `Some(None)` if it was taken away.
    pub(super) fn changed(&self, name: &str) -> Option<Option<String>> {
        let changes = self.changes.borrow();
        changes.iter().rev().find(|change| change.name == name).map(|change| change.value.clone())
    }

    pub(super) fn add(&self, cookie: Cookie<'_>) -> Result<(), CookieError> {
        let value = Some(cookie.value().to_owned());
        self.change(cookie, value)
    }

    pub(super) fn remove(&self, mut cookie: Cookie<'_>) -> Result<(), CookieError> {
        cookie.make_removal();
        self.change(cookie, None)
    }

    fn change(&self, cookie: Cookie<'_>, value: Option<String>) -> Result<(), CookieError> {
        if self.closed.get() {
            return Err(Kind::Sent.into());
        }
        let name = cookie.name().to_owned();
        let path = cookie.path().map(str::to_owned);
        let domain = cookie.domain().map(str::to_owned);
        let line = set_cookie(cookie)?;
        let mut changes = self.changes.borrow_mut();
        let same = |change: &Change| change.name == name && change.path == path && change.domain == domain;
        let before = changes.iter().position(same);
        let kept = changes.iter().filter(|change| !same(change));
        let (count, bytes) =
            kept.fold((1, line.len()), |(count, bytes), change| (count + 1, bytes + change.line.len()));
        if count > CHANGES_MAX || bytes > CHANGES_BYTES_MAX {
            return Err(Kind::TooMany.into());
        }
        if let Some(before) = before {
            changes.remove(before);
        }
        changes.push(Change { name, path, domain, value, line });
        Ok(())
    }

    /// The fields to send. Nothing can be changed from now on.
    pub(super) fn close(&self) -> impl Iterator<Item = String> {
        self.closed.set(true);
        self.changes.take().into_iter().map(|change| change.line)
    }
}
