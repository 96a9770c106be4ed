//! The parameters of a path, as values.

mod de;
mod value;

use std::fmt;
use std::ops::Deref;

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::FromRequest;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// The parameters of the route's template: one value, a tuple in their order, or a struct with their names.
///
/// Values are percent-decoded and have to be UTF-8. Numbers are digits with at most a minus sign; nothing is
/// allocated for them. What does not fit is answered with 400 and a problem that names the parameter and what was
/// expected; a type that does not fit the template (two values for one parameter) is a mistake of the program: 500, with
/// the reason in the log.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::Path;
///
/// #[derive(serde::Deserialize)]
/// struct Version {
///     name: String,
///     major: u32,
/// }
///
/// async fn one(Path(id): Path<u64>) -> String {
///     format!("{id}")
/// }
///
/// async fn two(Path((from, to)): Path<(String, String)>) -> String {
///     format!("{from} to {to}")
/// }
///
/// async fn named(Path(version): Path<Version>) -> String {
///     format!("{} {}", version.name, version.major)
/// }
///
/// let app = App::new()
///     .get("/users/{id}", one)
///     .get("/routes/{from}/{to}", two)
///     .get("/packages/{name}/{major}", named);
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T> Deref for Path<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Path<T> {
    type Rejection = PathRejection;

    async fn from_request(request: &mut Request) -> Result<Self, PathRejection> {
        T::deserialize(de::Params(request.params())).map(Path)
    }
}

/// Why the parameters of a path are not what the handler takes.
#[derive(Debug, PartialEq, Eq)]
pub struct PathRejection {
    /// Name of the parameter, if it is about one. Boxed with the rest: rejections are rare, and results large
    /// enough.
    inner: Box<Inner>,
}

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    parameter: Option<Box<str>>,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// The value is not of the kind that is named.
    Expected(&'static str),
    /// What the type's own `Deserialize` says.
    Refused(Box<str>),
    /// The type takes another number of parameters than the template has.
    Count { wanted: usize, there: usize },
    /// The type wants a parameter that the template does not have.
    Missing(&'static str),
    /// The type is none that a path can hold.
    Unsupported(&'static str),
}

impl PathRejection {
    #[cold]
    fn new(kind: Kind) -> PathRejection {
        PathRejection { inner: Box::new(Inner { parameter: None, kind }) }
    }

    /// The same about this parameter, unless it is about one already.
    #[cold]
    fn of(mut self, parameter: &str) -> PathRejection {
        self.inner.parameter.get_or_insert_with(|| parameter.into());
        self
    }

    /// Name of the parameter whose value does not fit.
    pub fn parameter(&self) -> Option<&str> {
        self.inner.parameter.as_deref()
    }

    /// True if the path could never fit: the handler's type and the route's template contradict each other.
    pub fn is_mistake_of_program(&self) -> bool {
        matches!(self.inner.kind, Kind::Count { .. } | Kind::Missing(_) | Kind::Unsupported(_))
    }
}

impl fmt::Display for PathRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameter = self.parameter().unwrap_or("?");
        match &self.inner.kind {
            Kind::Expected(what) => write!(f, "the path parameter `{parameter}` is not {what}"),
            Kind::Refused(reason) => write!(f, "the path parameter `{parameter}` does not fit: {reason}"),
            Kind::Count { wanted, there } => {
                write!(f, "the handler takes {wanted} path parameters, the route's template has {there}")
            }
            Kind::Missing(name) => {
                write!(f, "the handler takes a path parameter `{name}`, the route's template has none")
            }
            Kind::Unsupported(what) => write!(f, "a path parameter cannot be read as {what}"),
        }
    }
}

impl std::error::Error for PathRejection {}

impl IntoResponse for PathRejection {
    fn into_response(self) -> Response {
        if self.is_mistake_of_program() {
            tracing::error!(error = %self, "a `Path` extractor does not fit its route");
            return Problem::internal().into_response();
        }
        let mut detail = format!("{self}.");
        detail[..1].make_ascii_uppercase();
        let mut problem = Problem::new(StatusCode::BAD_REQUEST).detail(detail);
        if let Some(parameter) = self.parameter() {
            problem = problem.with("parameter", parameter);
        }
        if let Kind::Expected(what) = self.inner.kind {
            problem = problem.with("expected", what);
        }
        problem.into_response()
    }
}
