//! Requests, put together and sent.

use std::future::IntoFuture;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use corelane_http_proto::encode::{ConnectionField, EncodeError, Framing, RequestStart};
use corelane_runtime::buf::{LEASE_LARGE, Lease, LocalBoxFuture};
use http::Method;
use serde::Serialize;

use super::Client;
use super::error::{ClientError, Kind};
use super::response::Response;
use super::url::{IntoUrl, Url};
use crate::body::{Body, into_bytes};
use crate::response::Headers;

/// A request that is being put together. Await it, or [`send`](Self::send) it.
///
/// A mistake (a URL that is none, a field that cannot be sent, a value that JSON cannot hold) is told when it is sent.
#[must_use = "a request does nothing until it is awaited"]
pub struct RequestBuilder {
    client: Client,
    request: Result<Box<Outgoing>, ClientError>,
}

/// A request.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Headers,
    /// A `host` field that was given by hand.
    host: Option<String>,
    pub(super) body: Payload,
    pub(super) timeout: Option<Duration>,
    pub(super) head_timeout: Duration,
    pub(super) body_limit: u64,
    pub(super) redirects_max: u32,
    pub(super) expect_continue: bool,
}

/// A request's body.
pub(super) enum Payload {
    Empty,
    /// Can be sent again.
    Whole(Bytes),
    /// Can be read once.
    Stream(Body),
    /// Was read.
    Spent,
}

impl Payload {
    /// True if it can be sent, for the first time or again.
    pub(super) fn is_sendable(&self) -> bool {
        !matches!(self, Payload::Spent)
    }

    /// Framing of the request (RFC 9112 §6.3). A method that has a use for a body says that there is none (RFC 9110
    /// §8.6).
    fn framing(&self, method: &Method) -> Framing {
        match self {
            Payload::Whole(bytes) => Framing::Length(bytes.len() as u64),
            Payload::Stream(body) => body.len().map_or(Framing::Chunked, Framing::Length),
            Payload::Empty | Payload::Spent => match *method {
                Method::POST | Method::PUT | Method::PATCH => Framing::Length(0),
                _ => Framing::Omit,
            },
        }
    }

    pub(super) fn is_chunked(&self) -> bool {
        matches!(self, Payload::Stream(body) if body.len().is_none())
    }
}

impl RequestBuilder {
    pub(super) fn new(client: &Client, method: Method, url: impl IntoUrl) -> RequestBuilder {
        let settings = client.settings();
        let request = url.into_url().map_err(ClientError::from).map(|url| {
            let mut headers = Headers::new();
            if let Some(userinfo) = url.userinfo() {
                let _ = headers.insert("authorization", basic_of_userinfo(userinfo));
            }
            Box::new(Outgoing {
                method,
                url,
                headers,
                host: None,
                body: Payload::Empty,
                timeout: settings.timeout,
                head_timeout: settings.head_timeout,
                body_limit: settings.body_limit,
                redirects_max: settings.redirects_max,
                expect_continue: false,
            })
        });
        RequestBuilder { client: client.clone(), request }
    }

    fn change(mut self, change: impl FnOnce(&mut Outgoing) -> Result<(), ClientError>) -> RequestBuilder {
        if let Ok(request) = &mut self.request
            && let Err(error) = change(request)
        {
            self.request = Err(error);
        }
        self
    }

    /// Sets a field: an earlier one of this name, and the client's, goes. `content-length`, `transfer-encoding` and
    /// `connection` follow from the body and the connection, and are refused.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> RequestBuilder {
        self.change(|request| {
            if name.eq_ignore_ascii_case("host") {
                let host = std::str::from_utf8(value.as_ref()).unwrap_or(" ");
                request.host = Some(host.to_owned());
                return Ok(());
            }
            request.headers.insert(name, value).map_err(|error| ClientError::new(Kind::Header(error)))
        })
    }

    /// Adds a field; earlier ones of its name stay.
    pub fn append_header(self, name: &str, value: impl AsRef<[u8]>) -> RequestBuilder {
        self.change(|request| {
            request.headers.append(name, value).map_err(|error| ClientError::new(Kind::Header(error)))
        })
    }

    /// Puts `values`, a struct or a list of pairs, into the query.
    pub fn query(self, values: &(impl Serialize + ?Sized)) -> RequestBuilder {
        self.change(|request| {
            let pairs = serde_html_form::to_string(values)
                .map_err(|error| ClientError::new(Kind::Encode(error.into())))?;
            Ok(request.url.push_query(&pairs)?)
        })
    }

    /// Proves who asks by `Authorization: Basic` (RFC 7617).
    pub fn basic_auth(self, user: &str, password: &str) -> RequestBuilder {
        let value = basic(user.as_bytes(), password.as_bytes());
        self.header("authorization", value)
    }

    /// Proves who asks by `Authorization: Bearer` (RFC 6750).
    pub fn bearer_auth(self, token: &str) -> RequestBuilder {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets the body. One that is at hand is sent with its length and can be sent again, if that is safe; a stream is
    /// sent as it comes, and once.
    pub fn body(self, body: impl Into<Body>) -> RequestBuilder {
        let mut body = body.into();
        self.change(|request| {
            request.body = match body.take_full() {
                Some(chunk) => Payload::Whole(into_bytes(chunk)),
                None if body.is_empty() => Payload::Empty,
                None => Payload::Stream(body),
            };
            Ok(())
        })
    }

    fn typed(self, content_type: &str, body: Vec<u8>) -> RequestBuilder {
        self.change(|request| {
            if !request.headers.contains("content-type") {
                request
                    .headers
                    .insert("content-type", content_type)
                    .map_err(|error| ClientError::new(Kind::Header(error)))?;
            }
            request.body = Payload::Whole(Bytes::from(body));
            Ok(())
        })
    }

    /// Sets the body to `value` as JSON, and its type.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> RequestBuilder {
        match serde_json::to_vec(value) {
            Ok(body) => self.typed("application/json", body),
            Err(error) => {
                self.request = self.request.and(Err(ClientError::new(Kind::Encode(error.into()))));
                self
            }
        }
    }

    /// Sets the body to `values`, a struct or a list of pairs, as an HTML form, and its type.
    pub fn form(mut self, values: &(impl Serialize + ?Sized)) -> RequestBuilder {
        match serde_html_form::to_string(values) {
            Ok(body) => self.typed("application/x-www-form-urlencoded", body.into_bytes()),
            Err(error) => {
                self.request = self.request.and(Err(ClientError::new(Kind::Encode(error.into()))));
                self
            }
        }
    }

    /// How long the whole may take, from the wait for a connection to the end of the answer's body; `None` for as long
    /// as it goes on, as a stream of events may. Default: the client's.
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> RequestBuilder {
        let timeout = timeout.into();
        self.change(|request| {
            request.timeout = timeout;
            Ok(())
        })
    }

    /// How long the answer's head may take from when the request is sent. Default: the client's.
    pub fn head_timeout(self, timeout: Duration) -> RequestBuilder {
        self.change(|request| {
            request.head_timeout = timeout;
            Ok(())
        })
    }

    /// Longest body that is read as a whole, in bytes. Default: the client's.
    pub fn body_limit(self, bytes: u64) -> RequestBuilder {
        self.change(|request| {
            request.body_limit = bytes;
            Ok(())
        })
    }

    /// Redirects followed at most; with 0 the redirect itself is the answer. Default: the client's.
    pub fn redirects(self, max: u32) -> RequestBuilder {
        self.change(|request| {
            request.redirects_max = max;
            Ok(())
        })
    }

    /// Asks the server before the body is sent (`Expect: 100-continue`, RFC 9110 §10.1.1): one that refuses by the head
    /// alone spares both the body. If it says nothing for a second the body is sent all the same.
    pub fn expect_continue(self) -> RequestBuilder {
        self.change(|request| {
            request.expect_continue = true;
            Ok(())
        })
    }

    /// Sends the request, follows redirects, and waits for the answer's head.
    ///
    /// # Errors
    /// See [`ClientError`]. A status of 4xx or 5xx is an answer, not an error.
    ///
    /// # Cancellation
    /// Dropping the future closes the connection, if there is one; the server may have acted upon the request.
    pub async fn send(self) -> Result<Response, ClientError> {
        self.client.run(*self.request?).await
    }
}

impl IntoFuture for RequestBuilder {
    type Output = Result<Response, ClientError>;
    type IntoFuture = LocalBoxFuture<'static, Result<Response, ClientError>>;

    fn into_future(self) -> Self::IntoFuture {
        LocalBoxFuture::new(self.send())
    }
}

/// What stood before the `@` of a URL, percent-decoded.
fn basic_of_userinfo(userinfo: &str) -> String {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decoded = |text| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    basic(&decoded(user), &decoded(password))
}

pub(super) fn basic(user: &[u8], password: &[u8]) -> String {
    let pair = [user, b":", password].concat();
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

impl Outgoing {
    /// The head as bytes, with `body` behind it. `defaults` are sent unless the request sets them; `absolute` is the form
    /// that a proxy wants.
    pub(super) fn encode(
        &self,
        defaults: &Headers,
        extra: &[(&str, &str)],
        absolute: bool,
        body: &[u8],
    ) -> Result<Lease, ClientError> {
        let target = if absolute { self.url.as_str() } else { self.url.target() };
        let host = self.host.as_deref().unwrap_or(self.url.authority());
        let extra_bytes: usize = extra.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        // Framing and line ends take less than 128.
        let bytes = self.method.as_str().len()
            + target.len()
            + host.len()
            + defaults.as_wire().len()
            + self.headers.as_wire().len()
            + extra_bytes
            + 128
            + body.len();
        if bytes > LEASE_LARGE {
            return Err(ClientError::new(Kind::RequestTooLarge));
        }
        let mut lease = Lease::take(bytes)?;
        let start = RequestStart {
            method: self.method.as_str().as_bytes(),
            target: target.as_bytes(),
            host: host.as_bytes(),
            framing: self.body.framing(&self.method),
            connection: ConnectionField::Omit,
        };
        let refused = |error: EncodeError| ClientError::new(Kind::Encode(error.into()));
        let mut fields = start.encode(&mut lease).map_err(refused)?;
        if self.headers.is_empty() {
            fields.danger_lines(defaults.as_wire()).map_err(refused)?;
        } else {
            for (name, value) in defaults.iter().filter(|(name, _)| !self.headers.contains(name)) {
                fields.danger_field(name.as_bytes(), value).map_err(refused)?;
            }
            fields.danger_lines(self.headers.as_wire()).map_err(refused)?;
        }
        for (name, value) in extra {
            fields.field(name.as_bytes(), value.as_bytes()).map_err(refused)?;
        }
        fields.finish();
        lease.extend_from_slice(body).map_err(|_| ClientError::new(Kind::RequestTooLarge))?;
        Ok(lease)
    }

    /// Sends it elsewhere.
    pub(super) fn redirect(&mut self, method: Method, url: Url) {
        if url.origin() != self.url.origin() {
            // Who asks is a matter between the caller and the first server (RFC 9110 §15.4).
            for name in ["authorization", "cookie", "proxy-authorization"] {
                self.headers.remove(name);
            }
            self.host = None;
        }
        if method != self.method {
            // The body goes, and with it what describes it.
            self.body = Payload::Empty;
            for name in ["content-type", "content-encoding", "content-language", "content-location", "digest"]
            {
                self.headers.remove(name);
            }
            self.method = method;
        }
        self.url = url;
    }
}
