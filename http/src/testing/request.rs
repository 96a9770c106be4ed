//! A request being put together, and its way to the response.

use std::fmt;
use std::panic::Location;

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use super::exchange::{Exchange, Outgoing};
use super::multipart::Multipart;
use super::response::{TestResponse, TestStream};
use super::{TestClient, redirect};
use crate::body::Body;

/// A request being put together. Made by [`TestClient::get`] and its like.
#[must_use = "`send` sends it"]
pub struct TestRequest<'c> {
    client: &'c TestClient,
    method: Method,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    cookies: Vec<(String, String)>,
    body: Payload,
}

enum Payload {
    Whole(Bytes),
    Stream(Body),
}

impl<'c> TestRequest<'c> {
    pub(super) fn new(client: &'c TestClient, method: Method, target: &str) -> TestRequest<'c> {
        TestRequest {
            client,
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            cookies: Vec::new(),
            body: Payload::Whole(Bytes::new()),
        }
    }

    /// Sets a field, instead of a default one of this name. Several calls with one name send several.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds fields to the query: a struct, a map or pairs.
    ///
    /// # Panics
    /// If they cannot be written as a query.
    #[track_caller]
    pub fn query(mut self, fields: &(impl Serialize + ?Sized)) -> Self {
        match serde_html_form::to_string(fields) {
            Ok(fields) => {
                self.target.push(if self.target.contains('?') { '&' } else { '?' });
                self.target.push_str(&fields);
                self
            }
            Err(error) => panic!("the query cannot be written: {error}"),
        }
    }

    /// Sends a cookie with this request only, besides those that are kept.
    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends a value as JSON.
    ///
    /// # Panics
    /// If it cannot be written as JSON.
    #[track_caller]
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.content("application/json", json),
            Err(error) => panic!("the body cannot be written as JSON: {error}"),
        }
    }

    /// Sends a form (`application/x-www-form-urlencoded`): a struct, a map or pairs.
    ///
    /// # Panics
    /// If it cannot be written as a form.
    #[track_caller]
    pub fn form(self, fields: &(impl Serialize + ?Sized)) -> Self {
        match serde_html_form::to_string(fields) {
            Ok(form) => self.content("application/x-www-form-urlencoded", form),
            Err(error) => panic!("the body cannot be written as a form: {error}"),
        }
    }

    /// Sends a form with files.
    pub fn multipart(self, form: Multipart) -> Self {
        let (body, content_type) = form.finish();
        self.content(&content_type, body)
    }

    /// Sends bytes, without a content type.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Payload::Whole(bytes.into());
        self
    }

    /// Sends a body piece by piece, `chunked`. A chunk that is an error ends the connection.
    pub fn stream(mut self, body: Body) -> Self {
        self.body = Payload::Stream(body);
        self
    }

    fn content(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.header("content-type", content_type).body(body)
    }

    /// Sends it and reads the response whole.
    ///
    /// # Cancellation
    /// Dropping the future closes the connection.
    ///
    /// # Panics
    /// At the caller's line: if the connection fails, the response is malformed, longer than
    /// [`RESPONSE_BYTES_MAX`](super::RESPONSE_BYTES_MAX), or takes longer than [`TestClient::patience`] between chunks.
    #[track_caller]
    pub fn send(self) -> impl Future<Output = TestResponse> + use<'c> {
        let caller = Location::caller();
        async move { self.open(caller).await.whole(caller).await }
    }

    /// Sends it and gives the response as soon as its head has come, to read the body piece by piece.
    ///
    /// # Cancellation
    /// As [`TestRequest::send`].
    ///
    /// # Panics
    /// As [`TestRequest::send`].
    #[track_caller]
    pub fn send_streaming(self) -> impl Future<Output = TestStream> + use<'c> {
        self.open(Location::caller())
    }

    async fn open(mut self, caller: &'static Location<'static>) -> TestStream {
        for _ in 0..=self.client.redirects_max {
            let response = self.once(caller).await;
            let Some((method, target)) = self.next(&response) else { return response };
            if method != self.method {
                self.body = Payload::Whole(Bytes::new());
                self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
                self.method = method;
            }
            self.target = target;
        }
        let most = self.client.redirects_max;
        panic!("{caller}: more than {most} redirects, the last of them to {}", self.target)
    }

    /// Where to go from here, if redirects are followed and this is one.
    fn next(&self, response: &TestStream) -> Option<(Method, String)> {
        if self.client.redirects_max == 0 {
            return None;
        }
        let method = redirect::method(response.status().as_u16(), &self.method)?;
        let target = redirect::target(response.header("location")?, &self.authority(), &self.target)?;
        let can_repeat = method != self.method || matches!(self.body, Payload::Whole(_));
        can_repeat.then_some((method, target))
    }

    /// One request, one response.
    async fn once(&mut self, caller: &'static Location<'static>) -> TestStream {
        let authority = self.authority();
        let path = self.target.split('?').next().unwrap_or_default().to_owned();
        let cookie = self.cookie_field(&authority, &path);
        let body = match &mut self.body {
            Payload::Whole(bytes) => Body::from(bytes.clone()),
            Payload::Stream(body) => std::mem::take(body),
        };
        let outgoing = Outgoing {
            method: &self.method,
            target: &self.target,
            authority: &authority,
            fields: self.fields().cloned().collect(),
            cookie: cookie.as_deref(),
            body,
        };
        let what = format!("{caller}: {} {}", self.method, self.target);
        let (exchange, head) = Exchange::begin(self.client, outgoing, what).await;
        let mut jar = self.client.jar.borrow_mut();
        for (_, value) in head.fields.iter().filter(|(name, _)| name == "set-cookie") {
            jar.store(&String::from_utf8_lossy(value), &authority, &path);
        }
        TestStream::new(exchange, head)
    }

    fn cookie_field(&self, authority: &str, path: &str) -> Option<String> {
        let kept = self.client.jar.borrow().field(authority, path);
        let own = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let all: Vec<String> = kept.into_iter().chain(own).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// The fields of the request, and those of the client that it does not replace.
    fn fields(&self) -> impl Iterator<Item = &(String, Vec<u8>)> {
        let replaced = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let defaults = self.client.headers.iter().filter(move |(name, _)| !replaced(name));
        defaults.chain(&self.headers)
    }

    fn authority(&self) -> String {
        let given = self.fields().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        match given {
            Some((_, host)) => String::from_utf8_lossy(host).into_owned(),
            None => self.client.authority(),
        }
    }
}

impl fmt::Debug for TestRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
