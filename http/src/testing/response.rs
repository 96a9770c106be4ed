//! Responses as tests look at them.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use bytes::Bytes;
use corelane_runtime::net::{RecvHalf, SendHalf};
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::exchange::Exchange;
use super::sse::{Event, Parser};

/// Longest body that [`TestRequest::send`](super::TestRequest::send) reads, in bytes (64 MiB): a test that gets more
/// reads it with [`TestRequest::send_streaming`](super::TestRequest::send_streaming).
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most of a body that a message shows, in bytes.
const SHOWN_BYTES_MAX: usize = 2 * 1024;

/// The head of a response. Names are in lower case.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    fn all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> + use<'h> {
        let name = name.to_ascii_lowercase();
        self.fields.iter().filter(move |(found, _)| *found == name).map(|(_, value)| &**value)
    }
}

macro_rules! head_methods {
    ($type:ident) => {
        impl $type {
            /// The status.
            pub fn status(&self) -> StatusCode {
                self.head.status
            }

            /// Value of the first field of this name (any case); `None` also if it is not UTF-8.
            pub fn header(&self, name: &str) -> Option<&str> {
                self.head.text(name)
            }

            /// Values of every field of this name (any case), in order.
            pub fn header_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
                self.head.all(name)
            }

            /// Every field in the order it was sent: name in lower case, value.
            pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
                self.head.fields.iter().map(|(name, value)| (&**name, &**value))
            }
        }
    };
}

head_methods!(TestResponse);
head_methods!(TestStream);

/// A response with all of its body.
pub struct TestResponse {
    head: Head,
    body: Bytes,
}

impl TestResponse {
    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("the body is not UTF-8: {error}: {}", shown(&self.body)),
        }
    }

    /// The body, read as JSON.
    ///
    /// # Panics
    /// If it is not JSON, or not of this type.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => {
                let wanted = std::any::type_name::<T>();
                panic!("the body is no {wanted}: {error}\n{} {}", self.status(), shown(&self.body))
            }
        }
    }

    /// The body, read as a stream of events that has ended.
    ///
    /// # Panics
    /// If its content type is not `text/event-stream`.
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        assert_event_stream(self.header("content-type"));
        Parser::default().push(&self.body)
    }

    /// Checks the status; gives the response back for more.
    ///
    /// # Panics
    /// If it is another, with the body.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &TestResponse {
        let found = self.status();
        assert!(found == status, "the status is {found}, not {status}: {}", shown(&self.body));
        self
    }

    /// Checks a field; gives the response back for more.
    ///
    /// # Panics
    /// If there is none of this name, or its first value is another.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: &str) -> &TestResponse {
        let found = self.header(name);
        assert!(found == Some(value), "the field `{name}` is {found:?}, not {value:?}");
        self
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestResponse")
            .field("status", &self.status())
            .field("headers", &Fields(&self.head))
            .field("body", &shown(&self.body))
            .finish()
    }
}

/// A response of which the head has come, its body read piece by piece. Dropping it closes the connection.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::response::{Body, Response};
/// use corelane_http::testing::{self, TestClient};
///
/// async fn ticks() -> Response {
///     // Without an end: the connection asks for a chunk when it can take one.
///     Response::new(Body::from_fn(async || Some(Ok::<_, std::io::Error>("tick\n"))))
/// }
///
/// testing::run(async {
///     let client = TestClient::new(App::new().get("/ticks", ticks));
///     let mut response = client.get("/ticks").send_streaming().await;
///     assert_eq!(response.status(), 200);
///     assert!(response.chunk().await.unwrap().starts_with(b"tick\n"));
/// });
/// ```
pub struct TestStream {
    exchange: Exchange,
    head: Head,
    parser: Parser,
    /// Read and not given yet.
    events: std::collections::VecDeque<Event>,
}

impl TestStream {
    pub(super) fn new(exchange: Exchange, head: Head) -> TestStream {
        TestStream { exchange, head, parser: Parser::default(), events: Default::default() }
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Cancellation
    /// A dropped future has taken nothing.
    ///
    /// # Panics
    /// If the connection ends inside the body, or nothing comes for [`TestClient::patience`](super::TestClient::patience).
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        self.exchange.chunk().await
    }

    /// The next server-sent event; `None` at the end of the stream.
    ///
    /// # Cancellation
    /// As [`TestStream::chunk`].
    ///
    /// # Panics
    /// As [`TestStream::chunk`]; and if the content type is not `text/event-stream`.
    pub async fn event(&mut self) -> Option<Event> {
        assert_event_stream(self.header("content-type"));
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let chunk = self.chunk().await?;
            self.events.extend(self.parser.push(&chunk));
        }
    }

    /// The last `retry` field of the events read so far.
    pub fn retry(&self) -> Option<Duration> {
        self.parser.retry_ms().map(Duration::from_millis)
    }

    /// Comments among the events read so far: what keeps a quiet stream alive.
    pub fn comments(&self) -> u64 {
        self.parser.comments()
    }

    /// Reads what is left of the body.
    ///
    /// # Panics
    /// As [`TestRequest::send`](super::TestRequest::send).
    #[track_caller]
    pub fn rest(self) -> impl Future<Output = TestResponse> {
        self.whole(Location::caller())
    }

    pub(super) async fn whole(mut self, caller: &'static Location<'static>) -> TestResponse {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await {
            body.extend_from_slice(&chunk);
            assert!(
                body.len() <= RESPONSE_BYTES_MAX,
                "{caller}: the body is longer than {RESPONSE_BYTES_MAX} bytes: read it with `send_streaming`"
            );
        }
        TestResponse { head: self.head, body: body.into() }
    }

    /// The connection after a 101, to speak the other protocol on, and what has come on it already.
    ///
    /// # Panics
    /// If the status is not 101.
    #[track_caller]
    pub fn upgraded(self) -> (RecvHalf, SendHalf, Vec<u8>) {
        assert!(self.status() == 101, "the connection is not upgraded: the status is {}", self.status());
        self.exchange.into_halves()
    }
}

impl fmt::Debug for TestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStream")
            .field("status", &self.status())
            .field("headers", &Fields(&self.head))
            .finish_non_exhaustive()
    }
}

/// Fields as text, for messages.
struct Fields<'h>(&'h Head);

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.fields.iter();
        f.debug_map().entries(fields.map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}

#[track_caller]
fn assert_event_stream(content_type: Option<&str>) {
    let is_stream = content_type.is_some_and(|value| value.starts_with("text/event-stream"));
    assert!(is_stream, "the response is no stream of events: its content type is {content_type:?}");
}

/// The beginning of a body, as text.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES_MAX)]).into_owned();
    if body.len() > SHOWN_BYTES_MAX { format!("{text}… ({} bytes)", body.len()) } else { text }
}
