//! How large a head may be.

/// Longest head any configuration may accept, in bytes: spans count in 16 bits.
pub const HEAD_BYTES_CAP: usize = u16::MAX as usize;

/// Most field lines any configuration may accept.
pub const FIELDS_CAP: usize = 1024;

/// Longest method token accepted, in bytes.
///
/// The longest registered one has 17 (`UPDATEREDIRECTREF`). RFC 9112 §3 lets a server answer 501 to a
/// method longer than any it implements.
pub const METHOD_BYTES_MAX: usize = 32;

const _: () = assert!(METHOD_BYTES_MAX >= "UPDATEREDIRECTREF".len(), "every registered method fits");

/// Limits of one head. All of them hold while the head is still arriving: a peer that exceeds one is
/// refused as soon as that is certain.
///
/// ```
/// use corelane_http_proto::head::HeadLimits;
///
/// let limits = HeadLimits { fields_max: 64, ..HeadLimits::default() };
/// assert_eq!(limits.head_bytes_max, 16 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Longest head, in bytes, from its first byte to the end of the blank line. Default 16 KiB.
    ///
    /// The budget covers the whole head: a limit per line would still let a peer send short lines
    /// for ever. Values above [`HEAD_BYTES_CAP`] count as that. At the bound: 431.
    pub head_bytes_max: usize,
    /// Most field lines. Default 100.
    ///
    /// Bounds the memory of the field table and the cost of a lookup. Values above [`FIELDS_CAP`]
    /// count as that. At the bound: 431.
    pub fields_max: usize,
    /// Longest request target, in bytes. Default 8 KiB.
    ///
    /// Apart from the head's own limit so that the client learns which part was too long. At the bound: 414.
    pub target_bytes_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes_max: 16 * 1024, fields_max: 100, target_bytes_max: 8 * 1024 }
    }
}
