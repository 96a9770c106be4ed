//! From a request to its answer: attempts, redirects, deadlines.

use corelane_http_proto::head::{self, ResponseHead};
use corelane_runtime::buf::{Chunk, View};
use corelane_runtime::time;
use http::Method;
use std::time::Duration;

use super::Client;
use super::connect::{self, Route};
use super::connection::{Connection, Deadline, Failure};
use super::error::{ClientError, Kind, Phase};
use super::pool::{Granted, Permit, Pooled};
use super::reader::Reader;
use super::redirect;
use super::request::{Outgoing, Payload};
use super::response::{Fields, Response, empty_head};
use super::settings::Settings;
use crate::body::Body;

/// Connections tried for one request. Only ones that had served a request before are given up for another, and the
/// last one tried is new.
const ATTEMPTS_MAX: u32 = 3;

/// Interim answers taken before an answer: a proxy or two in between may each send one, and a server some hints.
const INTERIMS_MAX: u32 = 16;

/// How long a body waits for `100 Continue` (RFC 9110 §10.1.1 has no number).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// Bodies up to this length are sent before anything is received, in bytes: less than what the kernel's buffers
/// hold on both sides, so that a server that answers before it reads is no deadlock.
const SEND_FIRST_BYTES_MAX: usize = 64 * 1024;

/// Bodies up to this length are copied behind their head, in bytes.
const COPIED_BODY_BYTES_MAX: usize = 2048;

impl Client {
    /// Sends a request and follows where its answers lead.
    pub(super) async fn run(&self, mut request: Outgoing) -> Result<Response, ClientError> {
        if request.method == Method::CONNECT {
            let why = "CONNECT is not for applications: the client sends it where a proxy asks for it";
            return Err(ClientError::new(Kind::Encode(why.into())));
        }
        let total = request.timeout.map(|limit| Deadline::after(limit, Phase::Total));
        let mut redirects = 0;
        loop {
            let response = match self.exchange(&mut request, total).await {
                Ok(response) => response,
                Err(error) => return Err(error.at(&request.url)),
            };
            let Some(next) = redirect::next(&response, &request)? else { return Ok(response) };
            if redirects == request.redirects_max {
                let max = request.redirects_max;
                return Err(ClientError::new(Kind::TooManyRedirects { max }).at(&request.url));
            }
            redirects += 1;
            response.drain().await;
            request.redirect(next.method, next.url);
        }
    }

    /// Sends a request over a connection, and over another one if the first was stale.
    async fn exchange(
        &self,
        request: &mut Outgoing,
        total: Option<Deadline>,
    ) -> Result<Response, ClientError> {
        let mut attempt = 1;
        loop {
            let route = self.route(&request.url);
            let absolute = route.is_absolute();
            let (pooled, was_used) = self.connection(&route, attempt == ATTEMPTS_MAX, total).await?;
            let lost = match self.attempt(pooled, request, absolute, total).await {
                Ok(response) => return Ok(response),
                Err(lost) => lost,
            };
            let again = was_used
                && lost.unanswered
                && attempt < ATTEMPTS_MAX
                && request.body.is_sendable()
                && (lost.unread || request.method.is_idempotent());
            if !again {
                let unsent = lost.unread || lost.error.is_connect();
                return Err(if unsent { lost.error } else { lost.error.after_sending() });
            }
            tracing::debug!(error = %lost.error, "a kept connection was closed; the request goes out again");
            attempt += 1;
        }
    }

    /// A connection that was kept, or a new one. True with it if it was used before.
    async fn connection(
        &self,
        route: &Route<'_>,
        fresh: bool,
        total: Option<Deadline>,
    ) -> Result<(Pooled, bool), ClientError> {
        let settings = self.settings();
        let full = |_| ClientError::new(Kind::Overloaded { waiting_max: settings.pool.waiting_max });
        let granted = match self.pool().take(route.key(), fresh).map_err(full)? {
            Ok(granted) => granted,
            Err(waiting) => {
                let deadline = Deadline::after(settings.connect_timeout, Phase::Pool).or(total);
                match time::timeout(deadline.left(), waiting.granted()).await {
                    Ok(granted) => granted,
                    Err(_) => return Err(deadline.error()),
                }
            }
        };
        match granted {
            Granted::Used(pooled) => Ok((pooled, true)),
            Granted::Open(permit) => self.open(route, permit, total).await.map(|pooled| (pooled, false)),
        }
    }

    async fn open(
        &self,
        route: &Route<'_>,
        permit: Permit,
        total: Option<Deadline>,
    ) -> Result<Pooled, ClientError> {
        let deadline = Deadline::after(self.settings().connect_timeout, Phase::Connect).or(total);
        match time::timeout(deadline.left(), connect::open(self, route)).await {
            Ok(connection) => Ok(permit.with(connection?)),
            Err(_) => Err(deadline.error()),
        }
    }

    /// Sends a request over one connection and reads the head of its answer.
    async fn attempt(
        &self,
        mut pooled: Pooled,
        request: &mut Outgoing,
        absolute: bool,
        total: Option<Deadline>,
    ) -> Result<Response, Lost> {
        let settings = self.settings();
        let connection = &mut pooled.connection;
        let mut head = empty_head();
        let sent = self.send(connection, request, absolute, total, &mut head).await?;
        let bytes = match sent.answer {
            Some(bytes) => bytes,
            None => {
                let mut interims = 0;
                loop {
                    let bytes = match connection.next_head(&mut head, &settings.head_limits).await {
                        Ok(bytes) => bytes,
                        Err(failure) => return Err(Lost::new(failure, connection, sent.bytes, interims)),
                    };
                    if !is_interim(&head, &mut interims)? {
                        break bytes;
                    }
                    head.clear();
                }
            }
        };
        let method = head::Method::known(request.method.as_str().as_bytes());
        let framing = head.framing(method.unwrap_or(head::Method::Other(head::Span::default())));
        let reusable = head.keep_alive() && sent.is_whole;
        let reader = Reader::new(pooled, framing, reusable, settings, total);
        Ok(Response::new(Fields::new(head, bytes), request.url.clone(), reader, request.body_limit))
    }

    /// Sends head and body, or begins to.
    async fn send(
        &self,
        connection: &mut Connection,
        request: &mut Outgoing,
        absolute: bool,
        total: Option<Deadline>,
        head: &mut ResponseHead,
    ) -> Result<Sent, Lost> {
        let settings = self.settings();
        let expects = request.expect_continue && !matches!(request.body, Payload::Empty);
        let inlined = match &request.body {
            Payload::Whole(whole) if !expects && whole.len() <= COPIED_BODY_BYTES_MAX => &whole[..],
            _ => &[],
        };
        let inlines = !inlined.is_empty();
        let extra: &[(&str, &str)] = if expects { &[("expect", "100-continue")] } else { &[] };
        let lease = request.encode(&settings.headers, extra, absolute, inlined)?;
        let mut bytes = lease.len() as u64;
        let mut lease = Some(lease);
        let deadline = Deadline::after(request.head_timeout, Phase::Head).or(total);
        connection.set_deadline(Some(deadline));
        if expects {
            connection.send(lease.take(), None).await;
            let wait = wait_for_continue(connection, head, settings);
            if let Ok(waited) = time::timeout(CONTINUE_WAIT, wait).await {
                let answer = waited.map_err(|failure| Lost::after_sending(failure.error))?;
                if answer.is_some() {
                    // The body is not wanted. The server may wait for it all the same: the connection is of no more use.
                    return Ok(Sent { bytes, answer, is_whole: false });
                }
            }
        }
        let is_chunked = request.body.is_chunked();
        let aside = match std::mem::replace(&mut request.body, Payload::Spent) {
            Payload::Stream(body) => body,
            Payload::Whole(whole) => {
                let chunk = (!inlines).then(|| whole.clone());
                request.body = Payload::Whole(whole);
                match chunk {
                    Some(chunk) if chunk.len() > SEND_FIRST_BYTES_MAX => Body::from(chunk),
                    chunk => {
                        bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                        connection.send(lease, chunk.map(Chunk::Bytes)).await;
                        return Ok(Sent { bytes, answer: None, is_whole: true });
                    }
                }
            }
            nothing => {
                request.body = nothing;
                connection.send(lease, None).await;
                return Ok(Sent { bytes, answer: None, is_whole: true });
            }
        };
        // The time of the head counts from when the body is sent.
        connection.set_deadline(total);
        let begun = connection.send_aside(lease, aside, is_chunked, request.head_timeout, total);
        begun.map_err(|error| Lost::after_sending(ClientError::new(Kind::Io(error))))?;
        Ok(Sent { bytes, answer: None, is_whole: true })
    }
}

/// What was sent of a request.
struct Sent {
    /// Length of the request, if it was sent in one piece.
    bytes: u64,
    /// The head of an answer that came before the body was sent.
    answer: Option<View>,
    /// False if the body was left out.
    is_whole: bool,
}

/// An attempt without an answer.
struct Lost {
    error: ClientError,
    /// Not a byte of an answer has come.
    unanswered: bool,
    /// It is certain that the server's program has read none of the request.
    unread: bool,
}

impl Lost {
    fn new(failure: Failure, connection: &Connection, bytes: u64, interims: u32) -> Lost {
        let unanswered = failure.unanswered && interims == 0;
        let unread = unanswered && connection.is_unread_by_peer(bytes, failure.closed);
        Lost { error: failure.error, unanswered, unread }
    }

    /// Some of the request was sent, and what has become of it is not known.
    fn after_sending(error: ClientError) -> Lost {
        Lost { error, unanswered: false, unread: false }
    }
}

impl From<ClientError> for Lost {
    /// For errors before anything is sent.
    fn from(error: ClientError) -> Lost {
        Lost { error, unanswered: false, unread: true }
    }
}

/// True if the head is not the answer yet.
fn is_interim(head: &ResponseHead, interims: &mut u32) -> Result<bool, Lost> {
    let status = head.status();
    if status == 101 {
        return Err(Lost::after_sending(ClientError::new(Kind::Switched)));
    }
    if status >= 200 {
        return Ok(false);
    }
    *interims += 1;
    if *interims > INTERIMS_MAX {
        return Err(Lost::after_sending(ClientError::new(Kind::Interims)));
    }
    Ok(true)
}

/// Waits for `100 Continue`. The head of an answer that came in its place, if one did.
async fn wait_for_continue(
    connection: &mut Connection,
    head: &mut ResponseHead,
    settings: &Settings,
) -> Result<Option<View>, Failure> {
    loop {
        let bytes = connection.next_head(head, &settings.head_limits).await?;
        match head.status() {
            100 => {
                head.clear();
                return Ok(None);
            }
            101..=199 => head.clear(),
            _ => return Ok(Some(bytes)),
        }
    }
}
