//! Bodies of requests and of responses: one type, read chunk by chunk or as a whole.
//!
//! A request's body comes from the connection only when it is asked for, so a handler that reads slowly slows
//! the peer down. A response's body is given whole, or as something that is asked for chunks while it is sent.
//!
//! ```
//! use corelane_http::body::Body;
//!
//! # corelane_runtime::block_on(async {
//! let mut left = 3;
//! let mut body = Body::from_fn(move || {
//!     left -= 1;
//!     async move { (left >= 0).then(|| Ok::<_, std::io::Error>(b"tick ".to_vec())) }
//! });
//! while let Some(chunk) = body.chunk().await {
//!     assert_eq!(&chunk?[..], b"tick ");
//! }
//!
//! let whole = Body::from("all of it").bytes().await?;
//! assert_eq!(whole, "all of it");
//! # Ok::<(), corelane_http::body::BodyError>(()) }).unwrap();
//! ```

mod error;
mod file;
mod pipe;
mod source;

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use corelane_runtime::buf::{Chunk, Lease, View};
use corelane_runtime::fs::File;
use futures_core::Stream;

pub use error::BodyError;
pub(crate) use file::{FileBody, Part};
pub(crate) use pipe::{Demand, Feed};

/// Longest request body taken unless the server or the route says otherwise, in bytes (2 MiB).
///
/// A handler that reads a body whole holds this much for each request it serves.
pub const BODY_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// What a body with a declared length is given at once when it is read as a whole, in bytes (64 KiB).
///
/// The rest of the room is made as bytes arrive: a peer that declares a length and sends nothing costs no more.
const ROOM_AT_ONCE: u64 = 64 * 1024;

/// The body of a request or of a response.
///
/// Also a [`Stream`] of its chunks, so that a request's body can be the response's:
/// `Response::new(request.into_body())`.
pub struct Body {
    kind: Kind,
    /// Bytes that may still be read before [`BodyError::is_too_large`].
    left: u64,
    /// The limit that `left` started from, for the message.
    limit: u64,
}

enum Kind {
    Empty,
    Full(Chunk),
    /// Read from the connection; the length if it was declared and nothing has been read.
    Pull(pipe::Pull, Option<u64>),
    Source(source::Source),
    /// Boxed: a response without one stays small.
    File(Box<FileBody>),
    /// Given to somebody else.
    Taken,
}

impl Body {
    /// No body.
    #[inline]
    pub const fn empty() -> Body {
        Body::of(Kind::Empty)
    }

    #[inline]
    const fn of(kind: Kind) -> Body {
        Body { kind, left: u64::MAX, limit: u64::MAX }
    }

    /// Makes it what [`Body::empty`] gives.
    #[inline]
    pub(crate) fn clear(&mut self) {
        // An empty one, as most are, has nothing that is to be dropped.
        if !matches!(self.kind, Kind::Empty) {
            self.kind = Kind::Empty;
        }
        self.limit_to(u64::MAX);
    }

    /// A body made of a stream's items, sent as they come. The length is not known ahead: `chunked` on the wire.
    ///
    /// An error ends the connection without the last chunk, so that the peer sees that the body is not complete.
    pub fn stream<S, C, E>(stream: S) -> Body
    where
        S: Stream<Item = Result<C, E>> + 'static,
        C: Into<Chunk> + 'static,
        E: Into<Box<dyn Error>> + 'static,
    {
        Body::of(Kind::Source(source::from_stream(stream)))
    }

    /// A body made by calling `make` for each chunk, when the connection can take it, until it gives `None`.
    ///
    /// Errors end the connection as for [`Body::stream`].
    pub fn from_fn<F, Fut, C, E>(make: F) -> Body
    where
        F: FnMut() -> Fut + 'static,
        Fut: Future<Output = Option<Result<C, E>>> + 'static,
        C: Into<Chunk> + 'static,
        E: Into<Box<dyn Error>> + 'static,
    {
        Body::of(Kind::Source(source::from_fn(make)))
    }

    /// `len` bytes of a file from `offset` on, both in bytes.
    ///
    /// The server has the kernel send them, so that they do not pass through memory of the process, however long the
    /// range is. A file that turns out to be shorter closes the connection, as its length was promised. Who reads the
    /// body instead, as a middleware may, gets chunks of at most 64 KiB.
    ///
    /// [`NamedFile`](crate::files::NamedFile) makes whole responses of files.
    pub fn file(file: impl Into<Rc<File>>, offset: u64, len: u64) -> Body {
        Body::file_parts(FileBody::new(file.into(), [Part::Range { offset, len }]))
    }

    pub(crate) fn file_parts(parts: FileBody) -> Body {
        if parts.len() == 0 { Body::empty() } else { Body::of(Kind::File(Box::new(parts))) }
    }

    /// The parts of a file, if that is what the body consists of: for the connection, which has the kernel send them.
    pub(crate) fn take_file(&mut self) -> Option<FileBody> {
        match std::mem::replace(&mut self.kind, Kind::Empty) {
            Kind::File(parts) => Some(*parts),
            other => {
                self.kind = other;
                None
            }
        }
    }

    /// A body that the connection feeds, `len` bytes if that is declared, with the default limit.
    pub(crate) fn pulled(len: Option<u64>) -> (Feed, Body) {
        let (feed, pull) = pipe::pipe();
        let mut body = Body::of(Kind::Pull(pull, len));
        body.limit_to(BODY_BYTES_MAX);
        (feed, body)
    }

    /// What is left behind when a body is taken: reading it is [`BodyError::is_taken`].
    pub(crate) const fn taken() -> Body {
        Body::of(Kind::Taken)
    }

    /// Most bytes that may be read from now on; one more is [`BodyError::is_too_large`].
    ///
    /// A declared length over the limit fails at the first read, before any byte (or `100 Continue`) is asked for.
    #[inline]
    pub fn limit_to(&mut self, bytes: u64) {
        self.left = bytes;
        self.limit = bytes;
    }

    /// Lowers the limit to `bytes`, if it is higher: what an extractor does that has a limit of its own.
    pub(crate) fn lower_limit(&mut self, bytes: u64) {
        if bytes < self.left {
            self.limit_to(bytes);
        }
    }

    /// The same with the limit of `other`, unless it has one of its own.
    pub(crate) fn with_limit_of(mut self, other: &Body) -> Body {
        if self.limit == u64::MAX {
            self.limit_to(other.limit);
        }
        self
    }

    /// Length in bytes of what is left, if it is known ahead.
    #[inline]
    pub fn len(&self) -> Option<u64> {
        match &self.kind {
            Kind::Empty | Kind::Taken => Some(0),
            Kind::Full(chunk) => Some(chunk.len() as u64),
            Kind::Pull(_, len) => *len,
            Kind::File(parts) => Some(parts.len()),
            Kind::Source(_) => None,
        }
    }

    /// True if the body is known to have no bytes left.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// True if this is what was left behind when the body was taken.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self.kind, Kind::Taken)
    }

    /// The error that the first read will give, if that is known already: a length over the limit. A response
    /// made of such a body is answered with the error while that can still be done.
    #[inline]
    pub(crate) fn refusal(&self) -> Option<BodyError> {
        match self.len() {
            Some(len) if len > self.left => Some(BodyError::too_large(self.limit)),
            _ => None,
        }
    }

    /// The bytes of the body if all of it is at hand, and within its limit.
    #[inline]
    pub(crate) fn full(&self) -> Option<&[u8]> {
        let bytes: &[u8] = match &self.kind {
            Kind::Empty => b"",
            Kind::Full(chunk) => chunk,
            _ => return None,
        };
        (bytes.len() as u64 <= self.left).then_some(bytes)
    }

    /// The body if all of it is at hand: what the connection writes together with the head.
    #[inline]
    pub(crate) fn take_full(&mut self) -> Option<Chunk> {
        match std::mem::replace(&mut self.kind, Kind::Empty) {
            Kind::Full(chunk) => Some(chunk),
            other => {
                self.kind = other;
                None
            }
        }
    }

    /// The next chunk; `None` at the end, and after an error.
    ///
    /// Chunks are never empty. Their sizes follow from how the bytes arrived and mean nothing.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        loop {
            let polled = match &mut self.kind {
                Kind::Empty => return Poll::Ready(None),
                Kind::Taken => Some(Err(BodyError::taken())),
                Kind::Full(_) => self.take_full().map(Ok),
                Kind::Pull(_, Some(len)) if *len > self.left => Some(Err(BodyError::too_large(self.limit))),
                Kind::Pull(pull, len) => {
                    let chunk = ready!(pull.poll_chunk(cx));
                    if let (Some(Ok(chunk)), Some(len)) = (&chunk, len) {
                        *len = len.saturating_sub(chunk.len() as u64);
                    }
                    chunk
                }
                Kind::Source(source) => ready!(source.as_mut().poll_next(cx)),
                Kind::File(parts) => ready!(parts.poll_chunk(cx)),
            };
            let polled = match polled {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) => match self.left.checked_sub(chunk.len() as u64) {
                    Some(left) => {
                        self.left = left;
                        Some(Ok(chunk))
                    }
                    None => Some(Err(BodyError::too_large(self.limit))),
                },
                other => other,
            };
            if !matches!(polled, Some(Ok(_))) {
                self.kind = Kind::Empty;
            }
            return Poll::Ready(polled);
        }
    }

    /// The next chunk; `None` at the end, and after an error.
    ///
    /// # Cancellation
    /// A dropped future has taken no chunk; the body can be read on.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn chunk(&mut self) -> Option<Result<Chunk, BodyError>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The whole body in one piece. Nothing is copied if it came as one.
    ///
    /// # Cancellation
    /// What was read is lost. The connection throws the rest away if it is short, and closes after the answer if not.
    ///
    /// # Errors
    /// See [`BodyError`]; the limit is the route's (2 MiB), or that of [`Body::limit_to`].
    pub async fn collect(mut self) -> Result<Chunk, BodyError> {
        let declared = self.len().unwrap_or(0);
        let Some(first) = self.chunk().await.transpose()? else { return Ok(Chunk::from(&b""[..])) };
        let Some(second) = self.chunk().await.transpose()? else { return Ok(first) };
        let room = declared.min(ROOM_AT_ONCE).min(self.limit);
        let mut whole =
            Vec::with_capacity(usize::try_from(room).unwrap_or(0).max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        drop((first, second));
        while let Some(chunk) = self.chunk().await.transpose()? {
            whole.extend_from_slice(&chunk);
        }
        Ok(Chunk::from(whole))
    }

    /// The whole body as [`Bytes`].
    ///
    /// # Cancellation
    /// As [`Body::collect`].
    ///
    /// # Errors
    /// As [`Body::collect`].
    pub async fn bytes(self) -> Result<Bytes, BodyError> {
        Ok(into_bytes(self.collect().await?))
    }
}

impl Stream for Body {
    type Item = Result<Chunk, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.is_empty() { (0, Some(0)) } else { (0, None) }
    }
}

impl Default for Body {
    fn default() -> Self {
        Body::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Empty => "empty",
            Kind::Full(_) => "full",
            Kind::Pull(..) => "pull",
            Kind::Source(_) => "source",
            Kind::File(_) => "file",
            Kind::Taken => "taken",
        };
        f.debug_struct("Body").field("kind", &kind).field("len", &self.len()).finish()
    }
}

impl From<Chunk> for Body {
    // The kind of chunk is known to most callers, and then little is left of this.
    #[inline(always)]
    fn from(chunk: Chunk) -> Body {
        if chunk.is_empty() { Body::empty() } else { Body::of(Kind::Full(chunk)) }
    }
}

macro_rules! from_chunk {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Body {
            #[inline]
            fn from(whole: $kind) -> Body {
                Body::from(Chunk::from(whole))
            }
        }
    )*};
}

from_chunk!(Lease, View, Bytes, Vec<u8>, &'static [u8]);

impl From<&'static str> for Body {
    #[inline]
    fn from(text: &'static str) -> Body {
        Body::from(text.as_bytes())
    }
}

impl From<String> for Body {
    #[inline]
    fn from(text: String) -> Body {
        Body::from(text.into_bytes())
    }
}

pub(crate) fn into_bytes(chunk: Chunk) -> Bytes {
    match chunk {
        Chunk::Bytes(bytes) => bytes,
        Chunk::Static(bytes) => Bytes::from_static(bytes),
        Chunk::Vec(bytes) => Bytes::from(bytes),
        Chunk::Lease(lease) => lease.into(),
        Chunk::View(view) => view.into(),
    }
}

#[cfg(test)]
mod tests;
