//! How long a message body is and what ends it (RFC 9112 §6).
//!
//! Wherever two readers of the same head could come to different lengths, the head is refused: that is the
//! door of request smuggling. The rules, and the errors that name them:
//!
//! | the head holds | answer |
//! | --- | --- |
//! | neither field | request: no body; response: until close |
//! | `Content-Length: 5`, once or repeated with the same number | 5 bytes |
//! | different numbers | [`LengthsDiffer`](HeadError::LengthsDiffer) |
//! | `+5`, `0x5`, `5, 5`, `5 5`, nothing | [`LengthInvalid`](HeadError::LengthInvalid) |
//! | more than 64 bits | [`LengthOverflow`](HeadError::LengthOverflow) |
//! | `Transfer-Encoding: chunked` in any case | chunks |
//! | the same in HTTP/1.0 | [`TransferEncodingInHttp10`](HeadError::TransferEncodingInHttp10) |
//! | both fields | [`LengthAndTransferEncoding`](HeadError::LengthAndTransferEncoding) |
//! | `gzip`, `chunked, gzip`, `chunked, chunked`, `,chunked`, nothing | [`TransferEncodingInvalid`](HeadError::TransferEncodingInvalid) |
//! | `gzip, chunked` | [`TransferCodingUnknown`](HeadError::TransferCodingUnknown) |
//!
//! ```
//! use corelane_http_proto::head::{BodyFraming, HeadError, HeadLimits, RequestHead};
//!
//! let framing = |field: &str| {
//!     let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
//!     let mut head = RequestHead::new();
//!     head.parse(input.as_bytes(), &HeadLimits::default()).map(|_| head.framing())
//! };
//! assert_eq!(framing("Content-Length: 5"), Ok(BodyFraming::Length(5)));
//! assert_eq!(framing("Transfer-Encoding: Chunked"), Ok(BodyFraming::Chunked));
//! assert_eq!(framing("Transfer-Encoding: xchunked"), Err(HeadError::TransferEncodingInvalid));
//! ```

use crate::head::{HeadError, Method, Version};

/// What follows a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyFraming {
    /// No body: neither `Content-Length` nor `Transfer-Encoding` was sent.
    None,
    /// So many bytes. Zero is possible: `Content-Length: 0`.
    Length(u64),
    /// Chunks, then trailers (RFC 9112 §7.1).
    Chunked,
}

/// What follows a response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseFraming {
    /// No body, whatever the fields say: an answer to HEAD, a 1xx, 204 or 304.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, then trailers (RFC 9112 §7.1).
    Chunked,
    /// Everything until the peer closes.
    UntilClose,
    /// The connection is a tunnel from here on: a 2xx answer to CONNECT, or 101.
    Tunnel,
}

/// The transfer codings named so far, over all `Transfer-Encoding` lines of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codings {
    /// No `Transfer-Encoding` line yet.
    Absent,
    /// Only codings other than `chunked`.
    Unknown,
    /// `chunked` alone.
    Chunked,
    /// `chunked` over codings that are not implemented.
    ChunkedOverUnknown,
}

/// What a head has said about its body's length so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    content_length: Option<u64>,
    codings: Codings,
}

impl Lengths {
    /// Nothing said.
    pub(crate) const NONE: Self = Self { content_length: None, codings: Codings::Absent };

    /// Takes in the value of a `Content-Length` line (RFC 9110 §8.6).
    pub(crate) fn content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let length = decimal(value)?;
        if self.codings != Codings::Absent {
            return Err(HeadError::LengthAndTransferEncoding);
        }
        if self.content_length.is_some_and(|earlier| earlier != length) {
            return Err(HeadError::LengthsDiffer);
        }
        self.content_length = Some(length);
        Ok(())
    }

    /// Takes in the value of a `Transfer-Encoding` line (RFC 9112 §6.1).
    ///
    /// RFC 9110 §5.6.1 has recipients skip empty list elements. Here they are refused: nobody sends them
    /// in earnest, and implementations that do not skip them see another coding than we would.
    pub(crate) fn transfer_encoding(&mut self, value: &[u8], version: Version) -> Result<(), HeadError> {
        if version == Version::Http10 {
            return Err(HeadError::TransferEncodingInHttp10);
        }
        if self.content_length.is_some() {
            return Err(HeadError::LengthAndTransferEncoding);
        }
        for coding in value.split(|&byte| byte == b',') {
            let coding = trim(coding);
            self.codings = match (self.codings, coding.eq_ignore_ascii_case(b"chunked")) {
                _ if coding.is_empty() => return Err(HeadError::TransferEncodingInvalid),
                (Codings::Chunked | Codings::ChunkedOverUnknown, _) => {
                    return Err(HeadError::TransferEncodingInvalid);
                }
                (Codings::Absent, true) => Codings::Chunked,
                (Codings::Unknown, true) => Codings::ChunkedOverUnknown,
                (Codings::Absent | Codings::Unknown, false) => Codings::Unknown,
            };
        }
        Ok(())
    }

    /// What the head as a whole says: chunks, a length, or neither.
    ///
    /// A last coding other than `chunked` must be answered with 400 (RFC 9112 §6.3), a coding that is not
    /// implemented should be answered with 501 (§6.1); where both hold, the duty goes before the advice.
    #[inline(always)]
    pub(crate) fn finish(&self) -> Result<BodyFraming, HeadError> {
        match self.codings {
            Codings::Absent => Ok(self.content_length.map_or(BodyFraming::None, BodyFraming::Length)),
            Codings::Chunked => Ok(BodyFraming::Chunked),
            Codings::Unknown => Err(HeadError::TransferEncodingInvalid),
            Codings::ChunkedOverUnknown => Err(HeadError::TransferCodingUnknown),
        }
    }
}

/// How the body of an answer ends, given what its head says (RFC 9112 §6.3, in the order of its list).
pub(crate) fn response_framing(status: u16, request: Method, says: BodyFraming) -> ResponseFraming {
    match (status, request) {
        (101, _) => ResponseFraming::Tunnel,
        (_, Method::Head) | (100..=199 | 204 | 304, _) => ResponseFraming::None,
        (200..=299, Method::Connect) => ResponseFraming::Tunnel,
        _ => match says {
            BodyFraming::Chunked => ResponseFraming::Chunked,
            BodyFraming::Length(length) => ResponseFraming::Length(length),
            BodyFraming::None => ResponseFraming::UntilClose,
        },
    }
}

/// RFC 9110 §8.6: `1*DIGIT`. Leading zeros are legal and all readers agree on them.
fn decimal(value: &[u8]) -> Result<u64, HeadError> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::LengthInvalid);
    }
    value
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(HeadError::LengthOverflow)
}

/// `value` without spaces and tabs around it.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = value.iter().position(is_text).unwrap_or(value.len());
    let end = value.iter().rposition(is_text).map_or(start, |last| last + 1);
    &value[start..end]
}
