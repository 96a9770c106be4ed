//! Bytes to replies.

use bytes::{Bytes, BytesMut};

use super::error::DecodeError;
use super::limits::Limits;
use super::number::{double, integer, is_big_number, length};
use super::value::{ErrorReply, Value};

/// Bytes that one element takes on the wire at least: `_`, CR, LF. What has been received bounds by
/// this what may be allocated for an aggregate before its elements are there.
const ELEMENT_BYTES_MIN: usize = 3;

/// Bytes allocated for a string ahead of what has been received of it.
const AHEAD_BYTES_MAX: usize = 256 * 1024;

/// What the decoder gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The reply to the oldest command that has none yet.
    Value(Value),
    /// A message that answers no command (RESP3): pub/sub, invalidation.
    Push(Vec<Value>),
}

/// An incremental decoder. It keeps what it has read of an unfinished reply, so no byte is looked
/// at twice however the input is cut, and it never recurses.
///
/// Small strings are copied out of the input rather than shared with it: a value that is kept for
/// an hour must not keep a receive buffer for an hour.
///
/// ```
/// use corelane_storage_proto::resp::{Decoder, Reply, Value};
///
/// let mut decoder = Decoder::default();
/// let mut input: &[u8] = b"+OK\r\n:1\r\n$3\r\nab";
/// assert!(matches!(decoder.decode(&mut input), Ok(Some(Reply::Value(value))) if value.is_ok()));
/// assert_eq!(decoder.decode(&mut input), Ok(Some(Reply::Value(Value::Int(1)))));
/// assert_eq!(decoder.decode(&mut input), Ok(None));
/// assert!(input.is_empty() && !decoder.is_between_replies());
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    /// Unfinished aggregates, outermost first. Invariant: at most `limits.depth_max`, and none that
    /// is complete.
    open: Vec<Open>,
    partial: Partial,
    /// Bytes of the current reply that were read or announced. Invariant: at most
    /// `limits.reply_bytes_max`.
    bytes: usize,
    /// Elements of the current reply that were announced. Invariant: at most `limits.elements_max`.
    elements: usize,
    /// The first error. What follows it cannot be told apart any more.
    failed: bool,
}

/// A line or string of which the end has not come.
#[derive(Debug, Default)]
enum Partial {
    #[default]
    None,
    /// A line from its type byte on; never holds an LF.
    Line(Vec<u8>),
    /// A string; `missing` counts the CR LF behind it as well.
    Blob { kind: Blob, bytes: BytesMut, missing: usize },
}

#[derive(Clone, Copy, Debug)]
enum Blob {
    Bulk,
    Error,
    Verbatim,
}

/// An aggregate whose elements are coming.
#[derive(Debug)]
struct Open {
    /// Elements to come. A pair is two.
    left: usize,
    items: Items,
}

#[derive(Debug)]
enum Items {
    Array(Vec<Value>),
    Set(Vec<Value>),
    Map(Vec<(Value, Value)>, Option<Value>),
    Push(Vec<Value>),
    /// Thrown away as they come.
    Attribute,
}

/// What a line was.
enum Line {
    Value(Value),
    Blob(Blob, usize),
    Open(Items, usize),
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new(limits: Limits) -> Decoder {
        Decoder { limits, ..Decoder::default() }
    }

    /// True if no part of a reply is held: the stream may end here.
    pub fn is_between_replies(&self) -> bool {
        self.open.is_empty() && matches!(self.partial, Partial::None)
    }

    /// Reads the next reply from the front of `input`. `None` if it is not complete: all of `input` is
    /// consumed then, and the next call goes on with what comes after it.
    ///
    /// # Errors
    /// [`DecodeError`] if this is no RESP or beyond the limits; every further call gives
    /// [`DecodeError::Poisoned`].
    #[inline]
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Reply>, DecodeError> {
        if self.failed {
            return Err(DecodeError::Poisoned);
        }
        let reply = self.next(input);
        self.failed = reply.is_err();
        reply
    }

    fn next(&mut self, input: &mut &[u8]) -> Result<Option<Reply>, DecodeError> {
        while let Some(value) = self.scalar(input)? {
            if let Some(reply) = self.place(value) {
                self.bytes = 0;
                self.elements = 0;
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// Reads up to the next value that is no aggregate, or is an empty one.
    fn scalar(&mut self, input: &mut &[u8]) -> Result<Option<Value>, DecodeError> {
        loop {
            match std::mem::take(&mut self.partial) {
                Partial::None => {
                    let whole = *input;
                    let Some(&first) = whole.first() else { return Ok(None) };
                    if !is_type(first) {
                        return Err(DecodeError::TypeUnknown(first));
                    }
                    let Some(end) = line_end(whole)? else {
                        self.count(whole.len())?;
                        self.check_line(unended(whole))?;
                        self.partial = Partial::Line(whole.to_vec());
                        *input = &[];
                        return Ok(None);
                    };
                    self.check_line(end)?;
                    self.count(end + 2)?;
                    *input = &whole[end + 2..];
                    let line = parse_line(&whole[..end])?;
                    if let Some(value) = self.take_line(line, input)? {
                        return Ok(Some(value));
                    }
                }
                Partial::Line(mut line) => {
                    let Some(at) = memchr::memchr(b'\n', input) else {
                        self.count(input.len())?;
                        line.extend_from_slice(input);
                        *input = &[];
                        check_cr(&line)?;
                        self.check_line(unended(&line))?;
                        self.partial = Partial::Line(line);
                        return Ok(None);
                    };
                    self.count(at + 1)?;
                    line.extend_from_slice(&input[..at]);
                    *input = &input[at + 1..];
                    if line.pop() != Some(b'\r') || line.contains(&b'\r') {
                        return Err(DecodeError::LineEnding);
                    }
                    self.check_line(line.len())?;
                    let line = parse_line(&line)?;
                    if let Some(value) = self.take_line(line, input)? {
                        return Ok(Some(value));
                    }
                }
                Partial::Blob { kind, mut bytes, missing } => {
                    let n = missing.min(input.len());
                    reserve(&mut bytes, n, missing);
                    bytes.extend_from_slice(&input[..n]);
                    *input = &input[n..];
                    if n < missing {
                        self.partial = Partial::Blob { kind, bytes, missing: missing - n };
                        return Ok(None);
                    }
                    if !bytes.ends_with(b"\r\n") {
                        return Err(DecodeError::StringEnding);
                    }
                    bytes.truncate(bytes.len() - 2);
                    return blob_value(kind, bytes.freeze()).map(Some);
                }
            }
        }
    }

    /// Goes on from a line: a value at once, or what has to be read next is noted.
    #[inline]
    fn take_line(&mut self, line: Line, input: &mut &[u8]) -> Result<Option<Value>, DecodeError> {
        match line {
            Line::Value(value) => Ok(Some(value)),
            Line::Blob(kind, len) => {
                let total = len.saturating_add(2);
                self.count(total)?;
                let Some(whole) = input.get(..total) else {
                    self.partial = Partial::Blob { kind, bytes: BytesMut::new(), missing: total };
                    return Ok(None);
                };
                *input = &input[total..];
                let (text, end) = whole.split_at(len);
                if end != b"\r\n" {
                    return Err(DecodeError::StringEnding);
                }
                blob_value(kind, Bytes::copy_from_slice(text)).map(Some)
            }
            Line::Open(items, count) => self.open(items, count, input.len()),
        }
    }

    /// An aggregate begins; an empty one is a value already.
    fn open(&mut self, mut items: Items, count: usize, here: usize) -> Result<Option<Value>, DecodeError> {
        let pairs = matches!(items, Items::Map(..) | Items::Attribute);
        let left = if pairs { count.saturating_mul(2) } else { count };
        self.elements = self.elements.saturating_add(left);
        if self.elements > self.limits.elements_max {
            return Err(DecodeError::TooManyElements { max: self.limits.elements_max });
        }
        if matches!(items, Items::Push(_)) && !self.open.is_empty() {
            return Err(DecodeError::PushInside);
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(DecodeError::TooDeep { max: self.limits.depth_max });
        }
        if left == 0 {
            match items {
                Items::Array(_) => return Ok(Some(Value::Array(Vec::new()))),
                Items::Set(_) => return Ok(Some(Value::Set(Vec::new()))),
                Items::Map(..) => return Ok(Some(Value::Map(Vec::new()))),
                Items::Attribute => return Ok(None),
                // An empty push says nothing; it is refused rather than given a meaning.
                Items::Push(_) => return Err(DecodeError::LengthInvalid),
            }
        }
        let room = left.min(here / ELEMENT_BYTES_MIN + 1);
        match &mut items {
            Items::Array(values) | Items::Set(values) | Items::Push(values) => values.reserve_exact(room),
            Items::Map(pairs, _) => pairs.reserve_exact(room.div_ceil(2)),
            Items::Attribute => {}
        }
        self.open.push(Open { left, items });
        Ok(None)
    }

    /// Puts a value where it belongs; gives the reply if that completes it.
    #[inline]
    fn place(&mut self, mut value: Value) -> Option<Reply> {
        loop {
            let Some(open) = self.open.last_mut() else { return Some(Reply::Value(value)) };
            open.left -= 1;
            match &mut open.items {
                Items::Array(values) | Items::Set(values) | Items::Push(values) => values.push(value),
                Items::Map(pairs, key) => match key.take() {
                    Some(key) => pairs.push((key, value)),
                    None => *key = Some(value),
                },
                Items::Attribute => {}
            }
            if open.left > 0 {
                return None;
            }
            value = match self.open.pop()?.items {
                Items::Array(values) => Value::Array(values),
                Items::Set(values) => Value::Set(values),
                Items::Map(pairs, _) => Value::Map(pairs),
                Items::Push(values) => return Some(Reply::Push(values)),
                // What it is about comes next.
                Items::Attribute => return None,
            };
        }
    }

    #[inline]
    fn count(&mut self, n: usize) -> Result<(), DecodeError> {
        self.bytes = self.bytes.saturating_add(n);
        if self.bytes > self.limits.reply_bytes_max {
            return Err(DecodeError::TooManyBytes { max: self.limits.reply_bytes_max });
        }
        Ok(())
    }

    #[inline]
    fn check_line(&self, len: usize) -> Result<(), DecodeError> {
        if len > self.limits.line_bytes_max {
            return Err(DecodeError::LineTooLong { max: self.limits.line_bytes_max });
        }
        Ok(())
    }
}

/// Where the line at the front of `input` ends: the place of its CR.
#[inline]
fn line_end(input: &[u8]) -> Result<Option<usize>, DecodeError> {
    // Most lines are a type and a few digits: a loop finds their end before memchr has set off.
    let near = input.len().min(16);
    let cr = match input[..near].iter().position(|&byte| byte <= b'\r') {
        Some(at) if input[at] == b'\r' => at,
        Some(at) if input[at] == b'\n' => return Err(DecodeError::LineEnding),
        // Another control byte, or nothing nearby: the long way.
        found => {
            let from = found.unwrap_or(near);
            match memchr::memchr2(b'\r', b'\n', &input[from..]) {
                Some(at) if input[from + at] == b'\r' => from + at,
                Some(_) => return Err(DecodeError::LineEnding),
                None => return Ok(None),
            }
        }
    };
    match input.get(cr + 1) {
        Some(b'\n') => Ok(Some(cr)),
        Some(_) => Err(DecodeError::LineEnding),
        None => Ok(None),
    }
}

/// True for the bytes that start a reply, so that garbage is refused before it ends.
#[inline]
fn is_type(byte: u8) -> bool {
    matches!(
        byte,
        b'$' | b':'
            | b'+'
            | b'*'
            | b'-'
            | b'_'
            | b'#'
            | b','
            | b'('
            | b'!'
            | b'='
            | b'~'
            | b'%'
            | b'|'
            | b'>'
            | b';'
            | b'.'
    )
}

/// Bytes of an unfinished line, less the CR that its end has begun with.
fn unended(line: &[u8]) -> usize {
    line.len() - usize::from(line.ends_with(b"\r"))
}

/// A CR may stand only at the end of an unfinished line.
fn check_cr(line: &[u8]) -> Result<(), DecodeError> {
    match memchr::memchr(b'\r', line) {
        Some(at) if at + 1 < line.len() => Err(DecodeError::LineEnding),
        _ => Ok(()),
    }
}

/// Room for `n` bytes that are here, and some for those that are not.
fn reserve(bytes: &mut BytesMut, n: usize, missing: usize) {
    if bytes.capacity() - bytes.len() < n {
        // Doubling, so that a large string is moved a few times and not once per receive.
        let ahead = missing.min(bytes.len().max(AHEAD_BYTES_MAX)).max(n);
        bytes.reserve(ahead);
    }
}

#[inline]
fn parse_line(line: &[u8]) -> Result<Line, DecodeError> {
    let Some((&kind, text)) = line.split_first() else { return Err(DecodeError::LineEnding) };
    Ok(match kind {
        b'$' if text == b"-1" => Line::Value(Value::Null),
        b'$' => Line::Blob(Blob::Bulk, length(text)?),
        b':' => Line::Value(Value::Int(integer(text).ok_or(DecodeError::NumberInvalid)?)),
        b'+' => Line::Value(Value::Status(status(text))),
        b'*' if text == b"-1" => Line::Value(Value::Null),
        b'*' => Line::Open(Items::Array(Vec::new()), length(text)?),
        b'-' => Line::Value(Value::Error(ErrorReply::new(Bytes::copy_from_slice(text)))),
        b'_' if text.is_empty() => Line::Value(Value::Null),
        b'#' if text == b"t" => Line::Value(Value::Bool(true)),
        b'#' if text == b"f" => Line::Value(Value::Bool(false)),
        b'_' | b'#' => return Err(DecodeError::ScalarInvalid),
        b',' => Line::Value(Value::Double(double(text).ok_or(DecodeError::NumberInvalid)?)),
        b'(' if is_big_number(text) => Line::Value(Value::BigNumber(Bytes::copy_from_slice(text))),
        b'(' => return Err(DecodeError::NumberInvalid),
        b'!' => Line::Blob(Blob::Error, length(text)?),
        b'=' => Line::Blob(Blob::Verbatim, length(text)?),
        b'~' => Line::Open(Items::Set(Vec::new()), length(text)?),
        b'%' => Line::Open(Items::Map(Vec::new(), None), length(text)?),
        b'|' => Line::Open(Items::Attribute, length(text)?),
        b'>' => Line::Open(Items::Push(Vec::new()), length(text)?),
        b';' | b'.' => return Err(DecodeError::Streamed),
        other => return Err(DecodeError::TypeUnknown(other)),
    })
}

/// The statuses of the hot path cost no allocation.
fn status(text: &[u8]) -> Bytes {
    match text {
        b"OK" => Bytes::from_static(b"OK"),
        b"QUEUED" => Bytes::from_static(b"QUEUED"),
        b"PONG" => Bytes::from_static(b"PONG"),
        other => Bytes::copy_from_slice(other),
    }
}

#[inline]
fn blob_value(kind: Blob, bytes: Bytes) -> Result<Value, DecodeError> {
    Ok(match kind {
        Blob::Bulk => Value::Bulk(bytes),
        Blob::Error => Value::Error(ErrorReply::new(bytes)),
        Blob::Verbatim => match *bytes {
            [a, b, c, b':', ..] => Value::Verbatim { format: [a, b, c], text: bytes.slice(4..) },
            _ => return Err(DecodeError::VerbatimInvalid),
        },
    })
}
