//! Named routes, and paths made from their names.

use std::any::type_name;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::shape::Shape;
use super::template::{Segment, Template};
use crate::extract::{FromRequest, States};
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// The name of a route whose parameters are a `P`: what [`Path<P>`](crate::extract::Path) would take. A value, a tuple in
/// the order of the template, or a struct with its names; `()` for none.
///
/// A constant, given to [`MethodRouter::name`](super::MethodRouter::name), which checks it against the template when the
/// application is built, and to [`UrlFor::to`], where a missing parameter does not compile.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::Path;
/// use corelane_http::request::Request;
/// use corelane_http::response::Response;
/// use corelane_http::router::{Named, UrlError, UrlFor, get};
///
/// const POST: Named<(String, u64)> = Named::new("post");
///
/// async fn post(Path((user, id)): Path<(String, u64)>) -> String {
///     format!("post {id} of {user}")
/// }
///
/// async fn index(urls: UrlFor) -> Result<String, UrlError> {
///     urls.to(POST, ("ada lovelace".to_owned(), 7))
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().get("/", index).route("/{user}/posts/{id}", get(post).name(POST)).into_service();
/// let response = service.call(Request::builder("GET", "/").build()).await;
/// assert_eq!(response.into_body().bytes().await.unwrap(), "/ada%20lovelace/posts/7");
/// # });
/// ```
pub struct Named<P> {
    name: &'static str,
    params: PhantomData<fn(P)>,
}

impl<P> Named<P> {
    /// A name. It is that of a route once one is registered with it.
    pub const fn new(name: &'static str) -> Named<P> {
        Named { name, params: PhantomData }
    }

    /// The name.
    pub const fn as_str(&self) -> &'static str {
        self.name
    }
}

impl<P> Clone for Named<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Named<P> {}

impl<P> fmt::Debug for Named<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&self.name).finish()
    }
}

/// What a route can be named with: a [`Named`], or text where no paths are made.
pub trait RouteName {
    /// The name and what its parameters have to be.
    fn into_name(self) -> Name;
}

impl RouteName for &'static str {
    fn into_name(self) -> Name {
        Name { text: self, shape: Shape::Any, params: "" }
    }
}

impl<P: Serialize + DeserializeOwned> RouteName for Named<P> {
    fn into_name(self) -> Name {
        Name { text: self.name, shape: Shape::of::<P>(), params: type_name::<P>() }
    }
}

/// A name with what its parameters have to be. Made by [`RouteName`].
#[derive(Debug)]
pub struct Name {
    pub(super) text: &'static str,
    shape: Shape,
    params: &'static str,
}

impl Name {
    /// # Errors
    /// Why parameters of these names do not fit, in words for the one who wrote it.
    pub(super) fn check(&self, names: &[Box<str>]) -> Result<(), String> {
        let there = names.len();
        match self.shape {
            Shape::Any => Ok(()),
            Shape::Values(wanted) if wanted == there => Ok(()),
            Shape::Values(wanted) => {
                Err(format!("the name has {wanted} parameters ({}), the template {there}", self.params))
            }
            Shape::Fields(fields) => {
                if let Some(missing) = names.iter().find(|name| !fields.contains(&&***name)) {
                    return Err(format!("{} has no field for the parameter `{missing}`", self.params));
                }
                let unknown = fields.iter().find(|field| !names.iter().any(|name| **name == ***field));
                match unknown {
                    Some(field) => {
                        Err(format!("the template has no parameter for `{}::{field}`", self.params))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

/// Templates by name.
pub(crate) struct Names(pub(super) HashMap<&'static str, Rc<Template>>);

/// Makes paths of named routes. An extractor; [`AppService::urls`](crate::app::AppService::urls) gives it without a request.
///
/// It can be cloned and kept, for instance in a function of a template engine. What it gives is the path, with the
/// prefixes of groups; values are percent-encoded.
#[derive(Clone)]
pub struct UrlFor(Rc<Names>);

impl UrlFor {
    pub(super) fn of(states: &States) -> UrlFor {
        UrlFor(states.get::<Names>().unwrap_or_else(|| Rc::new(Names(HashMap::new()))))
    }

    /// The path of a route with these parameters. See [`Named`].
    ///
    /// # Errors
    /// No route has the name; a value would not lead there, as it is empty or does not fit the template's pattern.
    pub fn to<P: Serialize>(&self, route: Named<P>, params: P) -> Result<String, UrlError> {
        let template = self.template(route.name)?;
        let values = serde_json::to_value(params).map_err(|_| UrlError::of(route.name, Kind::Unsupported))?;
        let mut values = match values {
            Value::Null => Vec::new(),
            Value::Array(values) => values.iter().map(text).collect(),
            Value::Object(fields) => {
                template.names.iter().map(|name| fields.get(&**name).and_then(text)).collect()
            }
            value => vec![text(&value)],
        }
        .into_iter();
        template.path(route.name, |_| values.next().flatten())
    }

    /// The path of a route that was named with text, from pairs of names and values: what a template engine's function
    /// is given.
    ///
    /// ```
    /// use corelane_http::app::App;
    /// use corelane_http::router::get;
    ///
    /// let app = App::new().route("/users/{id}", get(async || "user").name("user"));
    /// let urls = app.into_service().urls();
    /// assert_eq!(urls.by_name("user", [("id", 7)])?, "/users/7");
    /// assert!(urls.by_name("user", [("id", "")]).unwrap_err().is_invalid());
    /// # Ok::<(), corelane_http::router::UrlError>(())
    /// ```
    ///
    /// # Errors
    /// As [`UrlFor::to`]; also for a parameter that is missing, or that the template does not have.
    pub fn by_name<N: AsRef<str>, V: Display>(
        &self,
        name: &str,
        params: impl IntoIterator<Item = (N, V)>,
    ) -> Result<String, UrlError> {
        let template = self.template(name)?;
        let values: Vec<(N, String)> =
            params.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let known = |param: &str| template.names.iter().any(|found| **found == *param);
        if let Some((unknown, _)) = values.iter().find(|(param, _)| !known(param.as_ref())) {
            return Err(UrlError::of(name, Kind::Unexpected(unknown.as_ref().into())));
        }
        template.path(name, |param| {
            values.iter().find(|(found, _)| found.as_ref() == param).map(|(_, v)| v.clone())
        })
    }

    fn template(&self, name: &str) -> Result<&Template, UrlError> {
        self.0.0.get(name).map(|template| &**template).ok_or_else(|| UrlError::of(name, Kind::Unknown))
    }
}

impl fmt::Debug for UrlFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlFor").field("names", &self.0.0.len()).finish()
    }
}

impl FromRequest for UrlFor {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Self::Rejection> {
        Ok(match request.matched() {
            Some(route) => UrlFor::of(route.states()),
            None => UrlFor(Rc::new(Names(HashMap::new()))),
        })
    }
}

/// A value as it stands in a path; `None` for what cannot.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Template {
    /// The path with these values for the parameters.
    fn path(&self, route: &str, mut value: impl FnMut(&str) -> Option<String>) -> Result<String, UrlError> {
        let mut path = String::new();
        let mut names = self.names.iter();
        for segment in &self.segments {
            path.push('/');
            if let Segment::Static(text) = segment {
                path.push_str(text);
                continue;
            }
            let name = names.next().expect("each parameter has a name");
            let text = value(name).ok_or_else(|| UrlError::of(route, Kind::Missing(name.clone())))?;
            let fits = match segment {
                Segment::Pattern(pattern) => !text.is_empty() && pattern.fits(&text),
                _ => !text.is_empty(),
            };
            if !fits {
                return Err(UrlError::of(route, Kind::Invalid(name.clone())));
            }
            encode(&mut path, &text, matches!(segment, Segment::Rest));
        }
        Ok(path)
    }
}

/// Percent-encodes all but unreserved bytes (RFC 3986 §2.3), and slashes if they separate.
fn encode(path: &mut String, text: &str, slashes: bool) {
    use fmt::Write;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || slashes && byte == b'/' {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
}

/// Why there is no path for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    inner: Box<(Box<str>, Kind)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Unknown,
    Missing(Box<str>),
    Unexpected(Box<str>),
    Invalid(Box<str>),
    Unsupported,
}

impl UrlError {
    #[cold]
    fn of(route: &str, kind: Kind) -> UrlError {
        UrlError { inner: Box::new((route.into(), kind)) }
    }

    /// The name that was asked for.
    pub fn route(&self) -> &str {
        &self.inner.0
    }

    /// The parameter that it is about.
    pub fn parameter(&self) -> Option<&str> {
        match &self.inner.1 {
            Kind::Missing(name) | Kind::Unexpected(name) | Kind::Invalid(name) => Some(name),
            Kind::Unknown | Kind::Unsupported => None,
        }
    }

    /// True if no route has the name.
    pub fn is_unknown(&self) -> bool {
        self.inner.1 == Kind::Unknown
    }

    /// True if a parameter was not given.
    pub fn is_missing(&self) -> bool {
        matches!(self.inner.1, Kind::Missing(_))
    }

    /// True if a value would not lead to the route: it is empty, or does not fit the parameter's pattern.
    pub fn is_invalid(&self) -> bool {
        matches!(self.inner.1, Kind::Invalid(_))
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (route, kind) = &*self.inner;
        match kind {
            Kind::Unknown => write!(f, "no route has the name `{route}`"),
            Kind::Missing(name) => write!(f, "a path to `{route}` takes the parameter `{name}`"),
            Kind::Unexpected(name) => write!(f, "the template of `{route}` has no parameter `{name}`"),
            Kind::Invalid(name) => write!(f, "the value for `{name}` does not lead to `{route}`"),
            Kind::Unsupported => {
                write!(f, "the parameters for `{route}` are of a type that no path can hold")
            }
        }
    }
}

impl std::error::Error for UrlError {}

impl IntoResponse for UrlError {
    /// 500: the program asked for a path that is none.
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "a path could not be made");
        Problem::internal().into_response()
    }
}
