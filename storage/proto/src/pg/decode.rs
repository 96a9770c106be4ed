//! Bytes to messages.

use postgres_protocol::message::backend::Header;

use super::error::DecodeError;
use super::limits::Limits;
use super::message::Message;

/// Bytes of a message's type and length.
const HEADER: usize = 5;

/// Bytes allocated for a message ahead of what has been received of it.
const AHEAD_BYTES_MAX: usize = 256 * 1024;

/// Most that is kept allocated between messages, in bytes.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// An incremental decoder. A message that lies whole in the input is read where it is; the parts of one that was cut
/// are kept, so that no byte is looked at twice however the input is cut. It never recurses, and what it allocates is
/// bounded by what was received, not by what was announced.
///
/// ```
/// use corelane_storage_proto::pg::{Decoder, Message};
///
/// let mut decoder = Decoder::default();
/// let mut input: &[u8] = b"D\0\0\0\x0f\0\x02\0\0\0\x01x\xff\xff\xff\xff";
/// match decoder.decode(&mut input) {
///     Ok(Some(Message::Row(row))) => assert!(row.values().eq([Some(&b"x"[..]), None])),
///     other => panic!("{other:?}"),
/// }
/// assert!(decoder.is_between_messages());
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    /// A message of which the end has not come, from its first byte on; the last message, if `is_given`.
    held: Vec<u8>,
    /// What is held was given out whole and is not wanted any more.
    is_given: bool,
    /// A message was malformed. Where the next one starts is not known.
    failed: bool,
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new(limits: Limits) -> Decoder {
        Decoder { limits, ..Decoder::default() }
    }

    /// True if no part of a message is held: the stream may end here.
    pub fn is_between_messages(&self) -> bool {
        self.held.is_empty() || self.is_given
    }

    /// Reads the next message from the front of `input`. `None` if it is not complete: all of `input` is consumed then,
    /// and the next call goes on with what comes after it.
    ///
    /// # Errors
    /// [`DecodeError`] if this is no message or beyond the limits; every further call gives [`DecodeError::Poisoned`].
    #[inline]
    pub fn decode<'m, 'i: 'm>(
        &'m mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Message<'m>>, DecodeError> {
        let Decoder { limits, held, is_given, failed } = self;
        if *failed {
            return Err(DecodeError::Poisoned);
        }
        if std::mem::take(is_given) {
            held.clear();
            held.shrink_to(KEPT_BYTES_MAX);
        }
        let decoded =
            if held.is_empty() { whole(limits, held, input) } else { cut(limits, held, is_given, input) };
        if decoded.is_err() {
            *failed = true;
        }
        decoded
    }
}

/// No part of the message was received before.
#[inline]
fn whole<'m, 'i: 'm>(
    limits: &Limits,
    held: &mut Vec<u8>,
    input: &mut &'i [u8],
) -> Result<Option<Message<'m>>, DecodeError> {
    let here = *input;
    let Some(&tag) = here.first() else { return Ok(None) };
    let total = total_len(here, limits)?;
    if let Some(total) = total
        && let Some((message, rest)) = here.split_at_checked(total)
    {
        *input = rest;
        return Message::parse(tag, &message[HEADER..]).map(Some);
    }
    hold(held, here, total.unwrap_or(HEADER));
    *input = &[];
    Ok(None)
}

/// Part of the message was received before.
fn cut<'m>(
    limits: &Limits,
    held: &'m mut Vec<u8>,
    is_given: &mut bool,
    input: &mut &[u8],
) -> Result<Option<Message<'m>>, DecodeError> {
    take(held, input, HEADER);
    let Some(total) = total_len(held, limits)? else { return Ok(None) };
    take(held, input, total);
    if held.len() < total {
        return Ok(None);
    }
    *is_given = true;
    Message::parse(held[0], &held[HEADER..]).map(Some)
}

/// Moves bytes from `input` to what is held, until that is `total` long.
fn take(held: &mut Vec<u8>, input: &mut &[u8], total: usize) {
    let n = total.saturating_sub(held.len()).min(input.len());
    let (now, rest) = input.split_at(n);
    hold(held, now, total);
    *input = rest;
}

/// Appends `bytes` to what is held of a message of `total` bytes.
fn hold(held: &mut Vec<u8>, bytes: &[u8], total: usize) {
    if held.capacity() - held.len() < bytes.len() {
        // Doubling, so that a large message is moved a few times and not once per receive.
        let missing = total.saturating_sub(held.len());
        held.reserve_exact(missing.min(held.len().max(AHEAD_BYTES_MAX)).max(bytes.len()));
    }
    held.extend_from_slice(bytes);
}

/// Length of the message at the front, once its header is there. A wrong one is refused as soon as it can be told.
#[inline]
fn total_len(bytes: &[u8], limits: &Limits) -> Result<Option<usize>, DecodeError> {
    let Some(&tag) = bytes.first() else { return Ok(None) };
    let size = Size::of(tag)?;
    let Some(length) = bytes.get(1..HEADER).and_then(|length| length.first_chunk::<4>()) else {
        return Ok(None);
    };
    let invalid = DecodeError::LengthInvalid { tag, length: i32::from_be_bytes(*length) };
    let Ok(Some(header)) = Header::parse(bytes) else { return Err(invalid) };
    let Ok(length) = usize::try_from(header.len()) else { return Err(invalid) };
    let max = match size {
        Size::Exactly(exactly) if length == exactly => return Ok(Some(length + 1)),
        Size::Exactly(_) => return Err(invalid),
        Size::Data => limits.message_bytes_max,
        Size::Control => limits.control_bytes_max,
    };
    if length > max { Err(DecodeError::TooManyBytes { tag, max }) } else { Ok(Some(length + 1)) }
}

/// How long a message may be, by its type.
enum Size {
    /// Exactly so many bytes, the length field included.
    Exactly(usize),
    /// Up to [`Limits::message_bytes_max`].
    Data,
    /// Up to [`Limits::control_bytes_max`].
    Control,
}

impl Size {
    /// Replication's and function calls' messages are not known: nothing here asks for them.
    #[inline]
    fn of(tag: u8) -> Result<Size, DecodeError> {
        Ok(match tag {
            b'D' | b'd' | b'E' | b'N' => Size::Data,
            b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'c' => Size::Exactly(4),
            b'Z' => Size::Exactly(5),
            b'A' | b'C' | b'G' | b'H' | b'K' | b'R' | b'S' | b'T' | b't' | b'v' => Size::Control,
            other => return Err(DecodeError::TypeUnknown(other)),
        })
    }
}
