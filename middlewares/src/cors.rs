//! Cross-origin resource sharing: which other sites' scripts may read what is answered here
//! ([Fetch standard](https://fetch.spec.whatwg.org/#http-cors-protocol)).
//!
//! ```
//! use std::time::Duration;
//! use corelane_http::{app::App, request::Request};
//! use corelane_middlewares::cors::Cors;
//!
//! # corelane_runtime::block_on(async {
//! let cors = Cors::new()
//!     .origin("https://app.example")
//!     .origin_regex(r"https://[a-z0-9-]+\.preview\.example")
//!     .methods(["GET", "POST"])
//!     .headers(["content-type"])
//!     .credentials()
//!     .max_age(Duration::from_secs(3600));
//! let service = App::new().with(cors).get("/", async || "hello").into_service();
//! let request = Request::builder("GET", "/").header("origin", "https://pr-7.preview.example").build();
//! let response = service.call(request).await;
//! assert_eq!(response.headers().get("access-control-allow-origin"), Some("https://pr-7.preview.example"));
//! # });
//! ```
//!
//! # Where to put it
//!
//! Around the application or a group: preflights (`OPTIONS`) of every path in it are answered, before the handlers and the layers
//! inside. Around a single route it sees preflights only if the route has an `OPTIONS` handler:
//! `get(list).options(async || ()).with(cors)`. Put it outside of authentication: preflights carry no credentials.
//!
//! # What it is not
//!
//! It keeps scripts from reading, not requests from being sent. A request of an origin that is not allowed is
//! answered as ever, without the fields that would let its script see the answer; a preflight of one is 403.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use corelane_http::middleware::{Middleware, Next};
use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::{HeaderError, IntoResponse, Response, StatusCode};
use http::Method;
use regex_lite::Regex;

use crate::vary::vary;

/// Origins whose verdict is kept on a core. When there are more it begins anew.
const VERDICTS_MAX: usize = 256;

/// Longest origin that is looked at, in bytes: a host name has 253 at most.
const ORIGIN_BYTES_MAX: usize = 512;

/// How long a browser may keep a preflight's answer, unless said otherwise (10 minutes).
pub const MAX_AGE: Duration = Duration::from_secs(600);

/// The layer. Without further settings no origin is allowed.
#[must_use = "a layer does nothing until it is given to `App::with`"]
pub struct Cors {
    exact: Vec<String>,
    patterns: Vec<Regex>,
    any: bool,
    null: bool,
    credentials: bool,
    methods: String,
    headers: Headers,
    exposed: String,
    max_age: String,
    /// What the patterns say of origins met before.
    verdicts: RefCell<HashMap<Box<str>, bool>>,
}

enum Headers {
    Listed(String),
    Asked,
}

impl Cors {
    /// No origin; the methods `GET`, `HEAD` and `POST`; no fields beyond the safelisted; no credentials.
    pub fn new() -> Cors {
        Cors {
            exact: Vec::new(),
            patterns: Vec::new(),
            any: false,
            null: false,
            credentials: false,
            methods: "GET, HEAD, POST".to_owned(),
            headers: Headers::Listed(String::new()),
            exposed: String::new(),
            max_age: MAX_AGE.as_secs().to_string(),
            verdicts: RefCell::default(),
        }
    }

    /// Allows an origin as browsers send it: `https://app.example`, with a port if it is not the scheme's own.
    ///
    /// # Panics
    /// At the caller's line, if no browser sends such an origin: it has a path, a slash at the end, or upper case.
    #[track_caller]
    pub fn origin(mut self, origin: &str) -> Cors {
        let host = origin.split_once("://").map(|(_, host)| host);
        let valid =
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', ',', '*']));
        let sent_so = valid
            && origin.is_ascii()
            && !origin.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_control());
        assert!(
            sent_so,
            "{origin:?} is no origin as browsers send it: `https://app.example`, lower case, no path, no slash at the end"
        );
        self.exact.push(origin.to_owned());
        self
    }

    /// Allows the origins that a regular expression matches as a whole: it is anchored at both ends. Escape dots.
    ///
    /// # Panics
    /// At the caller's line, if it is no regular expression.
    #[track_caller]
    pub fn origin_regex(mut self, pattern: &str) -> Cors {
        match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(regex) => self.patterns.push(regex),
            Err(error) => panic!("{pattern:?} is no regular expression: {error}"),
        }
        self
    }

    /// Allows every origin: for public data.
    ///
    /// # Panics
    /// At the caller's line, together with [`Cors::credentials`]: the standard forbids it, as every site could act as the user.
    #[track_caller]
    pub fn any_origin(mut self) -> Cors {
        self.any = true;
        self.check();
        self
    }

    #[track_caller]
    fn check(&self) {
        assert!(
            !(self.any && self.credentials),
            "credentials go to origins that are named, not to any: use `origin` or `origin_regex`"
        );
    }

    /// Allows the origin `null`, which sandboxed frames, `data:` pages and files have, and which anyone can have who wants
    /// it. Never allowed otherwise, whatever an expression matches.
    pub fn null_origin(mut self) -> Cors {
        self.null = true;
        self
    }

    /// Lets scripts send cookies and other credentials, and read the answers.
    ///
    /// # Panics
    /// At the caller's line, together with [`Cors::any_origin`].
    #[track_caller]
    pub fn credentials(mut self) -> Cors {
        self.credentials = true;
        self.check();
        self
    }

    /// Methods that may be used (`GET`, `HEAD`, `POST`).
    ///
    /// # Panics
    /// At the caller's line, if one is no token.
    #[track_caller]
    pub fn methods<'a>(mut self, methods: impl IntoIterator<Item = &'a str>) -> Cors {
        self.methods = list(methods);
        self
    }

    /// Request fields that may be sent beyond the safelisted ones.
    ///
    /// # Panics
    /// At the caller's line, if one is no token.
    #[track_caller]
    pub fn headers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Cors {
        self.headers = Headers::Listed(list(names));
        self
    }

    /// Any request field may be sent.
    pub fn any_headers(mut self) -> Cors {
        self.headers = Headers::Asked;
        self
    }

    /// Response fields that scripts may read beyond the safelisted ones.
    ///
    /// # Panics
    /// At the caller's line, if one is no token.
    #[track_caller]
    pub fn expose<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Cors {
        self.exposed = list(names);
        self
    }

    /// How long a browser may keep a preflight's answer ([`MAX_AGE`]). Browsers have bounds of their own: 2 hours in Chromium.
    pub fn max_age(mut self, age: Duration) -> Cors {
        self.max_age = age.as_secs().to_string();
        self
    }

    /// The answer's `access-control-allow-origin` for this origin; `None` if it is not allowed.
    fn allowed<'a>(&self, origin: &'a str) -> Option<&'a str> {
        if self.any {
            return Some("*");
        }
        if origin == "null" {
            return self.null.then_some(origin);
        }
        if origin.len() > ORIGIN_BYTES_MAX {
            return None;
        }
        (self.exact.iter().any(|exact| exact == origin) || self.matches(origin)).then_some(origin)
    }

    fn matches(&self, origin: &str) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let mut verdicts = self.verdicts.borrow_mut();
        if let Some(verdict) = verdicts.get(origin) {
            return *verdict;
        }
        let verdict = self.patterns.iter().any(|pattern| pattern.is_match(origin));
        if verdicts.len() >= VERDICTS_MAX {
            verdicts.clear();
        }
        verdicts.insert(origin.into(), verdict);
        verdict
    }

    fn preflight(&self, request: &Request, origin: Option<&str>) -> Result<Response, HeaderError> {
        let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) else {
            let problem =
                Problem::new(StatusCode::FORBIDDEN).detail("This origin may not read what is answered here.");
            let mut response = problem.into_response();
            vary(&mut response, "origin")?;
            return Ok(response);
        };
        let mut response = StatusCode::NO_CONTENT.into_response();
        let fields = response.headers_mut();
        fields.insert("access-control-allow-origin", allowed)?;
        fields.insert("access-control-allow-methods", &self.methods)?;
        match &self.headers {
            Headers::Listed(names) if names.is_empty() => {}
            Headers::Listed(names) => fields.insert("access-control-allow-headers", names)?,
            Headers::Asked => {
                if let Some(asked) = request.header_bytes("access-control-request-headers") {
                    fields.insert("access-control-allow-headers", asked)?;
                }
            }
        }
        if self.credentials {
            fields.insert("access-control-allow-credentials", "true")?;
        }
        fields.insert("access-control-max-age", &self.max_age)?;
        fields.insert("vary", "origin, access-control-request-method, access-control-request-headers")?;
        Ok(response)
    }

    fn mark(&self, response: &mut Response, origin: Option<&str>) -> Result<(), HeaderError> {
        // Also without an origin: a cache must not hand this answer to a page that has one.
        if !self.any {
            vary(response, "origin")?;
        }
        let Some(origin) = origin else { return Ok(()) };
        let fields = response.headers_mut();
        let Some(allowed) = self.allowed(origin) else { return Ok(()) };
        fields.insert("access-control-allow-origin", allowed)?;
        if self.credentials {
            fields.insert("access-control-allow-credentials", "true")?;
        }
        if !self.exposed.is_empty() {
            fields.insert("access-control-expose-headers", &self.exposed)?;
        }
        Ok(())
    }
}

/// Names with commas between them.
#[track_caller]
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for name in names {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(token), "{name:?} is no name of a method or field");
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(name);
    }
    list
}

/// The request's origin; `None` if it has none, or several, which no browser sends.
fn origin_of(request: &Request) -> Option<String> {
    let mut fields = request.header_all("origin");
    let origin = fields.next().and_then(|value| std::str::from_utf8(value).ok())?;
    if fields.next().is_some() { None } else { Some(origin.to_owned()) }
}

impl Middleware for Cors {
    async fn handle(&self, request: Request, next: Next) -> Response {
        let origin = origin_of(&request);
        let is_preflight = request.method() == Method::OPTIONS
            && request.header_bytes("origin").is_some()
            && request.header_bytes("access-control-request-method").is_some();
        if is_preflight {
            return self.preflight(&request, origin.as_deref()).unwrap_or_else(IntoResponse::into_response);
        }
        let mut response = next.run(request).await;
        match self.mark(&mut response, origin.as_deref()) {
            Ok(()) => response,
            Err(error) => error.into_response(),
        }
    }
}

impl Default for Cors {
    fn default() -> Self {
        Cors::new()
    }
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors")
            .field("exact", &self.exact)
            .field("patterns", &self.patterns)
            .field("any", &self.any)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
