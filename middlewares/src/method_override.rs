//! `PUT`, `PATCH` and `DELETE` for clients that can only `POST`.
//!
//! [`MethodOverride`] gives a hook for [`App::before`](corelane_http::app::App::before).
//!
//! ```
//! use corelane_http::{app::App, request::Request};
//! use corelane_middlewares::method_override::MethodOverride;
//!
//! # corelane_runtime::block_on(async {
//! let app = App::new()
//!     .delete("/notes/{id}", async || "deleted")
//!     .before(MethodOverride::by_header("x-http-method-override").hook());
//! let request = Request::builder("POST", "/notes/7").header("x-http-method-override", "DELETE").build();
//! assert_eq!(app.into_service().call(request).await.status(), 200);
//! # });
//! ```

use corelane_http::problem::Problem;
use corelane_http::request::Request;
use corelane_http::response::{IntoResponse, Response, StatusCode};
use http::Method;

/// Where the method stands. Only a `POST` is changed, and only to `PUT`, `PATCH` or `DELETE`: what is safe for caches and
/// other sites to send stays safe. Anything else there is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodOverride {
    header: Option<&'static str>,
    query: Option<&'static str>,
}

impl MethodOverride {
    /// In a field, which the forms of other sites cannot set.
    pub const fn by_header(name: &'static str) -> MethodOverride {
        MethodOverride { header: Some(name), query: None }
    }

    /// In a parameter of the query: `<form method="post" action="/notes/7?_method=DELETE">`. Forms of other sites can do
    /// that too, as they can `POST`: whatever guards the `POST`s has to run for the other methods as well.
    pub const fn by_query(name: &'static str) -> MethodOverride {
        MethodOverride { header: None, query: Some(name) }
    }

    /// What [`App::before`](corelane_http::app::App::before) takes.
    pub fn hook(self) -> impl Fn(&mut Request) -> Result<(), Response> + Clone + 'static {
        move |request| {
            if request.method() != Method::POST {
                return Ok(());
            }
            let Some(asked) = self.asked(request) else { return Ok(()) };
            let method = [Method::PUT, Method::PATCH, Method::DELETE]
                .into_iter()
                .find(|method| asked.eq_ignore_ascii_case(method.as_str()));
            let Some(method) = method else {
                let problem = Problem::new(StatusCode::BAD_REQUEST)
                    .detail("A POST can be made a PUT, a PATCH or a DELETE, and nothing else.");
                return Err(problem.into_response());
            };
            request.set_method(&method).map_err(IntoResponse::into_response)
        }
    }

    fn asked(self, request: &Request) -> Option<&str> {
        if let Some(name) = self.header {
            return request.header(name);
        }
        let name = self.query?;
        request
            .query()?
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }
}
