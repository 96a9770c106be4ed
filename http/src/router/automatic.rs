//! What the router answers itself.

use corelane_runtime::buf::LocalBoxFuture;
use http::{Method, StatusCode};

use crate::handler::Endpoint;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// For a path that has routes, but none for the method: 405, or 204 for `OPTIONS`, both with `Allow`.
pub(super) struct MethodNotAllowed {
    allow: String,
}

impl MethodNotAllowed {
    pub(super) fn new(methods: &[Method]) -> MethodNotAllowed {
        MethodNotAllowed { allow: allow(methods) }
    }
}

impl Endpoint for MethodNotAllowed {
    fn call(&self, request: Request) -> LocalBoxFuture<'static, Response> {
        let response = if request.method() == Method::OPTIONS {
            StatusCode::NO_CONTENT.into_response()
        } else {
            let detail = format!("This path answers {}.", self.allow);
            Problem::new(StatusCode::METHOD_NOT_ALLOWED).detail(detail).into_response()
        };
        ready(with_allow(response, &self.allow))
    }
}

/// For a path without routes: 404. `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7): 204 with `Allow`.
pub(super) struct NotFound {
    allow: String,
}

impl NotFound {
    pub(super) fn new(methods: &[Method]) -> NotFound {
        NotFound { allow: allow(methods) }
    }
}

impl Endpoint for NotFound {
    fn call(&self, request: Request) -> LocalBoxFuture<'static, Response> {
        if request.method() == Method::OPTIONS && request.path() == "*" {
            return ready(with_allow(StatusCode::NO_CONTENT.into_response(), &self.allow));
        }
        // The path is not repeated in the answer: it is the client's text, and it knows it.
        ready(Problem::new(StatusCode::NOT_FOUND).detail("There is nothing at this path.").into_response())
    }
}

fn ready(response: Response) -> LocalBoxFuture<'static, Response> {
    LocalBoxFuture::new(std::future::ready(response))
}

fn with_allow(mut response: Response, allow: &str) -> Response {
    let set = response.headers_mut().insert("allow", allow);
    debug_assert!(set.is_ok(), "methods are tokens");
    response
}

/// `GET, HEAD, PUT, OPTIONS`: the methods in order of registration, with those that come by themselves.
fn allow(methods: &[Method]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for method in methods {
        names.push(method.as_str());
        if *method == Method::GET && !methods.contains(&Method::HEAD) {
            names.push("HEAD");
        }
    }
    if !methods.contains(&Method::OPTIONS) {
        names.push("OPTIONS");
    }
    names.join(", ")
}
