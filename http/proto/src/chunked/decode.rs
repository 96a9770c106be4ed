//! The decoder: a machine over slices that remembers where in the coding the next byte stands.

use core::ops::Range;

use super::extension::{Extension, Next};
use super::{ChunkError, trailer};

/// Bounds of a chunked body that do not depend on how many data it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    /// Longest size line, in bytes, extensions included, its CRLF not. Default 256: a signature of
    /// an object store takes 85.
    pub size_line_bytes_max: u16,
    /// Most bytes of all trailer lines together, with their CRLFs and the blank line. Default 8 KiB,
    /// half of what a head gets. A trailer line has to fit the caller's buffer as a whole.
    pub trailer_bytes_max: u16,
    /// How many bytes of size lines may come beyond 16 and twice the data of each chunk, in bytes over the whole
    /// body. Default 16 KiB. The bound of each line alone would let a peer make us read 250 bytes
    /// for every byte of body; the allowance is the one of Go's `net/http` (CVE-2023-39326) and
    /// lets an honest peer send chunks of a single byte for ever.
    pub overhead_bytes_max: u32,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self { size_line_bytes_max: 256, trailer_bytes_max: 8 * 1024, overhead_bytes_max: 16 * 1024 }
    }
}

/// What the decoder found at the front of its input. All positions count from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// No event yet. The first `consumed` bytes are done with; pass the rest again, with more behind it.
    /// Something is left over only in the trailers, which are read by whole lines.
    NeedMore {
        /// Bytes not to be passed again.
        consumed: usize,
    },
    /// `input[skip..skip + len]` is data of the body, `len` at least 1. All `skip + len` bytes are consumed.
    Data {
        /// Framing in front of the data, in bytes.
        skip: usize,
        /// Length of the data in bytes.
        len: usize,
    },
    /// One trailer field. It stands apart from the fields of the head and must not be merged into them (RFC 9110 §6.5.1).
    Trailer {
        /// Bytes not to be passed again, the line end included.
        consumed: usize,
        /// Where the name is in the input: a token in the peer's spelling.
        name: Range<usize>,
        /// Where the value is in the input, without white space around it.
        value: Range<usize>,
    },
    /// The body is complete; what follows `consumed` belongs to the next message.
    End {
        /// Bytes not to be passed again.
        consumed: usize,
    },
}

/// Decodes one chunked body (RFC 9112 §7.1).
///
/// Pass it what has been received, act on the [`Step`], pass what was not consumed, until
/// [`Step::End`]. However the input is cut, data and trailers are the same.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    /// Bytes of size lines not yet outweighed by data. Invariant: at most `limits.overhead_bytes_max` between chunks.
    overhead: u32,
    limits: ChunkLimits,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Reading the digits of a size.
    Size {
        value: u64,
        digits: u8,
    },
    /// Reading extensions. `line` counts the bytes of the size line so far.
    Extensions {
        value: u64,
        line: u16,
        at: Extension,
    },
    /// The CR of a size line is read.
    SizeLineFeed {
        value: u64,
        line: u16,
    },
    /// `left` data bytes of a chunk are to come, at least 1.
    Data {
        left: u64,
    },
    /// The data of a chunk are read, its CRLF is not.
    DataReturn,
    DataLineFeed,
    /// Reading trailers. `used` bytes of them are consumed; of those passed again, the first
    /// `scanned` are known to hold no LF.
    Trailers {
        used: u16,
        scanned: u16,
    },
    Done,
    Failed(ChunkError),
}

const DIGITS_MAX: u8 = 16;
const _: () = assert!(DIGITS_MAX as u32 * 4 == u64::BITS, "16 digits fill a u64 and cannot overflow it");

impl State {
    const NEXT_CHUNK: Self = Self::Size { value: 0, digits: 0 };
}

impl Decoder {
    /// A decoder at the beginning of a body.
    #[must_use]
    pub fn new(limits: ChunkLimits) -> Self {
        Self { state: State::NEXT_CHUNK, overhead: 0, limits }
    }

    /// True once [`Step::End`] was returned.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Reads on at the front of `input`.
    ///
    /// After [`Step::End`] it consumes nothing and says `End` again.
    ///
    /// # Errors
    /// As [`ChunkError`] tells. An error is final: it is returned again whatever the input.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, ChunkError> {
        let step = self.advance(input);
        if let Err(error) = step {
            self.state = State::Failed(error);
        }
        step
    }

    fn advance(&mut self, input: &[u8]) -> Result<Step, ChunkError> {
        let mut at = 0;
        loop {
            match self.state {
                State::Data { left } => return Ok(self.data(input, at, left)),
                State::Trailers { used, scanned } => return self.trailer(input, at, used, scanned),
                State::Done => return Ok(Step::End { consumed: at }),
                State::Failed(error) => return Err(error),
                _ => {}
            }
            let Some(&byte) = input.get(at) else {
                return Ok(Step::NeedMore { consumed: at });
            };
            self.state = self.framing_byte(byte)?;
            at += 1;
        }
    }

    /// The state after one byte of a size line, or of the CRLF behind the data.
    #[inline]
    fn framing_byte(&mut self, byte: u8) -> Result<State, ChunkError> {
        match self.state {
            State::Size { value, digits } => self.size_byte(value, digits, byte),
            State::Extensions { value, line, at } => {
                // The CR is not counted, and a line that is too long is so before it ends.
                Ok(match at.next(byte)? {
                    Next::LineEnd => State::SizeLineFeed { value, line },
                    Next::Within(_) if line >= self.limits.size_line_bytes_max => {
                        return Err(ChunkError::SizeLineTooLong);
                    }
                    Next::Within(at) => State::Extensions { value, line: line + 1, at },
                })
            }
            State::SizeLineFeed { value, line } => {
                if byte != b'\n' {
                    return Err(ChunkError::BareLineEnd);
                }
                self.count_overhead(line, value)?;
                Ok(match value {
                    0 => State::Trailers { used: 0, scanned: 0 },
                    left => State::Data { left },
                })
            }
            State::DataReturn if byte == b'\r' => Ok(State::DataLineFeed),
            State::DataLineFeed if byte == b'\n' => Ok(State::NEXT_CHUNK),
            State::DataReturn | State::DataLineFeed => Err(ChunkError::DataUnterminated),
            State::Data { .. } | State::Trailers { .. } | State::Done | State::Failed(_) => {
                unreachable!("handled before a byte is taken")
            }
        }
    }

    fn size_byte(&self, value: u64, digits: u8, byte: u8) -> Result<State, ChunkError> {
        let line = u16::from(digits);
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if digits == 0 => return Err(ChunkError::SizeMissing),
            b'\r' => return Ok(State::SizeLineFeed { value, line }),
            b'\n' => return Err(ChunkError::BareLineEnd),
            // The limit is looked at with the next byte: no line ends here.
            b';' => return Ok(State::Extensions { value, line: line + 1, at: Extension::Start }),
            _ => return Err(ChunkError::SizeNotHex),
        };
        if digits == DIGITS_MAX {
            return Err(ChunkError::SizeTooLong);
        }
        if line >= self.limits.size_line_bytes_max {
            return Err(ChunkError::SizeLineTooLong);
        }
        Ok(State::Size { value: value << 4 | u64::from(digit), digits: digits + 1 })
    }

    /// Weighs a finished size line of `line` bytes against the `data` bytes it announces.
    fn count_overhead(&mut self, line: u16, data: u64) -> Result<(), ChunkError> {
        const LINE_ENDS: u32 = 4;
        const ALLOWANCE: u32 = 16;
        let credit = u32::try_from(data.saturating_mul(2)).unwrap_or(u32::MAX).saturating_add(ALLOWANCE);
        let overhead = self.overhead.saturating_add(u32::from(line) + LINE_ENDS);
        self.overhead = overhead.saturating_sub(credit);
        if self.overhead > self.limits.overhead_bytes_max { Err(ChunkError::Overhead) } else { Ok(()) }
    }

    fn data(&mut self, input: &[u8], skip: usize, left: u64) -> Step {
        let available = input.len() - skip;
        if available == 0 {
            return Step::NeedMore { consumed: skip };
        }
        let len = usize::try_from(left).map_or(available, |left| left.min(available));
        let left = left - len as u64;
        self.state = if left == 0 { State::DataReturn } else { State::Data { left } };
        Step::Data { skip, len }
    }

    /// Reads one trailer line, or the blank line that ends the body, at `input[start..]`.
    fn trailer(&mut self, input: &[u8], start: usize, used: u16, scanned: u16) -> Result<Step, ChunkError> {
        let rest = &input[start..];
        let room = self.limits.trailer_bytes_max - used;
        let within = &rest[..rest.len().min(usize::from(room))];
        // A caller that passes less than it was told to keep merely makes us search from the front.
        let unseen = within.get(usize::from(scanned)..).map_or(0, |_| usize::from(scanned));
        let Some(line_feed) = memchr::memchr(b'\n', &within[unseen..]) else {
            return match u16::try_from(rest.len()) {
                Ok(scanned) if scanned < room => {
                    self.state = State::Trailers { used, scanned };
                    Ok(Step::NeedMore { consumed: start })
                }
                _ => Err(ChunkError::TrailersTooLarge),
            };
        };
        let line_bytes = unseen + line_feed + 1;
        let Some(line) = within[..line_bytes].strip_suffix(b"\r\n") else {
            return Err(ChunkError::BareLineEnd);
        };
        let consumed = start + line_bytes;
        if line.is_empty() {
            self.state = State::Done;
            return Ok(Step::End { consumed });
        }
        let (name, value) = trailer::split(line)?;
        let line_bytes = u16::try_from(line_bytes).expect("a line lies within the room, which is a u16");
        self.state = State::Trailers { used: used + line_bytes, scanned: 0 };
        Ok(Step::Trailer {
            consumed,
            name: start + name.start..start + name.end,
            value: start + value.start..start + value.end,
        })
    }
}
