//! Cookies that a client cannot change.

use std::cell::Cell;

use ::cookie::Cookie;

use super::jar::Jar;
use super::parse::decoded;
use super::{CookieError, Keys};

thread_local! {
    static REFUSED: Cell<u64> = const { Cell::new(0) };
}

/// Signed and private cookies that were not taken on this core, because they were changed, belong to another name, or were
/// made with a key that is gone. Each is a line of the log too, at the level of information.
pub fn refused_count() -> u64 {
    REFUSED.get()
}

fn refuse(name: &str) {
    REFUSED.set(REFUSED.get() + 1);
    // The value is not shown: it may have been a valid one of another application.
    tracing::info!(cookie = ?name, "a cookie was refused: changed, or made with a key that is gone");
}

/// The first cookie of this name that `open` takes. Another one of the name, which a neighbouring domain can set, does not
/// hide it.
fn find(jar: &Jar, name: &str, open: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut refused = false;
    for (_, value) in jar.sent().filter(|(found, _)| *found == name).take(TRIED_MAX) {
        match open(value) {
            Some(opened) => return Some(opened),
            None => refused = true,
        }
    }
    if refused {
        refuse(name);
    }
    None
}

/// Cookies of one name that are tried: a client cannot have hundreds decrypted.
const TRIED_MAX: usize = 4;

/// Signed cookies: `value.signature`, HMAC-SHA-256 over name and value. From [`Cookies::signed`](super::Cookies::signed).
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    pub(super) jar: &'a Jar,
    pub(super) keys: &'a Keys,
}

impl Signed<'_> {
    /// The value, if one of the keys has signed it. What was tampered with counts as absent; see [`refused_count`].
    pub fn get(&self, name: &str) -> Option<String> {
        match self.jar.changed(name) {
            Some(changed) => self.keys.verify(name, &changed?).map(str::to_owned),
            None => find(self.jar, name, |sent| self.keys.verify(name, &decoded(sent)).map(str::to_owned)),
        }
    }

    /// As [`Cookies::add`](super::Cookies::add), with a signature.
    ///
    /// # Errors
    /// As there.
    pub fn add<'c>(&self, cookie: impl Into<Cookie<'c>>) -> Result<(), CookieError> {
        let mut cookie = cookie.into();
        let signed = self.keys.sign(cookie.name(), cookie.value());
        cookie.set_value(signed);
        self.jar.add(cookie)
    }
}

/// Encrypted cookies, authenticated together with their name. From [`Cookies::private`](super::Cookies::private).
#[derive(Clone, Copy)]
pub struct Private<'a> {
    pub(super) jar: &'a Jar,
    pub(super) keys: &'a Keys,
}

impl Private<'_> {
    /// The value, if one of the keys has encrypted it. What was tampered with counts as absent; see [`refused_count`].
    pub fn get(&self, name: &str) -> Option<String> {
        let open = |sealed: &str| String::from_utf8(self.keys.open(name, sealed)?).ok();
        match self.jar.changed(name) {
            Some(changed) => open(&changed?),
            None => find(self.jar, name, open),
        }
    }

    /// As [`Cookies::add`](super::Cookies::add), encrypted.
    ///
    /// # Errors
    /// As there; and the system may give no random numbers.
    pub fn add<'c>(&self, cookie: impl Into<Cookie<'c>>) -> Result<(), CookieError> {
        let mut cookie = cookie.into();
        let sealed = self.keys.seal(cookie.name(), cookie.value().as_bytes())?;
        cookie.set_value(sealed);
        self.jar.add(cookie)
    }
}
