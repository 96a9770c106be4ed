//! Basic authentication (RFC 7617).
//!
//! Name and password cross the network with each request, as good as readable: only with TLS in front.
//!
//! ```
//! use corelane_http::extract::Extension;
//! use corelane_http::{app::App, request::Request};
//! use corelane_middlewares::basic_auth::{BasicAuth, Credentials, User};
//!
//! async fn verify(given: Credentials) -> bool {
//!     given.is("ada", "correct horse") // or ask a database, and hash on the blocking pool
//! }
//! async fn admin(Extension(user): Extension<User>) -> String {
//!     format!("Hello, {user}")
//! }
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().with(BasicAuth::new("admin", verify)).get("/", admin).into_service();
//! let response = service.call(Request::builder("GET", "/").build()).await;
//! assert_eq!(response.status(), 401);
//! assert_eq!(response.headers().get("www-authenticate"), Some("Basic realm=\"admin\", charset=\"UTF-8\""));
//! let request = Request::builder("GET", "/").header("authorization", "Basic YWRhOmNvcnJlY3QgaG9yc2U=").build();
//! assert_eq!(service.call(request).await.status(), 200);
//! # });
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corelane_http::middleware::{Middleware, Next};
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::{IntoResponse, Response, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes of name and password together that are looked at. More is refused before anything is decoded or hashed.
pub const CREDENTIALS_BYTES_MAX: usize = 1024;

/// What a client gave. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    name: String,
    password: String,
}

impl Credentials {
    /// The name. It has no colon and no control character.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The password, in plain. Keep it out of logs.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Compares with a name and a password, both in any case and in the same time wherever they differ.
    pub fn is(&self, name: &str, password: &str) -> bool {
        (same(&self.name, name) & same(&self.password, password)).into()
    }

    /// From the value of the field; `None` if it is of another scheme or malformed.
    fn parse(value: &str) -> Option<Credentials> {
        let (scheme, encoded) = value.split_once(' ')?;
        let encoded = encoded.trim_start_matches(' ');
        if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > CREDENTIALS_BYTES_MAX.div_ceil(3) * 4 {
            return None;
        }
        let plain = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (name, password) = plain.split_once(':')?;
        if plain.chars().any(char::is_control) {
            return None;
        }
        Some(Credentials { name: name.to_owned(), password: password.to_owned() })
    }
}

/// Hashes of both are compared, so that the time tells neither the length nor where they differ.
fn same(given: &str, wanted: &str) -> subtle::Choice {
    Sha256::digest(given).ct_eq(&Sha256::digest(wanted))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who was let in: an extension of the request, `Extension<User>` in a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User(Box<str>);

impl User {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets in who `verify` takes; answers others with 401 and a challenge. No field, several, or a malformed one count as wrong.
pub struct BasicAuth<V> {
    challenge: String,
    verify: V,
}

impl<V: AsyncFn(Credentials) -> bool + 'static> BasicAuth<V> {
    /// `realm` is what the browser shows; quotes and backslashes in it are escaped.
    ///
    /// `verify` says whether to let in. It decides how passwords are compared and how often one may try: use
    /// [`Credentials::is`] for fixed ones, a password hash on the [blocking pool](corelane_runtime::blocking) for stored ones.
    ///
    /// # Panics
    /// At the caller's line, if the realm holds a control character, which no field can.
    #[track_caller]
    pub fn new(realm: &str, verify: V) -> BasicAuth<V> {
        assert!(!realm.chars().any(char::is_control), "the realm {realm:?} holds a control character");
        let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
        BasicAuth { challenge: format!("Basic realm=\"{realm}\", charset=\"UTF-8\""), verify }
    }

    fn refuse(&self) -> Response {
        let problem = Problem::new(StatusCode::UNAUTHORIZED)
            .detail("A name and a password are needed, and were not given or not right.");
        let mut response = problem.into_response();
        match response.headers_mut().insert("www-authenticate", &self.challenge) {
            Ok(()) => response,
            Err(error) => error.into_response(),
        }
    }
}

impl<V: AsyncFn(Credentials) -> bool + 'static> Middleware for BasicAuth<V> {
    async fn handle(&self, mut request: Request, next: Next) -> Response {
        let mut fields = request.header_all("authorization");
        let given = match (fields.next(), fields.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok().and_then(Credentials::parse),
            _ => None,
        };
        drop(fields);
        let Some(given) = given else { return self.refuse() };
        let user = User(given.name.as_str().into());
        if !(self.verify)(given).await {
            return self.refuse();
        }
        request.extensions_mut().insert(user);
        next.run(request).await
    }
}

impl<V> fmt::Debug for BasicAuth<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}
