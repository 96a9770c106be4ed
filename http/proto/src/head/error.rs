//! Why a head was refused.

use std::error::Error;
use std::fmt;

/// The rule a head broke. Each of them ends the connection: where the next message would start is
/// no longer certain, or two readers of the same bytes could disagree about it.
///
/// ```
/// use corelane_http_proto::head::{HeadError, HeadLimits, RequestHead};
///
/// let mut head = RequestHead::new();
/// let input = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello";
/// let error = head.parse(input, &HeadLimits::default()).unwrap_err();
/// assert_eq!(error, HeadError::LengthInvalid);
/// assert_eq!(error.status(), 400);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// The method is not a token followed by one space (RFC 9112 §3.1).
    MethodInvalid,
    /// The method is longer than [`METHOD_BYTES_MAX`](super::METHOD_BYTES_MAX) (RFC 9112 §3).
    MethodTooLong,
    /// The target holds a byte other than visible ASCII, or a `#`, or is none of the four forms
    /// of RFC 9112 §3.2, or is of a form its method does not allow.
    TargetInvalid,
    /// The target is longer than [`HeadLimits::target_bytes_max`](super::HeadLimits::target_bytes_max).
    TargetTooLong,
    /// What follows the target, or starts a status line, is not `HTTP/` digit `.` digit (RFC 9112 §2.3).
    VersionInvalid,
    /// A well-formed version other than 1.0 and 1.1.
    VersionUnsupported,
    /// The status is not three digits from 100 to 999, followed by a space or the line's end (RFC 9112 §4).
    StatusInvalid,
    /// The reason phrase holds a control byte (RFC 9112 §4).
    ReasonInvalid,
    /// A CR that no LF follows (RFC 9112 §2.2).
    BareCr,
    /// An LF without a CR before it. RFC 9112 §2.2 lets a recipient take it for a line's end; we refuse,
    /// because the reader in front of us may not have.
    BareLf,
    /// A field name is empty or holds a byte that no token has (RFC 9112 §5.1).
    FieldNameInvalid,
    /// White space between a field's name and its colon. RFC 9112 §5.1 demands the refusal.
    SpaceBeforeColon,
    /// A line starts with a space or a tab: obsolete line folding (RFC 9112 §5.2), or white space
    /// before the first field (RFC 9112 §2.2).
    ObsoleteFold,
    /// NUL or another control byte in a field value (RFC 9110 §5.5).
    FieldValueInvalid,
    /// The head does not end within [`HeadLimits::head_bytes_max`](super::HeadLimits::head_bytes_max).
    HeadTooLarge,
    /// More field lines than [`HeadLimits::fields_max`](super::HeadLimits::fields_max).
    TooManyFields,
    /// HTTP/1.1 without `Host` (RFC 9112 §3.2).
    HostMissing,
    /// More than one `Host` line (RFC 9112 §3.2).
    HostRepeated,
    /// `Host` is not a host and an optional port (RFC 9110 §7.2), or is empty (RFC 9110 §4.2.1).
    HostInvalid,
    /// `Content-Length` is not only digits: empty, signed, hexadecimal or a list (RFC 9110 §8.6).
    /// A list of equal values might be repaired; we refuse, because not everybody repairs it alike.
    LengthInvalid,
    /// `Content-Length` does not fit in 64 bits.
    LengthOverflow,
    /// Several `Content-Length` lines of different value (RFC 9112 §6.3).
    LengthsDiffer,
    /// `Content-Length` and `Transfer-Encoding` in one head. RFC 9112 §6.1 lets a server prefer the
    /// latter; we refuse, because the proxy in front may have preferred the other.
    LengthAndTransferEncoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message (RFC 9112 §6.1).
    TransferEncodingInHttp10,
    /// `Transfer-Encoding` whose last coding is not `chunked`, or which names `chunked` twice, or which
    /// is no list of codings (RFC 9112 §6.1 and §6.3).
    TransferEncodingInvalid,
    /// A final `chunked` over a coding that this crate does not implement (RFC 9112 §6.1).
    TransferCodingUnknown,
    /// `Expect` asks for something other than `100-continue` (RFC 9110 §10.1.1).
    ExpectationUnknown,
}

impl HeadError {
    /// The status a server answers with before it closes.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::ExpectationUnknown => 417,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::MethodTooLong | Self::TransferCodingUnknown => 501,
            Self::VersionUnsupported => 505,
            _ => 400,
        }
    }

    /// The rule in words. They hold nothing of the peer's bytes, so they may be logged.
    const fn rule(self) -> &'static str {
        match self {
            Self::MethodInvalid => "the method is not a token",
            Self::MethodTooLong => "the method is too long",
            Self::TargetInvalid => "the request target is not valid",
            Self::TargetTooLong => "the request target is too long",
            Self::VersionInvalid => "the protocol version is malformed",
            Self::VersionUnsupported => "the protocol version is neither 1.0 nor 1.1",
            Self::StatusInvalid => "the status code is not three digits",
            Self::ReasonInvalid => "the reason phrase holds a control byte",
            Self::BareCr => "a CR without LF",
            Self::BareLf => "an LF without CR",
            Self::FieldNameInvalid => "a field name is not a token",
            Self::SpaceBeforeColon => "white space before the colon of a field",
            Self::ObsoleteFold => "a line starts with white space",
            Self::FieldValueInvalid => "a field value holds a control byte",
            Self::HeadTooLarge => "the head is too large",
            Self::TooManyFields => "too many header fields",
            Self::HostMissing => "the Host field is missing",
            Self::HostRepeated => "more than one Host field",
            Self::HostInvalid => "the Host field is not a valid authority",
            Self::LengthInvalid => "Content-Length is not only digits",
            Self::LengthOverflow => "Content-Length does not fit in 64 bits",
            Self::LengthsDiffer => "several Content-Length fields differ",
            Self::LengthAndTransferEncoding => "both Content-Length and Transfer-Encoding",
            Self::TransferEncodingInHttp10 => "Transfer-Encoding in an HTTP/1.0 message",
            Self::TransferEncodingInvalid => "Transfer-Encoding does not end in one chunked",
            Self::TransferCodingUnknown => "a transfer coding that is not implemented",
            Self::ExpectationUnknown => "an expectation other than 100-continue",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

impl Error for HeadError {}
