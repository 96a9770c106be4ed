//! Guards: conditions beside method and path. Several routes on one path are told apart by them.
//!
//! Routes of a path that have guards are tried first, in the order of registration; the first whose guards all pass, and
//! that has the method, answers. Then come the routes without guards. If no guard passes and there are no others, the
//! path counts as one without these routes: a less specific template may match, or the answer is 404.
//!
//! A guard decides which route a request is for, not what a client may do: answer 403 from a layer for that.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::request::Request;
//! use corelane_http::router::{get, guard};
//!
//! let app = App::new()
//!     .route("/users", get(async || "second version").guard(guard::header("x-api-version", "2")))
//!     .route("/users", get(async || "with a query").guard(|request: &Request| request.query().is_some()))
//!     .route("/users", get(async || "first version"));
//! # corelane_runtime::block_on(async {
//! let service = app.into_service();
//! let response = service.call(Request::builder("GET", "/users").header("x-api-version", "2").build()).await;
//! assert_eq!(response.into_body().bytes().await.unwrap(), "second version");
//! # });
//! ```

use std::rc::Rc;

use super::host::{HostPattern, without_port};
use crate::request::Request;

/// A condition on a request. Any `Fn(&Request) -> bool` is one: write the type of the argument, `|request: &Request|`.
///
/// It runs where routes are looked for, possibly twice for one request, so it is to be short and to always say the same.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a guard",
    label = "neither made by `guard::host` or `guard::header` nor a `Fn(&Request) -> bool`",
    note = "write `|request: &Request| ..`"
)]
pub trait Guard: 'static {
    /// True if the route may answer the request.
    fn passes(&self, request: &Request) -> bool;

    /// What the list of routes says of it. Two routes whose guards say the same are the same route, which is an error at start;
    /// guards that say nothing are never taken for the same.
    fn label(&self) -> Option<String> {
        None
    }
}

impl<F: Fn(&Request) -> bool + 'static> Guard for F {
    fn passes(&self, request: &Request) -> bool {
        self(request)
    }
}

/// Passes requests for this host: `api.example.com`, or `*.example.com` for every name below that. The port does not matter.
///
/// For many routes of one host use [`App::host`](crate::app::App::host).
///
/// # Panics
/// At the caller's line, if it is no host.
#[track_caller]
pub fn host(pattern: &str) -> impl Guard {
    match HostPattern::parse(pattern) {
        Ok(pattern) => HostGuard(pattern),
        Err(reason) => panic!("`{pattern}` is not a host: {reason}"),
    }
}

struct HostGuard(HostPattern);

impl Guard for HostGuard {
    fn passes(&self, request: &Request) -> bool {
        self.0.matches(without_port(request.host()))
    }

    fn label(&self) -> Option<String> {
        Some(format!("host {}", self.0))
    }
}

/// Passes requests that have a field of this name (any case) with exactly this value.
pub fn header(name: &str, value: &str) -> impl Guard {
    HeaderGuard { name: name.to_ascii_lowercase(), value: value.to_owned() }
}

struct HeaderGuard {
    name: String,
    value: String,
}

impl Guard for HeaderGuard {
    fn passes(&self, request: &Request) -> bool {
        request.header_all(&self.name).any(|value| value == self.value.as_bytes())
    }

    fn label(&self) -> Option<String> {
        Some(format!("{}: {}", self.name, self.value))
    }
}

/// All guards of a route.
#[derive(Clone, Default)]
pub(super) struct Guards(Vec<Rc<dyn Guard>>);

impl Guards {
    pub(super) fn push(&mut self, guard: impl Guard) {
        self.0.push(Rc::new(guard));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn pass(&self, request: &Request) -> bool {
        self.0.iter().all(|guard| guard.passes(request))
    }

    pub(super) fn labels(&self) -> Vec<String> {
        self.0.iter().map(|guard| guard.label().unwrap_or_else(|| "custom".to_owned())).collect()
    }

    /// True if both let the same requests pass, as far as can be told.
    pub(super) fn same(&self, other: &Guards) -> bool {
        let told = |guards: &Guards| {
            let mut labels = guards.0.iter().map(|guard| guard.label()).collect::<Option<Vec<_>>>()?;
            labels.sort_unstable();
            labels.dedup();
            Some(labels)
        };
        matches!((told(self), told(other)), (Some(one), Some(two)) if one == two)
    }
}
