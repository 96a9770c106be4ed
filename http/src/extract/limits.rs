//! Limits of extractors, under that of the body.

use crate::middleware::{Middleware, Next};
use crate::request::Request;
use crate::response::Response;

/// What [`Json`](super::Json) takes. Given to [`App::state`](crate::app::App::state) it holds for the application; as a
/// layer, for what that is around:
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::{Json, JsonLimits};
/// use corelane_http::router::post;
///
/// async fn import(Json(rows): Json<Vec<u64>>) -> String {
///     format!("{} rows", rows.len())
/// }
/// let app = App::new()
///     .state(JsonLimits { bytes_max: 64 * 1024 })
///     .route("/import", post(import).with(JsonLimits { bytes_max: 1024 * 1024 }));
/// # let _ = app.into_service();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Longest JSON text, in bytes (1 MiB). Over it: 413. The body's own limit holds too: the lower one counts.
    ///
    /// A route that takes large files has a large body limit; JSON is read whole and becomes a value several times
    /// as large, so it keeps its own.
    pub bytes_max: u64,
}

impl Default for JsonLimits {
    fn default() -> Self {
        JsonLimits { bytes_max: 1024 * 1024 }
    }
}

/// What [`Form`](super::Form) takes. Given to [`App::state`](crate::app::App::state) it holds for the application; as a
/// layer, for what that is around, as [`JsonLimits`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormLimits {
    /// Longest form, in bytes (256 KiB). Over it: 413. The body's own limit holds too: the lower one counts.
    pub bytes_max: u64,
    /// Most fields, each repetition counted (1,000). Over it: 400.
    ///
    /// A form of two bytes a field would otherwise become a list, or a map, a hundred times its size.
    pub fields_max: usize,
}

impl Default for FormLimits {
    fn default() -> Self {
        FormLimits { bytes_max: 256 * 1024, fields_max: 1000 }
    }
}

/// The limits of the layer nearest to the handler, else of the application, else the defaults.
pub(crate) fn limits<L: Copy + Default + 'static>(request: &Request) -> L {
    if let Some(nearest) = request.extensions().get::<L>() {
        return *nearest;
    }
    request.matched().and_then(|route| route.states().get::<L>()).map_or_else(L::default, |found| *found)
}

macro_rules! layers {
    ($($limits:ty),*) => {$(
        /// Holds for the handlers inside.
        impl Middleware for $limits {
            async fn handle(&self, mut request: Request, next: Next) -> Response {
                request.extensions_mut().insert(*self);
                next.run(request).await
            }
        }
    )*};
}

layers!(JsonLimits, FormLimits);
