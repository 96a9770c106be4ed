//! Settings of a client.

use std::fmt;
use std::time::Duration;

use corelane_http_proto::head::HeadLimits;

use super::Client;
use super::settings::Settings;
use crate::response::HeaderError;

/// Settings of a [`Client`], each with a default.
///
/// ```
/// use std::time::Duration;
///
/// use corelane_http::client::Client;
///
/// # corelane_runtime::block_on(async {
/// let client = Client::builder()
///     .timeout(Duration::from_secs(5))
///     .connections_per_upstream(16)
///     .default_header("x-api-version", "2")?
///     .build();
/// # let _ = client;
/// # Ok::<(), corelane_http::response::HeaderError>(()) }).unwrap();
/// ```
#[must_use = "`build` makes the client"]
#[derive(Default)]
pub struct ClientBuilder {
    settings: Settings,
}

impl ClientBuilder {
    /// How long a connection may take: resolving, connecting, the proxy and TLS together; and how long a request waits
    /// for one where all are in use. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How long the answer's head may take from when the request is sent. Default 30 s.
    pub fn head_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.settings.head_timeout = timeout;
        self
    }

    /// How long an answer's body may stop coming while somebody waits for it. Default 30 s.
    pub fn body_idle_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.settings.idle_timeout = timeout;
        self
    }

    /// How long a server may take no byte of a request. Default 30 s.
    pub fn send_stall(mut self, timeout: Duration) -> ClientBuilder {
        self.settings.send_stall = timeout;
        self
    }

    /// How long a request may take in all, to the end of its answer's body; `None` for as long as it goes on. Default
    /// 5 minutes.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> ClientBuilder {
        self.settings.timeout = timeout.into();
        self
    }

    /// Longest body that is read as a whole, in bytes; one that is longer is an error. What is read in chunks has no
    /// limit. Default 16 MiB.
    pub fn body_limit(mut self, bytes: u64) -> ClientBuilder {
        self.settings.body_limit = bytes;
        self
    }

    /// Largest head of an answer, in bytes, and most fields in it. Default 16 KiB and 100, at most 64 KiB and 1024.
    pub fn head_limits(mut self, bytes_max: usize, fields_max: usize) -> ClientBuilder {
        self.settings.head_limits =
            HeadLimits { head_bytes_max: bytes_max, fields_max, ..HeadLimits::default() };
        self
    }

    /// Redirects followed at most; with 0 the redirect itself is the answer. Default 10.
    pub fn redirects(mut self, max: u32) -> ClientBuilder {
        self.settings.redirects_max = max;
        self
    }

    /// Connections to one upstream at most; further requests wait. At least 1, default 128.
    pub fn connections_per_upstream(mut self, max: usize) -> ClientBuilder {
        self.settings.pool.per_upstream_max = max.max(1);
        self
    }

    /// Connections in all at most. To open one more, the longest idle one of another upstream is closed; if none is
    /// idle the request waits. At least 1, default 1024.
    pub fn connections(mut self, max: usize) -> ClientBuilder {
        self.settings.pool.connections_max = max.max(1);
        self
    }

    /// Requests that may wait for a connection; one more is [`is_overloaded`](super::ClientError::is_overloaded) at once.
    /// Default 1024.
    pub fn waiting(mut self, max: usize) -> ClientBuilder {
        self.settings.pool.waiting_max = max;
        self
    }

    /// How long a connection is kept for the next request. Default 50 s: less than most servers keep theirs.
    pub fn keep_alive(mut self, timeout: Duration) -> ClientBuilder {
        self.settings.pool.idle_timeout = timeout;
        self
    }

    /// Sets a field of every request that does not set it itself; `accept` and `user-agent` have a default, and an empty
    /// value here is sent as an empty value.
    ///
    /// # Errors
    /// If the field cannot be sent.
    pub fn default_header(
        mut self,
        name: &str,
        value: impl AsRef<[u8]>,
    ) -> Result<ClientBuilder, HeaderError> {
        self.settings.headers.insert(name, value)?;
        Ok(self)
    }

    /// Makes the client, for this core.
    #[must_use]
    pub fn build(self) -> Client {
        Client::with(self.settings)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").finish_non_exhaustive()
    }
}
