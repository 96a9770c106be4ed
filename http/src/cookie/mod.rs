//! Cookies (RFC 6265bis): read from the request, changed by handlers and layers, sent with the response.
//!
//! [`SetCookies`] is the layer, [`Cookies`] the extractor. The layer costs nothing where nobody asks for cookies:
//! the header is looked at when a handler takes [`Cookies`], and parsed at the first read. Changes are kept in the
//! request's jar and leave as `set-cookie` fields with whatever the handler answers, errors included; a jar that is returned by
//! the handler, as elsewhere, loses them when it is forgotten. Without the layer the extractor refuses (500, with the
//! reason in the log), rather than drop changes.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::cookie::{Cookie, CookieError, Cookies, SetCookies};
//! use corelane_http::request::Request;
//!
//! async fn theme(cookies: Cookies) -> Result<String, CookieError> {
//!     let before = cookies.get("theme").unwrap_or_default();
//!     cookies.add(Cookie::new("theme", "dark"))?;
//!     Ok(format!("was `{before}`"))
//! }
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().with(SetCookies::new()).get("/theme", theme).into_service();
//! let response = service.call(Request::builder("GET", "/theme").header("cookie", "theme=light").build()).await;
//! assert_eq!(
//!     response.headers().get("set-cookie"),
//!     Some("theme=dark; HttpOnly; SameSite=Lax; Secure; Path=/")
//! );
//! assert_eq!(response.into_body().bytes().await.unwrap(), "was `light`");
//! # });
//! ```
//!
//! # Defaults
//!
//! What a [`Cookie`] does not say is set to the safe side: `HttpOnly`, `Secure`, `SameSite=Lax`, `Path=/`. Say
//! `cookie.set_secure(false)` where that is wrong. Browsers take `Secure` cookies from `http://localhost` too.
//! The prefixes `__Host-` and `__Secure-` are checked: a cookie that a browser would refuse is an error here.
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | one `set-cookie` field | [`COOKIE_BYTES_MAX`] | [`CookieError::is_too_large`] |
//! | all of a response | [`CHANGES_MAX`], [`CHANGES_BYTES_MAX`] | [`CookieError::is_too_many`] |
//! | cookies of a request | [`COOKIES_MAX`], within the head's limit | the rest is ignored |
//!
//! [`Cookies::signed`] and [`Cookies::private`] are for values that a client must not change, or not read.

mod error;
mod jar;
mod keys;
mod parse;
mod seal;
#[cfg(test)]
mod tests;
mod write;

use std::cell::Cell;
use std::rc::Rc;

pub use ::cookie::{Cookie, SameSite, time};
pub use error::CookieError;
pub use keys::{KEYS_MAX, KeyError, Keys, SECRET_BYTES_MIN};
pub use parse::{COOKIES_MAX, cookies_of};
pub use seal::{Private, Signed, refused_count};
pub use write::{COOKIE_BYTES_MAX, set_cookie};

use crate::extract::FromRequest;
use crate::middleware::{Middleware, Next, lend};
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;
use jar::Jar;

/// `set-cookie` fields in one response at most. Browsers keep 50 for a site at least (RFC 6265bis §6.1), so more
/// would push out what is there.
pub const CHANGES_MAX: usize = 50;

/// Bytes of all `set-cookie` fields of one response at most (16 KiB): half of what its fields may take, and more than
/// a client could send back within the head's limit.
pub const CHANGES_BYTES_MAX: usize = 16 * 1024;

const _: () = assert!(CHANGES_BYTES_MAX < crate::response::HEADERS_BYTES_MAX, "other fields need room too");

thread_local! {
    /// What the layer around the handler that is being polled has: nothing until somebody asks.
    static CURRENT: Cell<Option<Option<Rc<Jar>>>> = const { Cell::new(None) };
}

/// The layer that sends the changes of [`Cookies`] with the response. See the [module](self).
///
/// Place it outside of every layer that changes cookies; usually it is among the first of the application.
/// A handler that panics sends no changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetCookies {
    _private: (),
}

impl SetCookies {
    /// The layer; it has no settings.
    pub const fn new() -> SetCookies {
        SetCookies { _private: () }
    }
}

impl Middleware for SetCookies {
    async fn handle(&self, request: Request, next: Next) -> Response {
        let (mut response, jar) = lend(&CURRENT, None, next.run(request)).await;
        let Some(jar) = jar else { return response };
        for line in jar.close() {
            if let Err(error) = response.headers_mut().append("set-cookie", &line) {
                // Half of the changes may be worse than none: an answer that says so is better than either.
                tracing::error!(%error, "the response has no room for its cookies");
                return Problem::internal().into_response();
            }
        }
        response
    }
}

/// The cookies of the request, and the changes to be sent with the response. Clones are the same jar.
#[derive(Clone)]
pub struct Cookies {
    jar: Rc<Jar>,
}

impl Cookies {
    /// The value of a cookie, percent-decoded, as the changes of this request have left it. Quotes around it are taken away.
    ///
    /// Of several with this name the first counts, which browsers make the one with the longest path.
    pub fn get(&self, name: &str) -> Option<String> {
        self.jar.get(name)
    }

    /// Name and value, not decoded, of each cookie that the client sent. Changes do not show.
    pub fn sent(&self) -> impl Iterator<Item = (&str, &str)> {
        self.jar.sent()
    }

    /// Sends a cookie, or what its builder has, with the response. What its value may not hold (RFC 6265 §4.1.1) is percent-encoded; what it
    /// does not say about itself gets the defaults of the [module](self#defaults).
    ///
    /// An earlier change of the same name, path and domain is replaced.
    ///
    /// # Errors
    /// The cookie breaks a rule, or a bound of the [module](self#bounds), or the response has left already.
    /// Nothing has changed then. [`CookieError`] is a response (500), so `?` does in a handler.
    pub fn add<'c>(&self, cookie: impl Into<Cookie<'c>>) -> Result<(), CookieError> {
        self.jar.add(cookie.into())
    }

    /// Tells the client to forget a cookie. It needs the path and the domain that the cookie was set with; `/` and none
    /// are the defaults, so a name will do: `cookies.remove("theme")`.
    ///
    /// # Errors
    /// As [`Cookies::add`].
    pub fn remove<'c>(&self, cookie: impl Into<Cookie<'c>>) -> Result<(), CookieError> {
        self.jar.remove(cookie.into())
    }

    /// Cookies that the client can read, and not change.
    ///
    /// ```
    /// use corelane_http::cookie::{Cookie, CookieError, Cookies, Keys};
    /// use corelane_http::extract::State;
    ///
    /// async fn remember(cookies: Cookies, State(keys): State<Keys>) -> Result<String, CookieError> {
    ///     let seen = cookies.signed(&keys).get("seen");
    ///     cookies.signed(&keys).add(Cookie::new("seen", "yes"))?;
    ///     Ok(format!("{seen:?}"))
    /// }
    /// ```
    pub fn signed<'a>(&'a self, keys: &'a Keys) -> Signed<'a> {
        Signed { jar: &self.jar, keys }
    }

    /// Cookies that the client can neither read nor change. They grow by about 60 bytes and a third.
    pub fn private<'a>(&'a self, keys: &'a Keys) -> Private<'a> {
        Private { jar: &self.jar, keys }
    }
}

impl std::fmt::Debug for Cookies {
    /// Shows no values: they may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.sent().map(|(name, _)| name)).finish()
    }
}

impl FromRequest for Cookies {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        let Some(found) = CURRENT.take() else {
            tracing::error!(
                route = request.route(),
                "a handler takes `Cookies`, and no layer sends them: add `.with(SetCookies::new())` around it"
            );
            return Err(Problem::internal());
        };
        let jar = found.unwrap_or_else(|| Rc::new(Jar::of(request)));
        CURRENT.set(Some(Some(Rc::clone(&jar))));
        Ok(Cookies { jar })
    }
}
