//! What the router answers itself.

use std::rc::Rc;

use corelane_runtime::buf::LocalBoxFuture;
use http::{Method, StatusCode};

use super::guard::Guards;
use crate::handler::Endpoint;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// For a path that has routes, but none for the method: 405, or 204 for `OPTIONS`, both with `Allow`.
pub(super) struct MethodNotAllowed {
    allow: Allow,
    /// Answers in place of the 405.
    own: Option<Rc<dyn Endpoint>>,
}

/// Methods of a path.
pub(super) enum Allow {
    Always(String),
    /// Which they are depends on the request.
    Guarded(Vec<(Guards, Vec<Method>)>),
}

impl Allow {
    /// `sets` are the methods of a path with the guards they stand behind.
    pub(super) fn new(sets: Vec<(Guards, Vec<Method>)>) -> Allow {
        if sets.iter().all(|(guards, _)| guards.is_empty()) {
            let methods: Vec<Method> = sets.into_iter().flat_map(|(_, methods)| methods).collect();
            return Allow::Always(allow(&methods));
        }
        Allow::Guarded(sets)
    }

    fn of(&self, request: &Request) -> String {
        match self {
            Allow::Always(text) => text.clone(),
            Allow::Guarded(sets) => {
                let mut methods: Vec<Method> = Vec::new();
                for (_, set) in sets.iter().filter(|(guards, _)| guards.pass(request)) {
                    methods.extend(
                        set.iter().filter(|method| !methods.contains(method)).cloned().collect::<Vec<_>>(),
                    );
                }
                allow(&methods)
            }
        }
    }
}

impl MethodNotAllowed {
    pub(super) fn new(allow: Allow, own: Option<Rc<dyn Endpoint>>) -> MethodNotAllowed {
        MethodNotAllowed { allow, own }
    }
}

impl Endpoint for MethodNotAllowed {
    fn call(&self, request: Request) -> LocalBoxFuture<'static, Response> {
        let allow = self.allow.of(&request);
        if request.method() == Method::OPTIONS {
            return ready(with_allow(StatusCode::NO_CONTENT.into_response(), &allow));
        }
        if let Some(own) = &self.own {
            let answer = own.call(request);
            return LocalBoxFuture::new(async move { with_allow(answer.await, &allow) });
        }
        let detail = format!("This path answers {allow}.");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED).detail(detail);
        ready(with_allow(problem.into_response(), &allow))
    }
}

/// For a path without routes: 404. `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7): 204 with `Allow`.
pub(super) struct NotFound {
    allow: String,
    /// Answers in place of the 404.
    own: Option<Rc<dyn Endpoint>>,
}

impl NotFound {
    pub(super) fn new(methods: &[Method], own: Option<Rc<dyn Endpoint>>) -> NotFound {
        NotFound { allow: allow(methods), own }
    }
}

impl Endpoint for NotFound {
    fn call(&self, request: Request) -> LocalBoxFuture<'static, Response> {
        if request.method() == Method::OPTIONS && request.path() == "*" {
            return ready(with_allow(StatusCode::NO_CONTENT.into_response(), &self.allow));
        }
        if let Some(own) = &self.own {
            return own.call(request);
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
