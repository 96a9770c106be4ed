//! The body of an answer, read from its connection when it is asked for.

use std::time::Duration;

use corelane_http_proto::chunked::{Decoder, Step};
use corelane_http_proto::head::ResponseFraming;
use corelane_runtime::buf::Chunk;

use super::connection::Deadline;
use super::error::{ClientError, Kind, Phase};
use super::pool::Pooled;
use super::settings::Settings;
use crate::response::Headers;

/// Bytes of an answer that nobody wants, read on so that its connection can be used again, in bytes.
const DRAIN_MAX: usize = 64 * 1024;

/// What is left of an answer.
pub(super) struct Reader {
    /// `None` once the body has ended, and so no more is to be had from the connection.
    pooled: Option<Pooled>,
    rest: Rest,
    /// A body that was at hand with its head.
    ready: Option<Chunk>,
    /// True if the connection can serve another request once the body has ended.
    reusable: bool,
    idle_timeout: Duration,
    total: Option<Deadline>,
    trailers: Headers,
}

enum Rest {
    Ended,
    Length(u64),
    Chunked(Decoder),
    UntilClose,
}

impl Reader {
    /// The body behind a head that was just taken off `pooled`.
    pub(super) fn new(
        pooled: Pooled,
        framing: ResponseFraming,
        reusable: bool,
        settings: &Settings,
        total: Option<Deadline>,
    ) -> Reader {
        let rest = match framing {
            ResponseFraming::None | ResponseFraming::Length(0) => Rest::Ended,
            ResponseFraming::Length(len) => Rest::Length(len),
            ResponseFraming::Chunked => Rest::Chunked(Decoder::new(settings.chunk_limits)),
            ResponseFraming::UntilClose | ResponseFraming::Tunnel => Rest::UntilClose,
        };
        let mut reader = Reader {
            pooled: Some(pooled),
            rest,
            ready: None,
            reusable,
            idle_timeout: settings.idle_timeout,
            total,
            trailers: Headers::new(),
        };
        reader.take_whole();
        reader
    }

    /// Gives the connection back at once if the whole body is at hand: whoever holds the answer holds no connection.
    fn take_whole(&mut self) {
        let Some(pooled) = &mut self.pooled else { return };
        if let Rest::Length(len) = self.rest {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            if pooled.connection.input.bytes().len() < len {
                return;
            }
            self.ready = Some(Chunk::View(pooled.connection.input.take(len)));
            self.rest = Rest::Ended;
        }
        if matches!(self.rest, Rest::Ended)
            && (!self.reusable || !pooled.connection.is_sending_aside())
            && let Some(pooled) = self.pooled.take()
        {
            self.release(pooled);
        }
    }

    /// Bytes that follow an answer were not asked for: whoever sent them is not understood any more.
    fn release(&self, pooled: Pooled) {
        if self.reusable && pooled.connection.input.bytes().is_empty() {
            pooled.put_back();
        }
    }

    /// Length of what is left, in bytes, if it is known.
    pub(super) fn len(&self) -> Option<u64> {
        match (&self.ready, &self.rest) {
            (Some(chunk), _) => Some(chunk.len() as u64),
            (None, Rest::Ended) => Some(0),
            (None, Rest::Length(len)) => Some(*len),
            (None, Rest::Chunked(_) | Rest::UntilClose) => None,
        }
    }

    /// Fields behind a chunked body; empty before its end.
    pub(super) fn trailers(&self) -> &Headers {
        &self.trailers
    }

    /// The next bytes; `None` at the end, and after an error.
    pub(super) async fn chunk(&mut self) -> Option<Result<Chunk, ClientError>> {
        if let Some(chunk) = self.ready.take() {
            return Some(Ok(chunk));
        }
        match self.next().await {
            Ok(Some(chunk)) => Some(Ok(chunk)),
            Ok(None) => {
                self.rest = Rest::Ended;
                if let Some(mut pooled) = self.pooled.take()
                    && (!pooled.connection.is_sending_aside() || pooled.connection.rejoin().await)
                {
                    self.release(pooled);
                }
                None
            }
            Err(error) => {
                self.rest = Rest::Ended;
                self.pooled = None;
                Some(Err(error))
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Chunk>, ClientError> {
        let Some(Pooled { connection, .. }) = &mut self.pooled else { return Ok(None) };
        // The deadline of each receive, told once: the time between calls is the caller's.
        let mut more = connection.input.bytes().is_empty();
        loop {
            if more {
                let deadline = Deadline::after(self.idle_timeout, Phase::Body).or(self.total);
                connection.set_deadline(Some(deadline));
                if matches!(self.rest, Rest::Ended) {
                    return Ok(None);
                }
                if !connection.receive().await? {
                    return match self.rest {
                        Rest::UntilClose => {
                            self.reusable = false;
                            Ok(None)
                        }
                        _ => Err(ClientError::new(Kind::Truncated)),
                    };
                }
            }
            let input = &mut connection.input;
            match &mut self.rest {
                Rest::Ended => return Ok(None),
                Rest::Length(left) => {
                    let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.bytes().len());
                    *left -= len as u64;
                    if *left == 0 {
                        self.rest = Rest::Ended;
                    }
                    return Ok(Some(Chunk::View(input.take(len))));
                }
                Rest::UntilClose => {
                    let len = input.bytes().len();
                    return Ok(Some(Chunk::View(input.take(len))));
                }
                Rest::Chunked(decoder) => {
                    let bytes = input.bytes();
                    match decoder.decode(bytes).map_err(|error| ClientError::new(Kind::Chunk(error)))? {
                        Step::Data { skip, len } => {
                            input.skip(skip);
                            return Ok(Some(Chunk::View(input.take(len))));
                        }
                        Step::Trailer { consumed, name, value } => {
                            let name = std::str::from_utf8(&bytes[name]).unwrap_or_default();
                            self.trailers
                                .append(name, &bytes[value])
                                .map_err(|error| ClientError::new(Kind::Header(error)))?;
                            input.skip(consumed);
                            more = input.bytes().is_empty();
                        }
                        Step::NeedMore { consumed } => more = !input.advance(consumed)?,
                        Step::End { consumed } => {
                            input.skip(consumed);
                            self.rest = Rest::Ended;
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }

    /// Reads on to the end if that is near, so that the connection can be used again.
    pub(super) async fn drain(&mut self) {
        let mut left = DRAIN_MAX;
        if self.len().is_some_and(|len| len > DRAIN_MAX as u64) {
            return;
        }
        while let Some(Ok(chunk)) = self.chunk().await {
            let Some(less) = left.checked_sub(chunk.len()) else { return };
            left = less;
        }
    }
}
