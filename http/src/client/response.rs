//! Answers.

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use corelane_http_proto::head::{Name, ResponseHead};
use corelane_runtime::buf::{Chunk, LocalBox, LocalBoxFuture, View};
use futures_core::Stream;
use http::StatusCode;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::error::{ClientError, Kind};
use super::reader::Reader;
use super::url::Url;
use crate::body::{Body, into_bytes};
use crate::response::Headers;

/// Parsed heads kept by a core for reuse.
const HEADS_KEPT: usize = 64;

thread_local! {
    static HEADS: RefCell<Vec<ResponseHead>> = const { RefCell::new(Vec::new()) };
}

/// An empty head, with room for fields if one was used before.
pub(super) fn empty_head() -> ResponseHead {
    HEADS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// The fields of an answer, where they were received: nothing is copied.
pub struct Fields {
    head: ResponseHead,
    bytes: View,
}

impl Fields {
    pub(super) fn new(head: ResponseHead, bytes: View) -> Fields {
        Fields { head, bytes }
    }

    pub(super) fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Value of the first field of this name (any case); `None` also if it is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Values of every field of this name (any case), in order.
    pub fn get_all<'r, 'n>(&'r self, name: &'n str) -> impl Iterator<Item = &'r [u8]> + use<'r, 'n> {
        let known = Name::from_bytes(name.as_bytes());
        self.head.fields().iter().filter_map(move |field| {
            let is_it = match known {
                Name::Other => field.name_span.of(&self.bytes).eq_ignore_ascii_case(name.as_bytes()),
                known => field.name == known,
            };
            is_it.then(|| field.value.of(&self.bytes))
        })
    }

    /// Every field in the order it was sent: name as it was spelled, value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.fields().iter().map(|field| {
            (field.name_span.str_of(&self.bytes).unwrap_or_default(), field.value.of(&self.bytes))
        })
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.head.fields().len()
    }

    /// True if there are no fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        // A core that ends may drop answers after its thread's locals are gone.
        let _ = HEADS.try_with(|heads| {
            let mut heads = heads.borrow_mut();
            if heads.len() < HEADS_KEPT {
                heads.push(head);
            }
        });
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

/// The answer to a request: its head, and a body that is read when it is asked for.
///
/// Dropping it before its body has ended closes the connection; an answer that came whole with its head has given its
/// connection back already.
pub struct Response {
    parts: LocalBox<Parts>,
}

struct Parts {
    status: StatusCode,
    fields: Fields,
    url: Url,
    reader: Reader,
    body_limit: u64,
}

impl Response {
    pub(super) fn new(fields: Fields, url: Url, reader: Reader, body_limit: u64) -> Response {
        // The parser takes 100 to 999, and so does the type.
        let status = StatusCode::from_u16(fields.head().status()).unwrap_or(StatusCode::BAD_GATEWAY);
        Response { parts: LocalBox::new(Parts { status, fields, url, reader, body_limit }) }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.parts.status
    }

    /// The fields of the head.
    pub fn headers(&self) -> &Fields {
        &self.parts.fields
    }

    /// Value of the first field of this name (any case); `None` also if it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.fields.get(name)
    }

    /// Where the answer came from, after redirects.
    pub fn url(&self) -> &Url {
        &self.parts.url
    }

    /// Length in bytes of what is left of the body, if it is known.
    pub fn content_length(&self) -> Option<u64> {
        self.parts.reader.len()
    }

    /// Fields behind the body (RFC 9112 §7.1.2); there are none before its end was read.
    pub fn trailers(&self) -> &Headers {
        self.parts.reader.trailers()
    }

    /// The next bytes of the body; `None` at its end, and after an error.
    ///
    /// Chunks are never empty, and their sizes mean nothing. Nothing is received that was not asked for: a caller that
    /// reads slowly slows the server down.
    ///
    /// # Errors
    /// [`is_body`](ClientError::is_body) if the body is cut short, malformed, or stops coming; a timeout if the request's
    /// time is over.
    ///
    /// # Cancellation
    /// A dropped future has taken no bytes; the body can be read on.
    pub async fn chunk(&mut self) -> Option<Result<Chunk, ClientError>> {
        let Parts { reader, url, .. } = &mut *self.parts;
        reader.chunk().await.map(|chunk| chunk.map_err(|error| error.at(url)))
    }

    /// The whole body in one piece. Nothing is copied if it came as one.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); also [`is_too_large`](ClientError::is_too_large) for one longer than the client's
    /// [`body_limit`](super::ClientBuilder::body_limit).
    ///
    /// # Cancellation
    /// Dropping the future closes the connection.
    pub async fn collect(mut self) -> Result<Chunk, ClientError> {
        self.read_whole().await
    }

    async fn read_whole(&mut self) -> Result<Chunk, ClientError> {
        let limit = self.parts.body_limit;
        let too_large = |url: &Url| ClientError::new(Kind::TooLarge { limit }).at(url);
        if self.parts.reader.len().is_some_and(|len| len > limit) {
            return Err(too_large(&self.parts.url));
        }
        let Some(first) = self.chunk().await.transpose()? else { return Ok(Chunk::from(&b""[..])) };
        if first.len() as u64 > limit {
            return Err(too_large(&self.parts.url));
        }
        let Some(second) = self.chunk().await.transpose()? else { return Ok(first) };
        let mut whole = Vec::with_capacity(first.len() + second.len());
        whole.extend_from_slice(&first);
        drop(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if (whole.len() + chunk.len()) as u64 > limit {
                return Err(too_large(&self.parts.url));
            }
            whole.extend_from_slice(&chunk);
            drop(chunk);
            next = self.chunk().await.transpose()?;
        }
        Ok(Chunk::from(whole))
    }

    /// The whole body as [`Bytes`].
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    pub async fn bytes(self) -> Result<Bytes, ClientError> {
        self.collect().await.map(into_bytes)
    }

    /// The whole body as text. It has to be UTF-8, whatever its type says.
    ///
    /// # Errors
    /// As [`collect`](Self::collect); also [`is_decode`](ClientError::is_decode).
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    pub async fn text(mut self) -> Result<String, ClientError> {
        let text = match self.read_whole().await? {
            Chunk::Vec(bytes) => String::from_utf8(bytes).ok(),
            chunk => std::str::from_utf8(&chunk).ok().map(str::to_owned),
        };
        text.ok_or_else(|| ClientError::new(Kind::Text).at(self.url()))
    }

    /// The whole body as JSON, whatever its type says.
    ///
    /// # Errors
    /// As [`collect`](Self::collect); also [`is_decode`](ClientError::is_decode), with line and column.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    pub async fn json<T: DeserializeOwned>(mut self) -> Result<T, ClientError> {
        let whole = self.read_whole().await?;
        serde_json::from_slice(&whole).map_err(|error| ClientError::new(Kind::Json(error)).at(self.url()))
    }

    /// The body, to be read elsewhere or sent on: `Response::new(answer.into_body())` streams it to the client of a
    /// handler, each at the pace of the slower side.
    pub fn into_body(self) -> Body {
        if self.content_length() == Some(0) { Body::empty() } else { Body::stream(Chunks::Idle(self)) }
    }

    pub(super) async fn drain(mut self) {
        self.parts.reader.drain().await;
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.parts.status)
            .field("url", &self.parts.url)
            .field("headers", &self.parts.fields)
            .finish_non_exhaustive()
    }
}

/// The chunks of an answer as a stream.
enum Chunks {
    Idle(Response),
    Reading(LocalBoxFuture<'static, (Response, Option<Result<Chunk, ClientError>>)>),
    Ended,
}

impl Stream for Chunks {
    type Item = Result<Chunk, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::mem::replace(&mut *self, Chunks::Ended) {
                Chunks::Idle(mut response) => {
                    *self = Chunks::Reading(LocalBoxFuture::new(async move {
                        let chunk = response.chunk().await;
                        (response, chunk)
                    }));
                }
                Chunks::Reading(mut reading) => {
                    let polled = Pin::new(&mut reading).poll(cx);
                    if polled.is_pending() {
                        *self = Chunks::Reading(reading);
                    }
                    let (response, chunk) = ready!(polled);
                    if matches!(chunk, Some(Ok(_))) {
                        *self = Chunks::Idle(response);
                    }
                    return Poll::Ready(chunk);
                }
                Chunks::Ended => return Poll::Ready(None),
            }
        }
    }
}
