//! How large a body may be, for a group of routes or for all.
//!
//! A single route has [`MethodRouter::body_limit`](corelane_http::router::MethodRouter::body_limit), which needs no layer.
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_middlewares::body_limit::BodyLimit;
//!
//! async fn upload(photo: Vec<u8>) -> String {
//!     format!("{} bytes", photo.len())
//! }
//! let app = App::new().group("/photos", |photos| photos.with(BodyLimit::bytes(20 << 20)).post("", upload));
//! # let _ = app;
//! ```

use corelane_http::middleware::{Middleware, Next};
use corelane_http::request::Request;
use corelane_http::response::Response;

/// Gives the bodies of what it is around a limit: higher or lower than that of the server (2 MiB).
///
/// At the limit the read fails, which extractors answer with 413. The innermost limit counts: that of a layer goes
/// before the route's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    bytes: u64,
}

impl BodyLimit {
    /// At most so many bytes, after any decoding that layers inside this one do.
    pub const fn bytes(bytes: u64) -> BodyLimit {
        BodyLimit { bytes }
    }
}

impl Middleware for BodyLimit {
    async fn handle(&self, mut request: Request, next: Next) -> Response {
        request.body_mut().limit_to(self.bytes);
        next.run(request).await
    }
}
