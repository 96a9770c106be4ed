//! Forms, as a struct or a map.

use std::fmt;
use std::ops::{Deref, DerefMut};

use corelane_http_proto::head::Name;
use corelane_runtime::buf::Chunk;
use http::{Method, StatusCode};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use serde_html_form::de::Error as FieldError;

use super::limits::{FormLimits, limits};
use super::{FromRequest, media_type, query};
use crate::body::BodyError;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// The fields of a form: `application/x-www-form-urlencoded`, from the body; for `GET` and `HEAD`, from the query, where
/// browsers put it then.
///
/// A `Vec` takes a field given several times; what may be absent is an `Option` or has a serde default. Text is UTF-8
/// or refused, never replaced. [`FormLimits`] bounds it. A form with files is read by
/// [`multipart`](crate::multipart).
///
/// Rejections name the field: 415 for another type, 413 and 400 over the limits, 400 for text that is not UTF-8, and
/// 422 for fields that do not fit (400 in a query).
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::Form;
/// use corelane_http::request::Request;
///
/// #[derive(serde::Deserialize)]
/// struct Note {
///     text: String,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// async fn add(Form(note): Form<Note>) -> String {
///     format!("{} {:?}", note.text, note.tag)
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().post("/notes", add).into_service();
/// let request = Request::builder("POST", "/notes")
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body("text=buy+milk&tag=shop&tag=today")
///     .build();
/// let response = service.call(request).await;
/// assert_eq!(response.into_body().bytes().await.unwrap(), r#"buy milk ["shop", "today"]"#);
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form<T>(pub T);

impl<T> Deref for Form<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Form<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Rejection = FormRejection;

    async fn from_request(request: &mut Request) -> Result<Self, FormRejection> {
        let limits: FormLimits = limits(request);
        if matches!(request.method(), Method::GET | Method::HEAD) {
            return match request.query() {
                Some(query) => fields(query.as_bytes(), &limits, StatusCode::BAD_REQUEST),
                None => fields(b"", &limits, StatusCode::BAD_REQUEST).map_err(FormRejection::absent),
            };
        }
        let body = body(request, limits.bytes_max).await?;
        fields(&body, &limits, StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// Neither a body nor a type; for `GET` and `HEAD`, no query.
    fn is_absent(rejection: &FormRejection) -> bool {
        rejection.inner.absent
    }
}

async fn body(request: &mut Request, bytes_max: u64) -> Result<Chunk, FormRejection> {
    match request.known_header(Name::ContentType) {
        Some(found) if media_type::is(found, "application/x-www-form-urlencoded") => {}
        Some(_) => return Err(Kind::NotForm.into()),
        None if request.body().is_empty() => return Err(FormRejection::from(Kind::NotForm).absent()),
        None => return Err(Kind::NotForm.into()),
    }
    let mut body = request.take_body();
    body.lower_limit(bytes_max);
    Ok(body.collect().await.map_err(|error| Kind::Body { error, bytes_max })?)
}

/// The value of these fields. `misfit` is the answer if they have another shape.
fn fields<T: DeserializeOwned>(
    text: &[u8],
    limits: &FormLimits,
    misfit: StatusCode,
) -> Result<Form<T>, FormRejection> {
    let pairs = || text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    if pairs().nth(limits.fields_max).is_some() {
        return Err(Kind::TooManyFields { max: limits.fields_max }.into());
    }
    if let Some(field) = not_utf8(text) {
        return Err(Kind::NotUtf8 { field }.into());
    }
    serde_html_form::from_bytes(text).map(Form).map_err(|error| {
        let (field, error) = query::explain::<T>(text, error);
        Kind::Misfit { field, error, status: misfit }.into()
    })
}

/// Name of the first field that is not UTF-8, or has a name that is not. The decoder under serde would put U+FFFD there.
pub(super) fn not_utf8(text: &[u8]) -> Option<Box<str>> {
    // ASCII, and escapes of it, are what most fields consist of: nothing is decoded to find that out.
    let beyond_ascii = |pair: &[u8]| match pair {
        [b'%', high, ..] => !matches!(high, b'0'..=b'7'),
        [byte, ..] => !byte.is_ascii(),
        [] => false,
    };
    if !text.windows(2).any(beyond_ascii) && text.last().is_none_or(u8::is_ascii) {
        return None;
    }
    let mut pairs = text.split(|byte| *byte == b'&');
    let pair = pairs.find(|pair| percent_decode(pair).decode_utf8().is_err())?;
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    Some(percent_decode(name).decode_utf8_lossy().into())
}

/// The value of the fields of a body that has limits of its own.
pub(crate) fn form_fields<T: DeserializeOwned>(text: &[u8]) -> Result<T, FormRejection> {
    let none = FormLimits { bytes_max: u64::MAX, fields_max: usize::MAX };
    fields(text, &none, StatusCode::UNPROCESSABLE_ENTITY).map(|Form(value)| value)
}

/// Why a form is not what the handler takes.
#[derive(Debug)]
pub struct FormRejection {
    /// Boxed, so that `Result<Form<T>, FormRejection>` is not much larger than `T`.
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: Kind,
    absent: bool,
}

#[derive(Debug)]
enum Kind {
    NotForm,
    Body { error: BodyError, bytes_max: u64 },
    TooManyFields { max: usize },
    NotUtf8 { field: Box<str> },
    Misfit { field: Option<Box<str>>, error: FieldError, status: StatusCode },
}

impl From<Kind> for FormRejection {
    fn from(kind: Kind) -> Self {
        FormRejection { inner: Box::new(Inner { kind, absent: false }) }
    }
}

impl FormRejection {
    fn absent(mut self) -> FormRejection {
        self.inner.absent = true;
        self
    }

    /// The answer: see [`Form`].
    pub fn status(&self) -> StatusCode {
        match &self.inner.kind {
            Kind::NotForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Body { error, .. } => error.status(),
            Kind::TooManyFields { .. } | Kind::NotUtf8 { .. } => StatusCode::BAD_REQUEST,
            Kind::Misfit { status, .. } => *status,
        }
    }

    /// The field that does not fit, if it is about one that is there.
    pub fn field(&self) -> Option<&str> {
        match &self.inner.kind {
            Kind::NotUtf8 { field } => Some(field),
            Kind::Misfit { field, .. } => field.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for FormRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.kind {
            Kind::NotForm => f.write_str("the content type is not that of a form"),
            Kind::Body { .. } => f.write_str("the body could not be read"),
            Kind::TooManyFields { max } => write!(f, "the form has more than {max} fields"),
            Kind::NotUtf8 { field } => write!(f, "the field `{field}` of the form is not UTF-8"),
            Kind::Misfit { field: Some(field), .. } => {
                write!(f, "the field `{field}` of the form does not fit")
            }
            Kind::Misfit { field: None, .. } => f.write_str("the form does not fit"),
        }
    }
}

impl std::error::Error for FormRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.kind {
            Kind::Body { error, .. } => Some(error),
            Kind::Misfit { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Problem {
        let problem = Problem::new(rejection.status());
        match rejection.inner.kind {
            Kind::Body { error, bytes_max } if error.limit() == Some(bytes_max) => problem
                .detail(format!("The form is longer than {bytes_max} bytes."))
                .with("limit_bytes", bytes_max),
            Kind::Body { error, .. } => Problem::from(error),
            Kind::NotForm => problem
                .detail("This route takes a body with `content-type: application/x-www-form-urlencoded`."),
            Kind::TooManyFields { max } => {
                problem.detail(format!("The form has more than {max} fields.")).with("limit_fields", max)
            }
            Kind::NotUtf8 { field } => problem
                .detail(format!("The field `{field}` of the form is not UTF-8."))
                .with("field", &*field),
            Kind::Misfit { field: Some(field), error, .. } => problem
                .detail(format!("The field `{field}` of the form does not fit: {error}."))
                .with("field", &*field),
            Kind::Misfit { field: None, error, .. } => {
                problem.detail(format!("The form does not fit: {error}."))
            }
        }
    }
}

impl IntoResponse for FormRejection {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
