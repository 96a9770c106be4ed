//! One connection: heads and bodies in and out, and whether it can be used again.

use std::future::poll_fn;
use std::io;
use std::num::NonZeroU64;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use corelane_http_proto::chunked::{CHUNK_END, LAST_CHUNK, SizeLine};
use corelane_http_proto::head::{HeadLimits, ResponseHead};
use corelane_runtime::buf::{Chunk, Chunks, Lease, View};
use corelane_runtime::net::{RecvHalf, SendHalf, Stream};
use corelane_runtime::{JoinHandle, spawn, time};

use super::error::{ClientError, Kind, Phase};
use crate::body::{Body, BodyError};
use crate::conn::input::Input;

/// A connection to an upstream.
pub(super) struct Connection {
    wire: Wire,
    pub(super) input: Input,
    /// Bytes given to the stream so far, if all of them are known: over TLS they are not.
    sent: Option<u64>,
    upload: Upload,
    send_stall: Duration,
    /// A send has made no progress for that long.
    stalled: bool,
    /// The nearest deadline for receiving, and what it is of.
    deadline: Option<Deadline>,
}

/// Both directions, or the receiving one while a task has the other.
enum Wire {
    Whole(Stream),
    Half(RecvHalf),
    /// Being put together; a connection dropped meanwhile is closed.
    None,
}

/// A body that a task of its own sends.
enum Upload {
    None,
    Running(Running),
    /// All of it was sent.
    Done(SendHalf),
    /// It could not be sent to its end.
    Failed,
}

struct Running {
    task: JoinHandle<Result<SendHalf, UploadError>>,
    /// How long the answer's head may take from when the body is sent.
    head_timeout: Duration,
    total: Option<Deadline>,
}

/// Why a body was not sent.
pub(super) enum UploadError {
    /// It could not be made.
    Body(BodyError),
    /// The connection did not take it.
    Io(io::Error),
}

/// A point in time, and what is over then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) phase: Phase,
    pub(super) limit: Duration,
}

impl Deadline {
    pub(super) fn after(limit: Duration, phase: Phase) -> Deadline {
        let now = time::now();
        // A century, where the sum is not to be represented.
        let at = now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 24 * 3600));
        Deadline { at, phase, limit }
    }

    /// The earlier of the two.
    pub(super) fn or(self, other: Option<Deadline>) -> Deadline {
        match other {
            Some(other) if other.at < self.at => other,
            _ => self,
        }
    }

    pub(super) fn error(self) -> ClientError {
        ClientError::new(Kind::Timeout(self.phase, Some(self.limit)))
    }

    /// Time left.
    pub(super) fn left(self) -> Duration {
        self.at.saturating_duration_since(time::now())
    }
}

impl Connection {
    pub(super) fn new(stream: Stream, send_stall: Duration, counts: bool) -> Connection {
        stream.set_send_stall(Some(send_stall));
        Connection {
            wire: Wire::Whole(stream),
            input: Input::default(),
            sent: counts.then_some(0),
            upload: Upload::None,
            send_stall,
            stalled: false,
            deadline: None,
        }
    }

    /// Lets no deadline of the last request end it while it is idle.
    pub(super) fn rest(&mut self) {
        self.set_deadline(None);
    }

    /// True if the peer has neither sent anything nor closed since the last answer, as far as is known on this side.
    pub(super) fn is_quiet(&mut self) -> bool {
        let Wire::Whole(stream) = &mut self.wire else { return false };
        self.input.bytes().is_empty() && stream.is_quiet()
    }

    pub(super) fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
        let at = deadline.map(|deadline| deadline.at);
        match &self.wire {
            Wire::Whole(stream) => stream.set_recv_deadline(at),
            Wire::Half(half) => half.set_recv_deadline(at),
            Wire::None => {}
        }
    }

    /// Sends a head, and a body that is at hand. An error is left to the receive that follows: the peer may have
    /// answered before it closed.
    pub(super) async fn send(&mut self, head: Option<Lease>, body: Option<Chunk>) {
        let Wire::Whole(stream) = &mut self.wire else { return };
        if let Some(sent) = &mut self.sent {
            let parts = [head.as_deref(), body.as_deref()];
            *sent += parts.iter().flatten().map(|part| part.len() as u64).sum::<u64>();
        }
        let outcome = match (head, body) {
            (Some(head), None) => stream.send(head).await,
            (None, Some(body)) => stream.send(body).await,
            (head, body) => {
                stream.send_vectored(head.map(Chunk::Lease).into_iter().chain(body).collect()).await
            }
        };
        if let Err(error) = outcome {
            self.send_failed(&error);
        }
    }

    /// Sends a head and a body in a task of their own, so that an answer that comes meanwhile is read meanwhile.
    ///
    /// # Errors
    /// If there is no descriptor for the second half.
    pub(super) fn send_aside(
        &mut self,
        head: Option<Lease>,
        body: Body,
        is_chunked: bool,
        head_timeout: Duration,
        total: Option<Deadline>,
    ) -> io::Result<()> {
        let Wire::Whole(stream) = std::mem::replace(&mut self.wire, Wire::None) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (receive, send) = stream.split()?;
        self.wire = Wire::Half(receive);
        // What has gone out is not known any more.
        self.sent = None;
        let task = spawn(upload(send, head, body, is_chunked));
        self.upload = Upload::Running(Running { task, head_timeout, total });
        Ok(())
    }

    /// The next head, an interim one or the last, and its bytes.
    ///
    /// # Cancellation
    /// May be dropped at any time, and called again with the same `head`.
    pub(super) async fn next_head(
        &mut self,
        head: &mut ResponseHead,
        limits: &HeadLimits,
    ) -> Result<View, Failure> {
        loop {
            if !self.input.bytes().is_empty() {
                match head.parse(self.input.bytes(), limits) {
                    Ok(Some(len)) => return Ok(self.input.take(len)),
                    Ok(None) => {}
                    Err(error) => return Err(self.failed(Kind::Head(error))),
                }
                if self.input.advance(0).map_err(|_| self.failed(Kind::Exhausted))? {
                    continue;
                }
            }
            match self.receive().await {
                Ok(true) => {}
                Ok(false) => return Err(self.failed(Kind::Closed)),
                Err(error) => {
                    let unanswered = self.input.bytes().is_empty();
                    return Err(Failure { error, unanswered, closed: false });
                }
            }
        }
    }

    fn failed(&self, kind: Kind) -> Failure {
        let closed = matches!(kind, Kind::Closed);
        Failure { error: ClientError::new(kind), unanswered: self.input.bytes().is_empty(), closed }
    }

    /// Receives more behind what there is; false at the end of the stream. Meanwhile a body may go out.
    ///
    /// # Cancellation
    /// May be dropped at any time: nothing is lost.
    pub(super) async fn receive(&mut self) -> Result<bool, ClientError> {
        let lease = loop {
            let received = match (&mut self.wire, &mut self.upload) {
                (Wire::Whole(stream), _) => stream.recv().await,
                (Wire::Half(half), Upload::Running(running)) => {
                    match either(half.recv(), &mut running.task).await {
                        Either::First(received) => received,
                        Either::Second(sent) => {
                            self.uploaded(sent.unwrap_or_else(|_| {
                                Err(UploadError::Body(BodyError::source("the task that sends it panicked")))
                            }))?;
                            continue;
                        }
                    }
                }
                (Wire::Half(half), _) => half.recv().await,
                (Wire::None, _) => return Err(ClientError::new(Kind::Closed)),
            };
            break received;
        };
        match lease {
            Ok(lease) if lease.is_empty() && self.stalled => {
                Err(ClientError::new(Kind::Timeout(Phase::Send, Some(self.send_stall))))
            }
            Ok(lease) if lease.is_empty() => Ok(false),
            Ok(lease) => {
                self.input.push(lease)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(match self.deadline {
                Some(deadline) => deadline.error(),
                None => ClientError::new(Kind::Io(error)),
            }),
            Err(error) => Err(ClientError::new(Kind::Io(error))),
        }
    }

    /// The receive that follows tells: the peer may have answered before it stopped reading.
    fn send_failed(&mut self, error: &io::Error) {
        self.stalled |= error.kind() == io::ErrorKind::TimedOut;
        tracing::debug!(%error, "a request could not be sent to its end");
    }

    /// The task that sends the body has ended.
    fn uploaded(&mut self, sent: Result<SendHalf, UploadError>) -> Result<(), ClientError> {
        let Upload::Running(running) = std::mem::replace(&mut self.upload, Upload::Failed) else {
            return Ok(());
        };
        if self.deadline.is_none_or(|deadline| deadline.phase == Phase::Total) {
            self.set_deadline(Some(Deadline::after(running.head_timeout, Phase::Head).or(running.total)));
        }
        match sent {
            Ok(half) => self.upload = Upload::Done(half),
            Err(UploadError::Body(error)) => return Err(ClientError::new(Kind::RequestBody(error))),
            Err(UploadError::Io(error)) => self.send_failed(&error),
        }
        Ok(())
    }

    /// True if a body is on its way out, or has failed to be.
    pub(super) fn is_sending_aside(&self) -> bool {
        !matches!(self.upload, Upload::None)
    }

    /// Puts the halves together again, if the body was sent to its end. False if the connection is of no further use.
    pub(super) async fn rejoin(&mut self) -> bool {
        if let Upload::Running(running) = &mut self.upload {
            // It may have ended without anybody having looked.
            let sent = poll_fn(|cx| Poll::Ready(Pin::new(&mut running.task).poll(cx))).await;
            match sent {
                Poll::Ready(Ok(Ok(half))) => self.upload = Upload::Done(half),
                _ => return false,
            }
        }
        let wire = std::mem::replace(&mut self.wire, Wire::None);
        match (wire, std::mem::replace(&mut self.upload, Upload::None)) {
            (Wire::Half(receive), Upload::Done(send)) => match receive.rejoin(send).await {
                Ok(stream) => {
                    self.wire = Wire::Whole(stream);
                    true
                }
                Err(_) => false,
            },
            (wire, Upload::None) => {
                self.wire = wire;
                true
            }
            _ => false,
        }
    }

    /// True if it is certain that the peer's program has not read any of the last request of `bytes` bytes: see
    /// [`Stream::delivery`]. `closed` says that the peer has ended the stream in order.
    pub(super) fn is_unread_by_peer(&self, request_bytes: u64, closed: bool) -> bool {
        let (Wire::Whole(stream), Some(sent)) = (&self.wire, self.sent) else { return false };
        let Some(delivery) = stream.delivery() else { return false };
        let before = sent - request_bytes.min(sent);
        let left_us = delivery.sent > before;
        // Without an orderly end, bytes that left may have been read before the peer reset the connection.
        !left_us || (closed && delivery.acknowledged <= before)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A body that is still going out has nobody left to answer it.
        if let Upload::Running(running) = &self.upload {
            running.task.abort();
        }
    }
}

/// Why there is no head.
pub(super) struct Failure {
    pub(super) error: ClientError,
    /// Not a byte of an answer has come.
    pub(super) unanswered: bool,
    /// The peer ended the stream in order.
    pub(super) closed: bool,
}

/// Sends `head` and then `body`, and gives back the half of the stream.
async fn upload(
    mut send: SendHalf,
    head: Option<Lease>,
    mut body: Body,
    is_chunked: bool,
) -> Result<SendHalf, UploadError> {
    if let Some(head) = head {
        send.send(head).await.map_err(UploadError::Io)?;
    }
    let mut left = body.len();
    while let Some(chunk) = body.chunk().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                // Cut off, so that the peer does not take it for the whole.
                let _gone = send.shutdown(corelane_runtime::net::Shutdown::Both);
                return Err(UploadError::Body(error));
            }
        };
        if let Some(left) = &mut left {
            *left = left.saturating_sub(chunk.len() as u64);
        }
        match NonZeroU64::new(chunk.len() as u64) {
            Some(len) if is_chunked => {
                let mut line = Lease::take(SizeLine::new(len).as_bytes().len())
                    .map_err(|error| UploadError::Io(error.into()))?;
                line.extend_from_slice(SizeLine::new(len).as_bytes())
                    .map_err(|error| UploadError::Io(error.into()))?;
                let mut chunks = Chunks::new();
                chunks.push(Chunk::Lease(line));
                chunks.push(chunk);
                chunks.push(Chunk::from(CHUNK_END));
                send.send_vectored(chunks).await.map_err(UploadError::Io)?;
            }
            Some(_) => send.send(chunk).await.map_err(UploadError::Io)?,
            None => {}
        }
    }
    if is_chunked {
        send.send(LAST_CHUNK).await.map_err(UploadError::Io)?;
    }
    Ok(send)
}

enum Either<A, B> {
    First(A),
    Second(B),
}

/// Whichever is ready first; `second` may be polled again later.
async fn either<A, B>(
    first: impl Future<Output = A>,
    second: &mut (impl Future<Output = B> + Unpin),
) -> Either<A, B> {
    let mut first = pin!(first);
    poll_fn(|cx| {
        if let Poll::Ready(ready) = first.as_mut().poll(cx) {
            return Poll::Ready(Either::First(ready));
        }
        Pin::new(&mut *second).poll(cx).map(Either::Second)
    })
    .await
}
