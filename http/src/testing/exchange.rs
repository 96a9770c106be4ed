//! One request and its response on one connection, as bytes.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};

use corelane_http_proto::chunked::{self, ChunkLimits, Decoder, Step};
use corelane_http_proto::encode::{ConnectionField, Framing, RequestStart};
use corelane_http_proto::head::{self, HeadLimits, ResponseFraming, ResponseHead};
use corelane_runtime::net::{RecvHalf, SendHalf, Shutdown};
use corelane_runtime::time;
use http::{Method, StatusCode};

use super::TestClient;
use super::response::Head;
use crate::body::Body;

/// What is to be sent.
pub(super) struct Outgoing<'r> {
    pub(super) method: &'r Method,
    pub(super) target: &'r str,
    pub(super) authority: &'r str,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) cookie: Option<&'r str>,
    pub(super) body: Body,
}

/// A connection with a response on it.
pub(super) struct Exchange {
    receive: RecvHalf,
    /// Sends the request meanwhile; gives its half back, whose end would end the connection.
    sending: Option<Pin<Box<dyn Future<Output = SendHalf>>>>,
    sent: Option<SendHalf>,
    /// Received and not consumed.
    input: Vec<u8>,
    rest: Rest,
    patience: std::time::Duration,
    /// The caller's line and the request, for messages.
    what: String,
}

/// What is to come of the body.
enum Rest {
    Nothing,
    Length(u64),
    Chunked(Box<Decoder>),
    UntilClose,
}

impl Exchange {
    /// Sends a request and reads the head of its response.
    ///
    /// # Panics
    /// As [`TestRequest::send`](super::TestRequest::send).
    pub(super) async fn begin(client: &TestClient, request: Outgoing<'_>, what: String) -> (Exchange, Head) {
        let head_only = *request.method == Method::HEAD;
        let head = match encode(&request) {
            Ok(head) => head,
            Err(error) => panic!("{what}: the request cannot be sent: {error}"),
        };
        let opened = time::timeout(client.patience, client.open()).await;
        let (receive, sender) = match opened {
            Ok(Ok(halves)) => halves,
            Ok(Err(error)) => panic!("{what}: no connection: {error}"),
            Err(_) => panic!("{what}: no connection within {:?}", client.patience),
        };
        let mut exchange = Exchange {
            receive,
            sending: Some(Box::pin(send(sender, head, request.body))),
            sent: None,
            input: Vec::new(),
            rest: Rest::Nothing,
            patience: client.patience,
            what,
        };
        let head = exchange.head(head_only).await;
        (exchange, head)
    }

    async fn head(&mut self, head_only: bool) -> Head {
        let method = if head_only { head::Method::Head } else { head::Method::Get };
        let mut parsed = ResponseHead::new();
        loop {
            let len = match parsed.parse(&self.input, &HeadLimits::default()) {
                Ok(Some(len)) => len,
                Ok(None) => {
                    if !self.more().await {
                        self.fail("the connection ended before the head of the response");
                    }
                    continue;
                }
                Err(error) => self.fail(format_args!("the head of the response is malformed: {error}")),
            };
            // 100 and its like come before the answer (RFC 9110 §15.2).
            if parsed.status() < 200 && parsed.status() != 101 {
                self.input.drain(..len);
                parsed.clear();
                continue;
            }
            self.rest = match parsed.framing(method) {
                ResponseFraming::None | ResponseFraming::Length(0) | ResponseFraming::Tunnel => Rest::Nothing,
                ResponseFraming::Length(bytes) => Rest::Length(bytes),
                ResponseFraming::Chunked => Rest::Chunked(Box::new(Decoder::new(ChunkLimits::default()))),
                ResponseFraming::UntilClose => Rest::UntilClose,
            };
            let head = self.head_of(&parsed);
            self.input.drain(..len);
            return head;
        }
    }

    fn head_of(&self, parsed: &ResponseHead) -> Head {
        let Ok(status) = StatusCode::from_u16(parsed.status()) else {
            self.fail(format_args!("{} is no status", parsed.status()))
        };
        let fields = parsed.fields().iter().map(|field| {
            let name = String::from_utf8_lossy(field.name_span.of(&self.input)).to_ascii_lowercase();
            (name, field.value.of(&self.input).to_vec())
        });
        Head { status, fields: fields.collect() }
    }

    /// The next chunk of the body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            let (skip, len) = match &mut self.rest {
                Rest::Nothing => return None,
                Rest::Length(left) => {
                    let len = self.input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= len as u64;
                    if *left == 0 {
                        self.rest = Rest::Nothing;
                    }
                    (0, len)
                }
                Rest::UntilClose => (0, self.input.len()),
                Rest::Chunked(decoder) => match decoder.decode(&self.input) {
                    Ok(Step::Data { skip, len }) => (skip, len),
                    Ok(Step::End { consumed }) => {
                        self.rest = Rest::Nothing;
                        (consumed, 0)
                    }
                    Ok(Step::NeedMore { consumed } | Step::Trailer { consumed, .. }) => (consumed, 0),
                    Err(error) => self.fail(format_args!("the body of the response is malformed: {error}")),
                },
            };
            let chunk = self.input[skip..skip + len].to_vec();
            self.input.drain(..skip + len);
            if !chunk.is_empty() {
                return Some(chunk);
            }
            let trailers_left = skip > 0 && !self.input.is_empty();
            if !matches!(self.rest, Rest::Nothing) && !trailers_left && !self.more().await {
                if matches!(self.rest, Rest::UntilClose) {
                    self.rest = Rest::Nothing;
                    return None;
                }
                self.fail("the connection ended inside the body of the response");
            }
        }
    }

    /// Receives, and sends meanwhile. False at the end of the connection.
    async fn more(&mut self) -> bool {
        let Exchange { receive, sending, sent, patience, .. } = self;
        let received = {
            let mut receive = pin!(receive.recv());
            let both = poll_fn(|cx| {
                if let Some(under_way) = sending
                    && let std::task::Poll::Ready(handle) = under_way.as_mut().poll(cx)
                {
                    *sending = None;
                    *sent = Some(handle);
                }
                receive.as_mut().poll(cx)
            });
            time::timeout(*patience, both).await
        };
        match received {
            Ok(Ok(lease)) => {
                self.input.extend_from_slice(&lease);
                !lease.is_empty()
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Ok(Err(error)) => self.fail(format_args!("the connection failed: {error}")),
            Err(_) => {
                self.fail(format_args!("nothing came for {:?} (see TestClient::patience)", self.patience))
            }
        }
    }

    /// The connection of an upgraded response, and what has come on it already.
    pub(super) fn into_halves(self) -> (RecvHalf, SendHalf, Vec<u8>) {
        match self.sent {
            Some(sent) => (self.receive, sent, self.input),
            None => self.fail("the connection was upgraded before all of the request was sent"),
        }
    }

    pub(super) fn fail(&self, reason: impl std::fmt::Display) -> ! {
        panic!("{}: {reason}", self.what)
    }
}

fn encode(request: &Outgoing<'_>) -> Result<Vec<u8>, corelane_http_proto::encode::EncodeError> {
    let has_content = matches!(*request.method, Method::POST | Method::PUT | Method::PATCH);
    let framing = match request.body.len() {
        Some(0) if !has_content => Framing::Omit,
        Some(bytes) => Framing::Length(bytes),
        None => Framing::Chunked,
    };
    let upgrades = request.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
    let start = RequestStart {
        method: request.method.as_str().as_bytes(),
        target: request.target.as_bytes(),
        host: request.authority.as_bytes(),
        framing,
        connection: if upgrades { ConnectionField::Upgrade } else { ConnectionField::Omit },
    };
    let mut out = Vec::new();
    let mut fields = start.encode(&mut out)?;
    for (name, value) in &request.fields {
        // The host stands in the first line already.
        if !name.eq_ignore_ascii_case("host") {
            fields.field(name.as_bytes(), value)?;
        }
    }
    if let Some(cookie) = request.cookie {
        fields.field(b"cookie", cookie.as_bytes())?;
    }
    fields.finish();
    Ok(out)
}

/// Sends head and body. What fails here shows in the response, or in its absence: a server may answer and close
/// before it has read all.
async fn send(mut stream: SendHalf, head: Vec<u8>, mut body: Body) -> SendHalf {
    let is_chunked = body.len().is_none();
    if stream.send(head).await.is_err() {
        return stream;
    }
    while let Some(chunk) = body.chunk().await {
        let Ok(chunk) = chunk else {
            let _ = stream.shutdown(Shutdown::Both);
            return stream;
        };
        let sent = if is_chunked {
            let mut framed = Vec::with_capacity(chunk.len() + chunked::CHUNK_OVERHEAD_MAX);
            // A vector is never full.
            let _ = chunked::chunk_into(&mut framed, &chunk);
            stream.send(framed).await
        } else {
            stream.send(chunk).await
        };
        if sent.is_err() {
            return stream;
        }
    }
    if is_chunked {
        let _ = stream.send(&chunked::LAST_CHUNK[..]).await;
    }
    stream
}
