//! What can be wrong with a chunked body.

use core::fmt;

/// Why a chunked body was refused. The answer to each is 400 and the end of the connection,
/// since nobody can tell any more where the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkError {
    /// The size line does not begin with a hexadecimal digit: empty, signed, or spaced.
    SizeMissing,
    /// Something other than a digit, `;` or CRLF follows the digits, such as the `x` of `0x` or a space.
    SizeNotHex,
    /// More than 16 digits. Leading zeros count: they have no use but to overflow somebody's counter.
    SizeTooLong,
    /// An extension is not `;name` or `;name=value` (RFC 9112 §7.1.1), or holds a control byte.
    ExtensionMalformed,
    /// The size line with its extensions is longer than [`ChunkLimits::size_line_bytes_max`](super::ChunkLimits::size_line_bytes_max).
    SizeLineTooLong,
    /// A CR without LF, or an LF without CR, where a line has to end.
    BareLineEnd,
    /// The data of a chunk are not followed by CRLF: the size was a lie.
    DataUnterminated,
    /// Size lines outweigh the data by more than [`ChunkLimits::overhead_bytes_max`](super::ChunkLimits::overhead_bytes_max).
    Overhead,
    /// A trailer is not `name: value`, or is folded (RFC 9112 §5.2), or holds a control byte.
    TrailerMalformed,
    /// A trailer that must not be one, because it frames, routes or authorises (RFC 9110 §6.5.1).
    TrailerForbidden,
    /// The trailers are longer than [`ChunkLimits::trailer_bytes_max`](super::ChunkLimits::trailer_bytes_max).
    TrailersTooLarge,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SizeMissing => "a chunk size begins with no hexadecimal digit",
            Self::SizeNotHex => "a chunk size holds something other than hexadecimal digits",
            Self::SizeTooLong => "a chunk size has more than 16 digits",
            Self::ExtensionMalformed => "a chunk extension is malformed",
            Self::SizeLineTooLong => "a chunk size line is too long",
            Self::BareLineEnd => "a line of the chunked coding does not end with CRLF",
            Self::DataUnterminated => "chunk data are not followed by CRLF",
            Self::Overhead => "the chunked coding has too little data for its framing",
            Self::TrailerMalformed => "a trailer field is malformed",
            Self::TrailerForbidden => "a trailer field is not allowed as such",
            Self::TrailersTooLarge => "the trailers are too large",
        })
    }
}

impl core::error::Error for ChunkError {}
