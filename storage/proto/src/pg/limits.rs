//! What a message may cost.

/// Bounds of one message. One beyond them is an error, and the connection is of no use after it.
///
/// ```
/// use corelane_storage_proto::pg::{DecodeError, Decoder, Limits};
///
/// let mut decoder = Decoder::new(Limits { message_bytes_max: 1024, ..Limits::default() });
/// let mut input: &[u8] = b"D\x7f\xff\xff\xff";
/// assert!(matches!(decoder.decode(&mut input), Err(DecodeError::TooManyBytes { tag: b'D', max: 1024 })));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one row, one piece of `COPY` data or one error. Default 64 MiB: far above what belongs into a
    /// request path, and a bound on what one core may be made to hold. PostgreSQL itself allows 1 GiB.
    pub message_bytes_max: usize,
    /// Bytes of any other message: a parameter, a notification, the description of a result. Default 1 MiB; a result of
    /// the 1,664 columns that PostgreSQL allows is described in 140 KiB.
    pub control_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { message_bytes_max: 64 * 1024 * 1024, control_bytes_max: 1024 * 1024 }
    }
}
