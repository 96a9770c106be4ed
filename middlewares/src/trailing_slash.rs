//! Paths with and without a slash at their end, made one.
//!
//! The router takes `/users` and `/users/` for two paths. [`TrailingSlash`] gives a hook for
//! [`App::before`](corelane_http::app::App::before) that makes them one, by a redirect or without the client seeing it.
//!
//! ```
//! use corelane_http::{app::App, request::Request};
//! use corelane_middlewares::trailing_slash::TrailingSlash;
//!
//! # corelane_runtime::block_on(async {
//! let app = App::new().get("/users", async || "users").before(TrailingSlash::trim().redirect());
//! let response = app.into_service().call(Request::builder("GET", "/users/?page=2").build()).await;
//! assert_eq!(response.status(), 308);
//! assert_eq!(response.headers().get("location"), Some("/users?page=2"));
//! # });
//! ```

use corelane_http::request::Request;
use corelane_http::response::{IntoResponse, Response, StatusCode};

/// Which form counts. The root, `/`, stays as it is in either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailingSlash {
    append: bool,
}

impl TrailingSlash {
    /// Without: `/users/` becomes `/users`.
    pub const fn trim() -> TrailingSlash {
        TrailingSlash { append: false }
    }

    /// With: `/users` becomes `/users/`. Paths whose last part has a dot stay, as `/logo.svg` is a file.
    pub const fn append() -> TrailingSlash {
        TrailingSlash { append: true }
    }

    /// Sends clients to the form that counts: 308, which keeps the method and the body. Search engines learn of one address
    /// only.
    ///
    /// A path that begins with two slashes, or a slash and a backslash, is left alone: as a target of a redirect it
    /// would name another host.
    pub fn redirect(self) -> impl Fn(&mut Request) -> Result<(), Response> + Clone + 'static {
        move |request| {
            let Some(path) = self.other(request.path()) else { return Ok(()) };
            let location = match request.query() {
                Some(query) => format!("{path}?{query}"),
                None => path,
            };
            Err((StatusCode::PERMANENT_REDIRECT, [("location", location)], ()).into_response())
        }
    }

    /// Answers both alike, without telling the client.
    pub fn rewrite(self) -> impl Fn(&mut Request) -> Result<(), Response> + Clone + 'static {
        move |request| match self.other(request.path()) {
            Some(path) => request.set_path(&path).map_err(IntoResponse::into_response),
            None => Ok(()),
        }
    }

    /// The path in the form that counts, unless it has that already.
    fn other(self, path: &str) -> Option<String> {
        let bare = path.trim_end_matches('/');
        let names_a_host = path.as_bytes().get(1).is_some_and(|second| *second == b'/' || *second == b'\\');
        if bare.is_empty() || names_a_host || !path.starts_with('/') {
            return None;
        }
        if !self.append {
            return (bare.len() < path.len()).then(|| bare.to_owned());
        }
        let is_file = bare.rsplit('/').next().is_some_and(|last| last.contains('.'));
        (bare.len() == path.len() && !is_file).then(|| format!("{path}/"))
    }
}
