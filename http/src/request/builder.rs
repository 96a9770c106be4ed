//! Requests without a socket.

use std::rc::Rc;

use corelane_http_proto::head::HeadLimits;
use corelane_runtime::buf::{Lease, View};
use corelane_runtime::net::PeerAddr;

use super::{Incoming, Request};
use crate::body::{BODY_BYTES_MAX, Body};
use crate::server::{TrustedProxies, Way};

/// Makes a [`Request`] by hand: the head is written out and parsed as one from a socket would be.
///
/// ```
/// use corelane_http::request::Request;
///
/// let request = Request::builder("POST", "/notes")
///     .header("content-type", "application/json")
///     .body(r#"{"text":"hello"}"#)
///     .build();
/// assert_eq!(request.body().len(), Some(16));
/// assert_eq!(request.host(), "localhost");
/// ```
#[derive(Debug)]
#[must_use = "`build` makes the request"]
pub struct RequestBuilder {
    head: Vec<u8>,
    has_host: bool,
    body: Body,
    peer: PeerAddr,
    way: Way,
}

impl RequestBuilder {
    pub(super) fn new(method: &str, target: &str) -> RequestBuilder {
        let head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        RequestBuilder {
            head,
            has_host: false,
            body: Body::empty(),
            peer: PeerAddr::Memory,
            way: Way::default(),
        }
    }

    /// Adds a field. `host: localhost` is added by [`RequestBuilder::build`] if none was given.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> RequestBuilder {
        self.has_host |= name.eq_ignore_ascii_case("host");
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    /// Sets the body. No length field is made of it: framing is the connection's, and a request without a
    /// connection has none.
    pub fn body(mut self, body: impl Into<Body>) -> RequestBuilder {
        self.body = body.into();
        self
    }

    /// Sets who sent it ([`PeerAddr::Memory`]).
    pub fn peer(mut self, peer: PeerAddr) -> RequestBuilder {
        self.peer = peer;
        self
    }

    /// Has it come over TLS (plainly).
    pub fn secure(mut self) -> RequestBuilder {
        self.way.secure = true;
        self
    }

    /// Sets whose word about the client counts (nobody's), as [`Server::trust`](crate::server::Server::trust) does.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> RequestBuilder {
        self.way.proxies = proxies;
        self
    }

    /// The request.
    ///
    /// # Panics
    /// If the head is not a valid one, with the rule that it breaks, or if the core has no buffer left to hold it.
    #[track_caller]
    pub fn build(mut self) -> Request {
        if !self.has_host {
            self.head.extend_from_slice(b"host: localhost\r\n");
        }
        self.head.extend_from_slice(b"\r\n");
        self.body.limit_to(BODY_BYTES_MAX);
        let mut incoming = Incoming::new();
        incoming.head_mut().clear();
        match incoming.head_mut().parse(&self.head, &HeadLimits::default()) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the request head is not complete"),
            Err(error) => panic!("the request head is not valid: {error}"),
        }
        incoming.set_body(self.body);
        let mut request = incoming.complete(view_of(&self.head), self.peer);
        if self.way != Way::default() {
            request.set_way(Rc::new(self.way));
        }
        request
    }
}

/// The bytes in a buffer of the core.
#[track_caller]
fn view_of(bytes: &[u8]) -> View {
    let lease = Lease::take(bytes.len()).ok().and_then(|mut lease| {
        lease.extend_from_slice(bytes).ok()?;
        Some(lease)
    });
    match lease {
        Some(lease) => lease.freeze(),
        None => panic!("the core has no buffer for the request head"),
    }
}
