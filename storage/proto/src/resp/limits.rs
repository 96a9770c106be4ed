//! What a reply may cost.

/// Bounds of one reply. A reply beyond any of them is an error, and the connection is of no use
/// after it: where the next reply starts is not known.
///
/// ```
/// use corelane_storage_proto::resp::{DecodeError, Decoder, Limits};
///
/// let mut decoder = Decoder::new(Limits { reply_bytes_max: 1024, ..Limits::default() });
/// let mut input: &[u8] = b"$1000000000\r\n";
/// assert_eq!(decoder.decode(&mut input), Err(DecodeError::TooManyBytes { max: 1024 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one reply. Default 64 MiB: far above what belongs into a request path, and a bound
    /// on what one core may be made to hold. Redis itself allows values of 512 MiB.
    pub reply_bytes_max: usize,
    /// Elements of one reply, over all its aggregates; a pair of a map is two. Default 1,048,576.
    ///
    /// An element of three bytes becomes a [`Value`](super::Value) of forty, so that the bound on
    /// bytes alone would allow a gigabyte.
    pub elements_max: usize,
    /// Aggregates inside one another. Default 64; Redis itself nests fewer than ten.
    pub depth_max: usize,
    /// Bytes of one line: a status, an error, a number. Default 64 KiB.
    pub line_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            reply_bytes_max: 64 * 1024 * 1024,
            elements_max: 1024 * 1024,
            depth_max: 64,
            line_bytes_max: 64 * 1024,
        }
    }
}
