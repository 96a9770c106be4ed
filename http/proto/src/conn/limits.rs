//! What a connection may ask of us, at most.

use core::num::NonZeroU32;

use crate::chunked::ChunkLimits;
use crate::head::HeadLimits;

/// Bounds of one server connection. Times are the caller's business; these are bytes and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnLimits {
    /// Bounds of each request head.
    pub head: HeadLimits,
    /// Bounds of the chunked coding of each body.
    pub chunk: ChunkLimits,
    /// Longest body, in bytes of data, of a request whose route sets no limit of its own
    /// ([`ServerConn::limit_body`](super::ServerConn::limit_body)). At the bound: 413, close. Default 2 MiB.
    pub body_bytes_max: u64,
    /// Most bytes of a body nobody wants that are read so that the connection can be used again.
    /// At the bound: close. Default 64 KiB: reading as much costs less than a new connection, and more
    /// would let a peer have us read for nothing.
    pub drain_bytes_max: u32,
    /// Most requests answered before the answers have to leave
    /// ([`ServerConn::flushed`](super::ServerConn::flushed)). At the bound: no further request is
    /// taken from the input. Default 32: a peer that pipelines without reading meets backpressure.
    pub pipeline_max: u16,
    /// Most requests on this connection. At the bound: the last answer carries `connection: close`.
    /// Default none. A caller that wants jitter gives each connection a number of its own.
    pub requests_max: Option<NonZeroU32>,
}

impl Default for ConnLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            chunk: ChunkLimits::default(),
            body_bytes_max: 2 * 1024 * 1024,
            drain_bytes_max: 64 * 1024,
            pipeline_max: 32,
            requests_max: None,
        }
    }
}
