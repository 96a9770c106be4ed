//! How long a message body is and what ends it (RFC 9112 §6).

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
