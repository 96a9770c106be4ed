//! JSON, in and out.

use std::fmt;
use std::ops::{Deref, DerefMut};

use corelane_http_proto::head::Name;
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::FromRequest;
use super::limits::{JsonLimits, limits};
use super::media_type::is_json;
use crate::body::BodyError;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// A value as JSON: from the body of a request, or for that of a response.
///
/// Taken from a request it wants `content-type: application/json`, or a type that ends in `+json`. [`JsonLimits`]
/// bounds it, and serde_json its depth (128). As a response it is written into a buffer of the core: no heap is used.
///
/// ```
/// use corelane_http::extract::Json;
///
/// #[derive(serde::Deserialize, serde::Serialize)]
/// struct Point {
///     x: i32,
///     y: i32,
/// }
///
/// async fn mirror(Json(point): Json<Point>) -> Json<Point> {
///     Json(Point { x: point.y, y: point.x })
/// }
/// # let _ = corelane_http::app::App::new().post("/mirror", mirror);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Rejection = JsonRejection;

    async fn from_request(request: &mut Request) -> Result<Self, JsonRejection> {
        let content_type = request.known_header(Name::ContentType);
        if !content_type.is_some_and(is_json) {
            let absent = content_type.is_none() && request.body().is_empty();
            return Err(Kind::NotJson { absent }.into());
        }
        let JsonLimits { bytes_max } = limits(request);
        let mut body = request.take_body();
        body.lower_limit(bytes_max);
        let body = body.collect().await.map_err(|error| Kind::Body { error, bytes_max })?;
        match serde_json::from_slice(&body) {
            Ok(value) => Ok(Json(value)),
            Err(error) => Err(explain::<T>(&body, error).into()),
        }
    }

    /// Neither a body nor a type.
    fn is_absent(rejection: &JsonRejection) -> bool {
        matches!(*rejection.kind, Kind::NotJson { absent: true })
    }
}

/// Parses once more to find where in the document the wrong value is. Only bodies that failed pay for it.
#[cold]
fn explain<T: DeserializeOwned>(body: &[u8], error: serde_json::Error) -> Kind {
    if !error.is_data() {
        return Kind::Syntax(error);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(found) => Kind::Data { path: found.path().to_string().into(), error: found.into_inner() },
        Ok(_) => Kind::Data { path: "".into(), error },
    }
}

/// Why a body is not the JSON that the handler takes.
#[derive(Debug)]
pub struct JsonRejection {
    /// Boxed, so that `Result<Json<T>, JsonRejection>` is not much larger than `T`.
    kind: Box<Kind>,
}

#[derive(Debug)]
enum Kind {
    NotJson { absent: bool },
    Body { error: BodyError, bytes_max: u64 },
    Syntax(serde_json::Error),
    Data { path: Box<str>, error: serde_json::Error },
}

impl From<Kind> for JsonRejection {
    fn from(kind: Kind) -> Self {
        JsonRejection { kind: Box::new(kind) }
    }
}

impl JsonRejection {
    /// The answer: 415 for another type, 400 for what is no JSON, 422 for JSON of another shape, or that of a
    /// body that could not be read.
    pub fn status(&self) -> StatusCode {
        match &*self.kind {
            Kind::NotJson { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Body { error, .. } => error.status(),
            Kind::Syntax(_) => StatusCode::BAD_REQUEST,
            Kind::Data { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl fmt::Display for JsonRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            Kind::NotJson { .. } => f.write_str("the content type is not that of JSON"),
            Kind::Body { .. } => f.write_str("the body could not be read"),
            Kind::Syntax(_) => f.write_str("the body is not JSON"),
            Kind::Data { path, .. } => write!(f, "the JSON has another shape than wanted at `{path}`"),
        }
    }
}

impl std::error::Error for JsonRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.kind {
            Kind::NotJson { .. } => None,
            Kind::Body { error, .. } => Some(error),
            Kind::Syntax(error) | Kind::Data { error, .. } => Some(error),
        }
    }
}

impl IntoResponse for JsonRejection {
    fn into_response(self) -> Response {
        let status = self.status();
        let problem = match *self.kind {
            Kind::Body { error, bytes_max } if error.limit() == Some(bytes_max) => Problem::new(status)
                .detail(format!("The JSON is longer than {bytes_max} bytes."))
                .with("limit_bytes", bytes_max),
            Kind::Body { error, .. } => return error.into_response(),
            Kind::NotJson { .. } => {
                Problem::new(status).detail("This route takes a body with `content-type: application/json`.")
            }
            Kind::Syntax(error) => Problem::new(status)
                .detail(format!("The body is not JSON: {error}."))
                .with("line", error.line())
                .with("column", error.column()),
            Kind::Data { path, error } => Problem::new(status)
                .detail(format!("The JSON does not fit: {error}."))
                .with("path", String::from(path)),
        };
        problem.into_response()
    }
}
