//! Requests as handlers and middleware see them.
//!
//! ```
//! use corelane_http::request::Request;
//!
//! let request = Request::builder("GET", "/search?q=ring").header("accept-language", "de").build();
//! assert_eq!(request.method(), http::Method::GET);
//! assert_eq!(request.path(), "/search");
//! assert_eq!(request.query(), Some("q=ring"));
//! assert_eq!(request.header("Accept-Language"), Some("de"));
//! ```

mod builder;
mod extensions;
mod origin;
mod params;
mod parts;
mod rewrite;

use std::fmt;
use std::rc::Rc;

use corelane_http_proto::head::{self, Name, RequestHead};
use corelane_runtime::buf::View;
use corelane_runtime::net::PeerAddr;

use crate::body::Body;
use crate::router::Route;
use crate::server::{TrustedProxies, Way};
use parts::Parts;

pub use builder::RequestBuilder;
pub use extensions::Extensions;
pub use params::{PARAMS_MAX, Params};
pub use rewrite::RewriteError;

pub(crate) use params::{ParamSpans, span_at};

/// A request: a handle of one word, cheap to move through middleware.
///
/// What it consists of lives in a box that the core uses again once the request is dropped. The head's bytes are
/// those that arrived; nothing of them is copied. Drop a request, or take its body out, as soon as it is of no
/// more use: the buffer under it goes back to the core then.
pub struct Request {
    /// `None` only while dropped.
    parts: Option<Box<Parts>>,
}

/// A request whose head is not complete. The connection parses into it.
pub(crate) struct Incoming(Request);

impl Incoming {
    /// An empty one, from the core's own.
    pub(crate) fn new() -> Incoming {
        Incoming(Request { parts: Some(parts::take()) })
    }

    /// What to parse into, once it is cleared: it may be left over from another request.
    pub(crate) fn head_mut(&mut self) -> &mut RequestHead {
        &mut self.0.parts_mut().head
    }

    /// Gives it a body; it has none so far.
    pub(crate) fn set_body(&mut self, body: Body) {
        self.0.parts_mut().body = body;
    }

    /// The request, once its head was parsed from the beginning of `bytes`.
    #[inline]
    pub(crate) fn complete(mut self, bytes: View, peer: PeerAddr) -> Request {
        let parts = self.0.parts_mut();
        parts.bytes = Some(bytes);
        parts.peer = peer;
        self.0
    }
}

impl Request {
    /// A request made by hand, for tests and for calling an [`AppService`](crate::app::AppService) without a socket.
    ///
    /// `target` is the path with its query, or any other form of RFC 9112 §3.2.
    pub fn builder(method: &str, target: &str) -> RequestBuilder {
        RequestBuilder::new(method, target)
    }

    /// What is left in the place of a request that a handler took by value.
    pub(crate) fn taken() -> Request {
        let mut parts = parts::take();
        parts.head.clear();
        parts.body = Body::taken();
        Request { parts: Some(parts) }
    }

    #[inline]
    fn parts(&self) -> &Parts {
        match &self.parts {
            Some(parts) => parts,
            None => unreachable!("only a dropped request has no parts"),
        }
    }

    #[inline]
    fn parts_mut(&mut self) -> &mut Parts {
        match &mut self.parts {
            Some(parts) => parts,
            None => unreachable!("only a dropped request has no parts"),
        }
    }

    /// The bytes of the head, which the spans point into.
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.parts().bytes.as_deref().unwrap_or_default()
    }

    /// The parsed head: spans into [`Request::head_bytes`].
    #[inline]
    pub fn head(&self) -> &RequestHead {
        &self.parts().head
    }

    /// The bytes the head was parsed from, beginning at the request line. What [`Request::set_path`] has put in is
    /// behind them.
    pub fn head_bytes(&self) -> &[u8] {
        self.bytes()
    }

    /// The method.
    #[inline]
    pub fn method(&self) -> http::Method {
        use http::Method as M;
        match self.head().method() {
            head::Method::Get => M::GET,
            head::Method::Head => M::HEAD,
            head::Method::Post => M::POST,
            head::Method::Put => M::PUT,
            head::Method::Delete => M::DELETE,
            head::Method::Connect => M::CONNECT,
            head::Method::Options => M::OPTIONS,
            head::Method::Trace => M::TRACE,
            head::Method::Patch => M::PATCH,
            // The parser has checked that it is a token, which is all that `from_bytes` asks for.
            head::Method::Other(name) => M::from_bytes(name.of(self.bytes())).unwrap_or(M::GET),
        }
    }

    /// The path as it was sent, percent-encoded, without the query.
    #[inline]
    pub fn path(&self) -> &str {
        self.head().path().str_of(self.bytes()).unwrap_or_default()
    }

    /// The query as it was sent, without the `?`; `None` if there is none.
    pub fn query(&self) -> Option<&str> {
        self.head().query()?.str_of(self.bytes())
    }

    /// The version of the message.
    pub fn version(&self) -> http::Version {
        match self.head().version() {
            head::Version::Http10 => http::Version::HTTP_10,
            head::Version::Http11 => http::Version::HTTP_11,
        }
    }

    /// The authority that the client asked for: from the target if it has one, else from `Host` (RFC 9112 §3.3).
    /// Empty if an HTTP/1.0 client sent neither.
    pub fn host(&self) -> &str {
        self.head().host().and_then(|host| host.str_of(self.bytes())).unwrap_or_default()
    }

    /// Value of the first field of this name (any case); `None` also if it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Value of the first field of this name (any case).
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.header_all(name).next()
    }

    /// Values of every field of this name (any case), in order.
    pub fn header_all<'r, 'n>(&'r self, name: &'n str) -> impl Iterator<Item = &'r [u8]> + use<'r, 'n> {
        let bytes = self.bytes();
        let known = Name::from_bytes(name.as_bytes());
        self.head()
            .fields()
            .iter()
            .filter(move |field| {
                field.name == known
                    && (known != Name::Other
                        || field.name_span.of(bytes).eq_ignore_ascii_case(name.as_bytes()))
            })
            .map(move |field| field.value.of(bytes))
    }

    /// Value of the first field of a name that the parser knows: one comparison a field.
    pub fn known_header(&self, name: Name) -> Option<&[u8]> {
        self.head().find(name).map(|field| field.value.of(self.bytes()))
    }

    /// Every field as it was sent: name, value.
    pub fn headers(&self) -> impl DoubleEndedIterator<Item = (&str, &[u8])> {
        let bytes = self.bytes();
        self.head()
            .fields()
            .iter()
            .map(move |field| (field.name_span.str_of(bytes).unwrap_or_default(), field.value.of(bytes)))
    }

    /// Who is at the other end of the socket. A proxy in front is the peer then; [`Request::client_addr`] is who is
    /// behind it, if the proxy is trusted.
    pub fn peer(&self) -> &PeerAddr {
        &self.parts().peer
    }

    /// True if the peer is a [trusted proxy](crate::server::TrustedProxies): what it says in fields that it is known
    /// to set counts.
    pub fn is_from_trusted_proxy(&self) -> bool {
        self.trusted_proxies().is_some_and(|trusted| trusted.trusts(self.peer()))
    }

    /// Whose word about the client counts; `None` if nobody's.
    pub(crate) fn trusted_proxies(&self) -> Option<&TrustedProxies> {
        self.parts().way.as_ref().map(|way| &way.proxies)
    }

    /// True if it came over TLS that ends here.
    pub(crate) fn is_secure(&self) -> bool {
        self.parts().way.as_ref().is_some_and(|way| way.secure)
    }

    pub(crate) fn set_way(&mut self, way: Rc<Way>) {
        self.parts_mut().way = Some(way);
    }

    /// The template of the route that was found, such as `/users/{id}`; `None` if none was.
    pub fn route(&self) -> Option<&str> {
        self.parts().route.as_deref().and_then(Route::template)
    }

    /// A value that was attached to the route with [`MethodRouter::meta`](crate::router::MethodRouter::meta).
    pub fn route_meta<T: 'static>(&self) -> Option<&T> {
        self.parts().route.as_deref().and_then(|route| route.meta().get())
    }

    /// The parameters that the route's template names.
    pub fn params(&self) -> Params<'_> {
        let parts = self.parts();
        let names = parts.route.as_deref().map_or(&[][..], Route::names);
        Params { names, spans: parts.params.as_slice(), head: self.bytes() }
    }

    /// Values attached to this request.
    pub fn extensions(&self) -> &Extensions {
        &self.parts().extensions
    }

    /// Values attached to this request, to be changed.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.parts_mut().extensions
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.parts().body
    }

    /// The body, to be read or changed in place.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.parts_mut().body
    }

    /// Takes the body out. A second taker's reads fail with
    /// [`BodyError::is_taken`](crate::body::BodyError::is_taken), unless a body was put back with [`Request::set_body`].
    pub fn take_body(&mut self) -> Body {
        let place = &mut self.parts_mut().body;
        let left = Body::taken().with_limit_of(place);
        std::mem::replace(place, left)
    }

    /// Puts a body in the place of the one that is there: what a middleware does that has read or decoded it.
    ///
    /// A body without a limit gets that of the one before: decoded data is not let grow over what the route takes.
    pub fn set_body(&mut self, body: impl Into<Body>) {
        let place = &mut self.parts_mut().body;
        *place = body.into().with_limit_of(place);
    }

    /// The body; the rest of the request is dropped.
    pub fn into_body(mut self) -> Body {
        self.take_body()
    }

    /// What the router looks at, and where it puts the parameters: as spans of the path.
    #[inline]
    pub(crate) fn routing_parts(&mut self) -> (&[u8], head::Method, &mut ParamSpans) {
        let Parts { head, bytes, params, .. } = self.parts_mut();
        (head.path().of(bytes.as_deref().unwrap_or_default()), head.method(), params)
    }

    /// What the router has found.
    #[inline]
    pub(crate) fn set_route(&mut self, route: &Rc<Route>) {
        let parts = self.parts_mut();
        parts.params.shift(parts.head.path().start());
        parts.route = Some(Rc::clone(route));
        if let Some(limit) = route.body_limit() {
            parts.body.limit_to(limit);
        }
    }

    pub(crate) fn matched(&self) -> Option<&Rc<Route>> {
        self.parts().route.as_ref()
    }
}

impl Drop for Request {
    #[inline]
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            parts::give_back(parts);
        }
    }
}

impl fmt::Debug for Request {
    /// Shows neither the query nor the fields: either may hold secrets, and requests end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("peer", self.peer())
            .field("body", self.body())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
