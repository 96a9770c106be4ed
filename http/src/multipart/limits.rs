//! What one upload may consist of.

use corelane_http_proto::multipart::Limits;

use crate::middleware::{Middleware, Next};
use crate::request::Request;
use crate::response::Response;

/// Bounds of the parts of a body. A part with a file name is a *file*, one without is a *field*.
///
/// The length of the whole is bounded by the body's limit, 2 MiB unless the route says otherwise.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::multipart::MultipartLimits;
///
/// let app = App::new().state(MultipartLimits { parts_max: 20, ..MultipartLimits::default() });
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartLimits {
    /// Most parts (256). Over it: 400.
    ///
    /// Each costs a head that is parsed and kept, for as little as 50 bytes sent.
    pub parts_max: u32,
    /// Longest head of a part, in bytes (8 KiB). Over it: 400.
    pub head_bytes_max: usize,
    /// Most field lines in the head of a part (16). Over it: 400. RFC 7578 §4.8 has use for two.
    pub head_fields_max: usize,
    /// Longest field, in bytes (256 KiB); also what [`Part::bytes`](super::Part::bytes) takes of a file. Over it: 413.
    pub field_bytes_max: u64,
    /// All fields together, in bytes (1 MiB): what [`MultipartForm`](super::MultipartForm) holds of them in memory.
    /// Over it: 413.
    pub fields_bytes_max: u64,
    /// Longest file, in bytes (none of its own: as long as the body may be). Over it: 413.
    pub file_bytes_max: u64,
}

impl Default for MultipartLimits {
    fn default() -> Self {
        let limits = Limits::default();
        MultipartLimits {
            parts_max: limits.parts_max,
            head_bytes_max: limits.head_bytes_max,
            head_fields_max: limits.head_fields_max,
            field_bytes_max: limits.field_bytes_max,
            fields_bytes_max: limits.fields_bytes_max,
            file_bytes_max: limits.file_bytes_max,
        }
    }
}

impl MultipartLimits {
    /// What the parser goes by.
    pub(super) fn of_parser(self) -> Limits {
        Limits {
            parts_max: self.parts_max,
            head_bytes_max: self.head_bytes_max,
            head_fields_max: self.head_fields_max,
            field_bytes_max: self.field_bytes_max,
            fields_bytes_max: self.fields_bytes_max,
            file_bytes_max: self.file_bytes_max,
        }
    }
}

/// Holds for the handlers inside.
impl Middleware for MultipartLimits {
    async fn handle(&self, mut request: Request, next: Next) -> Response {
        request.extensions_mut().insert(*self);
        next.run(request).await
    }
}
