//! Routes: what answers which method on which path.
//!
//! Templates are made of segments: text, `{name}` for one segment that is not empty, `{name:regex}` for one that all of a
//! regular expression matches, and `{*rest}` for all that is left of a path. Segment by segment text wins over
//! patterns, patterns over `{name}`, `{name}` over `{*rest}`, whatever the order of registration; of several patterns in
//! one place the first registered is tried first. Patterns see the segment decoded.
//! `/users` and `/users/` are two paths. Paths are matched as they were sent, so `%2F` separates nothing;
//! text that has to be percent-encoded is encoded when the route is registered, in upper case as clients do.
//!
//! On a path that has routes, but none for the method, the answer is 405 with `Allow`; `HEAD` is answered by the route
//! of `GET` without its body, `OPTIONS` by 204 with `Allow`, unless there are routes of their own.
//!
//! [`guard`] tells routes of one path apart by more than the method, [`Named`] makes paths from names, [`RouteList`] tells
//! what is registered.
//!
//! Mistakes (a route twice, a template that is none) panic at the line that registers the route.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::extract::Path;
//! use corelane_http::request::Request;
//! use corelane_http::router::{get, post};
//!
//! async fn read(Path(id): Path<u64>) -> String {
//!     format!("note {id}")
//! }
//!
//! async fn write(Path(_): Path<u64>) {}
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().route("/notes/{id}", get(read).put(write)).into_service();
//! let response = service.call(Request::builder("DELETE", "/notes/7").build()).await;
//! assert_eq!(response.status(), 405);
//! assert_eq!(response.headers().get("allow"), Some("GET, HEAD, PUT, OPTIONS"));
//! # });
//! # let _ = post(read);
//! ```

mod automatic;
mod build;
mod fallback;
pub mod guard;
mod host;
mod info;
mod methods;
mod named;
mod pattern;
mod registry;
mod scope;
mod shape;
mod table;
mod template;
mod tree;

use std::rc::Rc;

use corelane_runtime::observe;

use crate::extract::States;
use crate::handler::Endpoint;

pub use guard::Guard;
pub use info::{RouteInfo, RouteList};
pub use methods::{MethodRouter, any, delete, get, head, on, options, patch, post, put};

pub use named::{Name, Named, RouteName, UrlError, UrlFor};

pub(crate) use fallback::Fallback;
pub(crate) use info::Metas;
pub(crate) use registry::Registry;
pub(crate) use scope::ScopeId;
pub(crate) use table::Routes;

/// What a request was routed to.
pub(crate) struct Route {
    /// `None` for what answers paths without routes.
    template: Option<Box<str>>,
    /// Names of the template's parameters, in order.
    names: Rc<[Box<str>]>,
    /// Longest body, in bytes; `None` leaves the server's limit.
    body_limit: Option<u64>,
    metas: Rc<Metas>,
    states: Rc<States>,
    /// What samples, allocations and stalls are filed under.
    observed: observe::Route,
    endpoint: Rc<dyn Endpoint>,
}

impl Route {
    pub(crate) fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }

    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    pub(crate) fn body_limit(&self) -> Option<u64> {
        self.body_limit
    }

    pub(crate) fn meta(&self) -> &Metas {
        &self.metas
    }

    pub(crate) fn states(&self) -> &States {
        &self.states
    }

    pub(crate) fn observed(&self) -> observe::Route {
        self.observed
    }

    pub(crate) fn endpoint(&self) -> &dyn Endpoint {
        &*self.endpoint
    }
}
