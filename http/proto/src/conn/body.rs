//! The body of a request on its way in.

use super::limits::ConnLimits;
use crate::chunked::{self, ChunkError, Decoder};
use crate::head::BodyFraming;

/// A body that has not been read to its end.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// `left` bytes are to come.
    Length {
        left: u64,
    },
    Chunked(Decoder),
}

impl Body {
    /// The body that a head announces, unless it is empty.
    #[inline]
    pub(super) fn announced(framing: BodyFraming, limits: &ConnLimits) -> Option<Self> {
        match framing {
            BodyFraming::None | BodyFraming::Length(0) => None,
            BodyFraming::Length(left) => Some(Self::Length { left }),
            BodyFraming::Chunked => Some(Self::Chunked(Decoder::new(limits.chunk))),
        }
    }

    /// True if nothing is left to read, so that only the caller has to hear of the end.
    pub(super) fn is_at_end(&self) -> bool {
        matches!(self, Self::Length { left: 0 })
    }

    /// Fewest bytes of data still to come, as far as is known.
    pub(super) fn left_min(&self) -> u64 {
        match self {
            Self::Length { left } => *left,
            Self::Chunked(_) => 0,
        }
    }

    /// What is at the front of `input`.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<chunked::Step, ChunkError> {
        match self {
            Self::Length { left: 0 } => Ok(chunked::Step::End { consumed: 0 }),
            Self::Length { .. } if input.is_empty() => Ok(chunked::Step::NeedMore { consumed: 0 }),
            Self::Length { left } => Ok(chunked::Step::Data { skip: 0, len: take(left, input.len()) }),
            Self::Chunked(decoder) => decoder.decode(input),
        }
    }

    /// Skips as much of the body as `input` holds.
    pub(super) fn skip(&mut self, input: &[u8]) -> Result<Skipped, ChunkError> {
        let decoder = match self {
            Self::Length { left } => {
                let consumed = take(left, input.len());
                return Ok(Skipped { consumed, is_end: *left == 0 });
            }
            Self::Chunked(decoder) => decoder,
        };
        let mut at = 0;
        loop {
            let (consumed, is_end, is_all) = match decoder.decode(&input[at..])? {
                chunked::Step::Data { skip, len } => (skip + len, false, false),
                chunked::Step::Trailer { consumed, .. } => (consumed, false, false),
                chunked::Step::NeedMore { consumed } => (consumed, false, true),
                chunked::Step::End { consumed } => (consumed, true, true),
            };
            at += consumed;
            if is_all {
                return Ok(Skipped { consumed: at, is_end });
            }
        }
    }
}

/// How far [`Body::skip`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Bytes of the input that are done with.
    pub(super) consumed: usize,
    /// True if the body ends with them.
    pub(super) is_end: bool,
}

/// Takes at most `available` from what is left and returns how much.
fn take(left: &mut u64, available: usize) -> usize {
    let len = usize::try_from(*left).map_or(available, |left| left.min(available));
    *left -= len as u64;
    len
}
