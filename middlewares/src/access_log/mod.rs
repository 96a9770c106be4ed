//! A line for each request: in the combined format of web servers, or as JSON.
//!
//! ```no_run
//! use corelane_http::{app::App, server::Server};
//! use corelane_middlewares::access_log::{AccessLog, Reopen};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let reopen = Reopen::new();
//! let hangup = reopen.clone();
//! let server = Server::bind("127.0.0.1:8080").on_hangup(move || hangup.reopen());
//! let log = AccessLog::file("/var/log/site/access.log")?.json().reopen_with(&reopen);
//! server.run(move || App::new().with(log.clone().layer()).get("/", async || "hello"))?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a line tells
//!
//! The time when the request came (UTC), the client's address by the [rule of trust](corelane_http::extract::ClientAddr), method, path, version, status, bytes of the body, referrer and agent; in JSON
//! also the route, the [request id](crate::request_id), and the microseconds until the response was made. The query is left out, as secrets
//! stand in it more often than they should: [`AccessLog::with_query`] adds it. Bytes are `-`, or `null`, where a body's length is not
//! known ahead: it is still being sent when the line is written.
//!
//! What a client sent cannot forge a line: quotes, backslashes, control characters and what is not ASCII are escaped, and values
//! are cut at [`VALUE_BYTES_MAX`]. A request whose client went away has the status 499, one whose handler panicked 500.
//!
//! # Writing
//!
//! Each core gathers its lines in a buffer, which a thread of the [blocking pool](corelane_runtime::blocking) writes away, after a second
//! or when the buffer is half full; the core never waits for the disk. The file is opened for appending and each write ends with
//! a whole line, so the cores share it without mixing lines. When the disk is slower than the lines come, or full, the buffer fills up,
//! and then lines are dropped: [`dropped_count`] tells how many, and so does the program's log. When the core ends, the
//! rest is written before it does.

mod format;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use corelane_http::middleware::{Middleware, Next};
use corelane_http::request::Request;
use corelane_http::response::Response;

pub use format::VALUE_BYTES_MAX;
pub use writer::{BUFFER_BYTES, FLUSH_AFTER, dropped_count};

use format::{Format, Line};
use writer::{Target, Writer};

/// An access log being configured. It is the same for all cores; [`AccessLog::layer`] makes what a core writes with.
#[derive(Clone, Debug)]
pub struct AccessLog {
    path: Option<PathBuf>,
    format: Format,
    query: bool,
    buffer_bytes: usize,
    reopen: Reopen,
}

impl AccessLog {
    /// Appends to a file, which is made if it is not there.
    ///
    /// # Errors
    /// The file cannot be opened for writing.
    pub fn file(path: impl AsRef<Path>) -> io::Result<AccessLog> {
        let path = path.as_ref();
        // Told now, at start, and not with the first line.
        writer::open(path)?;
        Ok(AccessLog { path: Some(path.to_owned()), ..AccessLog::stdout() })
    }

    /// Writes to the standard output, as programs in containers do.
    pub fn stdout() -> AccessLog {
        AccessLog {
            path: None,
            format: Format::Combined,
            query: false,
            buffer_bytes: BUFFER_BYTES,
            reopen: Reopen::new(),
        }
    }

    /// A JSON object in each line, in the place of the combined format.
    pub fn json(mut self) -> AccessLog {
        self.format = Format::Json;
        self
    }

    /// Writes the query too.
    pub fn with_query(mut self) -> AccessLog {
        self.query = true;
        self
    }

    /// Bytes of lines that wait on each core at most ([`BUFFER_BYTES`]); 4 KiB at least.
    pub fn buffer_bytes(mut self, bytes: usize) -> AccessLog {
        self.buffer_bytes = bytes.max(4096);
        self
    }

    /// Opens the file anew when asked to: after a rotation, which renames it, on SIGHUP.
    pub fn reopen_with(mut self, reopen: &Reopen) -> AccessLog {
        self.reopen = reopen.clone();
        self
    }

    /// The layer of one core. Place it early: it tells of what the layers inside it answer.
    pub fn layer(&self) -> AccessLogLayer {
        let target = match &self.path {
            Some(path) => Target::File(path.clone()),
            None => Target::Stdout,
        };
        let writer = Writer::new(target, self.buffer_bytes, self.reopen.clone());
        AccessLogLayer { format: self.format, query: self.query, writer }
    }
}

/// Has the cores open their access log anew, before the next write. Clones ask for the same.
#[derive(Clone, Debug, Default)]
pub struct Reopen {
    asked: Arc<AtomicU64>,
}

impl Reopen {
    /// Nothing is asked for yet.
    pub fn new() -> Reopen {
        Reopen::default()
    }

    /// Asks for it. May be called on any thread. If the file cannot be opened then, the program's log says so and lines
    /// go where they went before.
    pub fn reopen(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The layer of one core, from [`AccessLog::layer`].
#[derive(Debug)]
pub struct AccessLogLayer {
    format: Format,
    query: bool,
    writer: Rc<Writer>,
}

impl Middleware for AccessLogLayer {
    async fn handle(&self, request: Request, next: Next) -> Response {
        let line = Line::begin(self.writer.take_spare(), &request, SystemTime::now(), self.query);
        let pending = Pending { layer: self, line: Some(line), started: Instant::now() };
        let response = next.run(request).await;
        pending.end(response.status().as_u16(), response.body().len());
        response
    }
}

/// A request that is being answered. Dropped before it is, it is told of too.
struct Pending<'a> {
    layer: &'a AccessLogLayer,
    line: Option<Line>,
    started: Instant,
}

impl Pending<'_> {
    fn end(mut self, status: u16, bytes: Option<u64>) {
        self.write(status, bytes);
    }

    fn write(&mut self, status: u16, bytes: Option<u64>) {
        if let Some(line) = self.line.take() {
            let took = self.started.elapsed();
            self.layer.writer.write(|out| line.write(out, self.layer.format, status, bytes, took));
            self.layer.writer.give_back(line.into_bytes());
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let status = if std::thread::panicking() { 500 } else { 499 };
        self.write(status, Some(0));
    }
}
