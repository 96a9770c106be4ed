//! Server-sent events (WHATWG HTML §9.2): a response that goes on for as long as the client stays.
//!
//! ```
//! use std::time::Duration;
//! use corelane_http::app::App;
//! use corelane_http::extract::Header;
//! use corelane_http::request::Request;
//! use corelane_http::sse::{Event, EventError, LastEventId, Receiver, Sse};
//!
//! async fn count(last: Option<Header<LastEventId>>) -> Sse<Receiver> {
//!     // A client that was cut off says what it has seen.
//!     let seen: u64 = last.and_then(|last| last.as_str().parse().ok()).unwrap_or(0);
//!     let (events, sse) = Sse::channel(16);
//!     drop(corelane_runtime::spawn(async move {
//!         for number in seen + 1..=3 {
//!             let event = Event::data(number.to_string()).with_id(number.to_string())?;
//!             // Waits while the client reads too slowly; fails once it is gone.
//!             if events.send(event).await.is_err() {
//!                 break;
//!             }
//!         }
//!         Ok::<(), EventError>(())
//!     }));
//!     sse.keep_alive(Duration::from_secs(30))
//! }
//!
//! # corelane_runtime::block_on(async {
//! let service = App::new().get("/count", count).into_service();
//! let request = Request::builder("GET", "/count").header("last-event-id", "1").build();
//! let body = service.call(request).await.into_body().bytes().await.unwrap();
//! assert_eq!(body, "id: 2\ndata: 2\n\nid: 3\ndata: 3\n\n");
//! # });
//! ```
//!
//! A stream of events ends when its source does, when the client leaves, or when the server drains: browsers then connect
//! again, to whoever listens. The server's other limits hold: a client that takes nothing for
//! [`write_stall`](crate::server::Limits::write_stall) is let go.

mod channel;
mod event;

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corelane_runtime::buf::Chunk;
use corelane_runtime::shutdown::{Draining, draining};
use corelane_runtime::time::{self, Sleep};
use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::body::{Body, BodyError};
use crate::extract::HeaderField;
use crate::respond::IntoResponse;
use crate::response::Response;

pub use channel::{Receiver, SendError, Sender, TrySendError};
pub use event::{Event, EventError};

/// How often a comment is sent while there are no events, unless [`Sse::keep_alive`] says otherwise.
///
/// Proxies let a response without a byte go after a minute or less; and only by sending does one learn of a client that
/// vanished without a word.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `no-store`, as what was said is no answer for later; `x-accel-buffering` has nginx pass events on as they come.
const LINES: &str = "content-type: text/event-stream\r\ncache-control: no-store\r\nx-accel-buffering: no\r\n";

/// A stream of events as a response. See the [module](self).
#[derive(Debug)]
pub struct Sse<S> {
    events: S,
    keep_alive: Option<Duration>,
}

impl<S, E> Sse<S>
where
    S: Stream<Item = Result<Event, E>> + 'static,
    E: Into<Box<dyn Error>> + 'static,
{
    /// Sends what the stream gives, as it comes. The stream is asked for an event only when those before are sent.
    ///
    /// An error ends the connection and is logged.
    pub fn new(events: S) -> Sse<S> {
        Sse { events, keep_alive: Some(KEEP_ALIVE) }
    }

    /// Sends a comment whenever there was no event for this long.
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Sse<S> {
        self.keep_alive = Some(every);
        self
    }

    /// Sends no comments: the source is known to have events often enough.
    #[must_use]
    pub fn without_keep_alive(mut self) -> Sse<S> {
        self.keep_alive = None;
        self
    }
}

impl Sse<Receiver> {
    /// A stream with a sending end, for tasks of this core. `capacity` events wait at most, at least one: then
    /// [`Sender::send`] waits, so what a slow client costs is bounded.
    pub fn channel(capacity: usize) -> (Sender, Sse<Receiver>) {
        let (sender, receiver) = channel::channel(capacity);
        (sender, Sse::new(receiver))
    }
}

impl<S, E> IntoResponse for Sse<S>
where
    S: Stream<Item = Result<Event, E>> + 'static,
    E: Into<Box<dyn Error>> + 'static,
{
    fn into_response(self) -> Response {
        let Sse { events, keep_alive } = self;
        let body =
            Body::stream(Paced { events, keep_alive, sleep: None, draining: draining(), ended: false });
        Response::with_static_headers(body, LINES)
    }
}

pin_project! {
    /// Events with comments in between, until the server drains.
    struct Paced<S> {
        #[pin]
        events: S,
        keep_alive: Option<Duration>,
        sleep: Option<Sleep>,
        draining: Draining,
        ended: bool,
    }
}

impl<S, E> Stream for Paced<S>
where
    S: Stream<Item = Result<Event, E>>,
    E: Into<Box<dyn Error>>,
{
    type Item = Result<Chunk, BodyError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        // What is at hand is sent before the end: a source that heard of the drain may have said good-bye.
        if let Poll::Ready(next) = this.events.poll_next(cx) {
            *this.sleep = None;
            *this.ended = !matches!(next, Some(Ok(_)));
            return Poll::Ready(next.map(|event| match event {
                Ok(event) => Ok(Chunk::from(event.into_wire())),
                Err(error) => Err(BodyError::source(error)),
            }));
        }
        if Pin::new(this.draining).poll(cx).is_ready() {
            *this.ended = true;
            return Poll::Ready(None);
        }
        let Some(every) = *this.keep_alive else { return Poll::Pending };
        let sleep = this.sleep.get_or_insert_with(|| time::sleep(every));
        if Pin::new(sleep).poll(cx).is_ready() {
            *this.sleep = None;
            return Poll::Ready(Some(Ok(Chunk::from(&b":\n\n"[..]))));
        }
        Poll::Pending
    }
}

/// `Last-Event-ID`: the last id that a client saw before it was cut off. Taken with
/// `Option<Header<LastEventId>>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEventId(Box<str>);

impl LastEventId {
    /// The id as the client sent it: any client can send any text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LastEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HeaderField for LastEventId {
    const NAME: &'static str = "last-event-id";

    fn decode<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let value = std::str::from_utf8(values.next()?).ok()?;
        if values.next().is_some() { None } else { Some(LastEventId(value.into())) }
    }
}
