//! What a client is built with.

use std::time::Duration;

use corelane_http_proto::chunked::ChunkLimits;
use corelane_http_proto::head::HeadLimits;

use super::pool;
use crate::response::Headers;

/// Settings of a client, shared by its requests.
pub(super) struct Settings {
    pub(super) connect_timeout: Duration,
    pub(super) head_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) send_stall: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) body_limit: u64,
    pub(super) redirects_max: u32,
    pub(super) head_limits: HeadLimits,
    pub(super) chunk_limits: ChunkLimits,
    pub(super) pool: pool::Limits,
    /// Sent with each request that does not set them itself.
    pub(super) headers: Headers,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            send_stall: Duration::from_secs(30),
            timeout: Some(Duration::from_secs(300)),
            body_limit: 16 * 1024 * 1024,
            redirects_max: 10,
            head_limits: HeadLimits::default(),
            chunk_limits: ChunkLimits::default(),
            pool: pool::Limits {
                per_upstream_max: 128,
                connections_max: 1024,
                waiting_max: 1024,
                idle_timeout: Duration::from_secs(50),
            },
            headers: Headers::from_static(concat!(
                "accept: */*\r\nuser-agent: corelane/",
                env!("CARGO_PKG_VERSION"),
                "\r\n"
            )),
        }
    }
}
