//! What a server accepts, and how long it waits: every bound with its unit, its default and its reason.
//!
//! ```
//! use std::time::Duration;
//! use corelane_http::server::Limits;
//!
//! let limits = Limits { idle_timeout: Duration::from_secs(30), ..Limits::default() };
//! assert_eq!(limits.head_bytes_max, 16 * 1024);
//! ```

use std::num::NonZeroU32;
use std::time::Duration;

use corelane_http_proto::conn::ConnLimits;
use corelane_http_proto::head::HeadLimits;

/// Bounds of one server. `Default` gives the values of `docs/LIMITS.md`; change single fields with
/// `Limits { field: value, ..Limits::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request line and header section together, in bytes (16 KiB). Over it: 431 and close.
    ///
    /// The budget covers the whole head: a limit per line would still let a peer send short lines for ever.
    pub head_bytes_max: u16,
    /// Most header fields in a request (100). Over it: 431 and close.
    pub fields_max: u16,
    /// Longest request target, in bytes (8 KiB). Over it: 414 and close.
    pub target_bytes_max: u16,
    /// Longest request body a route takes unless it says otherwise, in bytes (2 MiB). Over it: 413.
    pub body_bytes_max: u64,
    /// Time from the first byte of a request (or from the accept) to its full head (10 s). Over it: 408 and close;
    /// a connection that never sent a byte is closed without an answer.
    pub head_timeout: Duration,
    /// Time for what comes before HTTP: a header of the PROXY protocol, and a TLS handshake (10 s). Over it: close.
    pub handshake_timeout: Duration,
    /// Slowest rate at which a body may arrive, in bytes a second (512), counted after [`Limits::body_grace`].
    /// Slower: 408 and close.
    pub body_rate_min: u32,
    /// How long a body may be slower than [`Limits::body_rate_min`] at its beginning (5 s).
    pub body_grace: Duration,
    /// How long a connection may rest between requests (75 s: longer than the 60 s of a proxy in front, so that
    /// the proxy, which knows whether it is about to send, closes first).
    pub idle_timeout: Duration,
    /// Longest wait for a peer that takes none of our bytes (30 s). Over it: close.
    pub write_stall: Duration,
    /// Bytes of an unread request body that are read and thrown away so that the connection can be kept (64 KiB).
    /// More than that left: the connection is closed after the answer.
    pub drain_bytes_max: u32,
    /// Pipelined requests answered before what they gave is written (32). A bound on output held back, not on
    /// the peer: reading stops until the write is done.
    pub pipeline_max: u16,
    /// Requests on one connection, then `Connection: close` (unlimited).
    pub requests_per_connection: Option<NonZeroU32>,
    /// Open connections on one core (a share of the descriptor limit, at most 50,000). At the bound the core
    /// stops accepting; new connections wait in the kernel's queue.
    pub connections_per_core: usize,
    /// At [`Limits::connections_per_core`], accept and answer 503 instead of leaving peers in the queue (false).
    pub refuse_when_full: bool,
    /// Bytes of buffers in use on one core, for what was received and for answers on their way (256 MiB). At the bound
    /// connections stop receiving, and one that needs a buffer for its answer is closed.
    pub buffer_bytes_per_core: usize,
    /// Time for requests under way when the server is told to stop (30 s). Then their connections are closed.
    pub drain_timeout: Duration,
    /// Time that connections at rest have, when the server is told to stop, to send one more request, which is answered
    /// with `Connection: close` (0 s: they are closed at once). A client that sends a request just then would find a closed connection;
    /// behind a balancer that does not repeat requests give it a few seconds. When another process takes over
    /// it is 5 s at least.
    pub drain_idle_timeout: Duration,
    /// Time for all start hooks of a core, and for those of the process (60 s). Over it the server does not start.
    pub start_timeout: Duration,
    /// Time for all stop hooks of a core once it serves no more, and for those of the process (5 s). What has not finished
    /// then is dropped.
    pub stop_timeout: Duration,
    /// Serve a client that has closed its sending side while its request is still being handled (false).
    ///
    /// A closed sending side and a client that went away look the same. By default the handler of such a request
    /// is dropped, as proxies expect who give up on a request.
    pub half_close: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes_max: 16 * 1024,
            fields_max: 100,
            target_bytes_max: 8 * 1024,
            body_bytes_max: 2 * 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            body_rate_min: 512,
            body_grace: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            write_stall: Duration::from_secs(30),
            drain_bytes_max: 64 * 1024,
            pipeline_max: 32,
            requests_per_connection: None,
            connections_per_core: 50_000,
            refuse_when_full: false,
            buffer_bytes_per_core: 256 * 1024 * 1024,
            drain_timeout: Duration::from_secs(30),
            drain_idle_timeout: Duration::ZERO,
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(5),
            half_close: false,
        }
    }
}

/// Descriptors that are not for connections: the ring, listeners, files that handlers open.
const DESCRIPTORS_KEPT: u64 = 64;

impl Limits {
    /// The part that the protocol machine keeps.
    pub(crate) fn for_connection(&self) -> ConnLimits {
        ConnLimits {
            head: HeadLimits {
                head_bytes_max: self.head_bytes_max.into(),
                fields_max: self.fields_max.into(),
                target_bytes_max: self.target_bytes_max.into(),
            },
            // Routes have limits of their own, which the body checks when it is read.
            body_bytes_max: u64::MAX,
            drain_bytes_max: self.drain_bytes_max,
            // None at all would be a connection that waits for ever to send nothing.
            pipeline_max: self.pipeline_max.max(1),
            requests_max: self.requests_per_connection,
            ..ConnLimits::default()
        }
    }

    /// Lowers [`Limits::connections_per_core`] to a core's share of the descriptors the process may open.
    pub(crate) fn fit_descriptors(mut self, cores: usize, descriptors: Option<u64>) -> Limits {
        let share = descriptors.map_or(u64::MAX, |all| all.saturating_sub(DESCRIPTORS_KEPT) / cores as u64);
        self.connections_per_core =
            self.connections_per_core.min(usize::try_from(share).unwrap_or(usize::MAX)).max(1);
        self
    }
}
