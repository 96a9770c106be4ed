//! What an extractor takes, checked by garde.

use std::any::Any;
use std::fmt;
use std::ops::Deref;

use garde::error::Kind as Component;
use garde::{Report, Validate};
use http::StatusCode;
use serde_json::{Value, json};

use super::{FromRequest, Needs};
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// Most errors listed in an answer; the rest is counted. A list of a million wrong numbers is not answered with a
/// million errors.
const ERRORS_SHOWN: usize = 100;

/// What `E` takes, if [`garde::Validate`] finds nothing wrong with it: `Valid<Json<T>>`, `Valid<Form<T>>`,
/// `Valid<Query<T>>`, `Valid<Path<T>>`, or any other extractor that derefs to such a value.
///
/// What is wrong is told all at once: 422 with `errors`, each with the JSON pointer (RFC 6901) of the value and what
/// is wrong with it, at most 100. Pointers are of the names of the Rust fields; with a serde `rename` the two differ.
///
/// A validator's context is the value of its type that was given to [`App::state`](crate::app::App::state), else its
/// default.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::{Json, Valid};
/// use corelane_http::request::Request;
///
/// #[derive(serde::Deserialize, garde::Validate)]
/// struct SignUp {
///     #[garde(length(min = 3, max = 20))]
///     name: String,
///     #[garde(range(min = 18))]
///     age: u8,
/// }
///
/// async fn sign_up(Valid(Json(sign_up)): Valid<Json<SignUp>>) -> String {
///     format!("welcome, {}", sign_up.name)
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().post("/", sign_up).into_service();
/// let request = Request::builder("POST", "/").header("content-type", "application/json");
/// let response = service.call(request.body(r#"{"name":"x","age":3}"#).build()).await;
/// assert_eq!(response.status(), 422);
/// let problem: serde_json::Value = serde_json::from_slice(&response.into_body().bytes().await.unwrap()).unwrap();
/// assert_eq!(problem["errors"][0]["pointer"], "/age");
/// assert_eq!(problem["errors"][1]["pointer"], "/name");
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valid<E>(pub E);

impl<E> Deref for Valid<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.0
    }
}

impl<E> FromRequest for Valid<E>
where
    E: FromRequest + Deref<Target: Validate<Context: Default + Any> + Sized>,
{
    type Rejection = ValidRejection<E::Rejection>;

    async fn from_request(request: &mut Request) -> Result<Self, Self::Rejection> {
        let taken = E::from_request(request).await.map_err(ValidRejection::Extract)?;
        let states = request.matched().map(|route| route.states());
        let given = states.and_then(|states| states.get::<<E::Target as Validate>::Context>());
        let checked = match given {
            Some(context) => taken.validate_with(&context),
            None => taken.validate(),
        };
        match checked {
            Ok(()) => Ok(Valid(taken)),
            Err(report) => Err(ValidRejection::Invalid(ValidationErrors { report })),
        }
    }

    /// What is absent for `E`.
    fn is_absent(rejection: &Self::Rejection) -> bool {
        match rejection {
            ValidRejection::Extract(rejection) => E::is_absent(rejection),
            ValidRejection::Invalid(_) => false,
        }
    }

    fn needs(needs: &mut Needs) {
        E::needs(needs);
    }
}

/// Why a value was not taken.
#[derive(Clone, Debug)]
pub enum ValidRejection<R> {
    /// It could not be extracted.
    Extract(R),
    /// It is there, and not valid.
    Invalid(ValidationErrors),
}

impl<R: fmt::Display> fmt::Display for ValidRejection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValidRejection::Extract(rejection) => rejection.fmt(f),
            ValidRejection::Invalid(errors) => errors.fmt(f),
        }
    }
}

impl<R: std::error::Error> std::error::Error for ValidRejection<R> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ValidRejection::Extract(rejection) => rejection.source(),
            ValidRejection::Invalid(_) => None,
        }
    }
}

impl<R: IntoResponse> IntoResponse for ValidRejection<R> {
    fn into_response(self) -> Response {
        match self {
            ValidRejection::Extract(rejection) => rejection.into_response(),
            ValidRejection::Invalid(errors) => errors.into_response(),
        }
    }
}

/// Everything that is wrong with a value; for handlers that show it in their own way, as an HTML form does.
///
/// ```
/// use corelane_http::extract::{Form, Valid, ValidRejection, FormRejection};
///
/// #[derive(serde::Deserialize, garde::Validate)]
/// struct Note {
///     #[garde(length(min = 1))]
///     text: String,
/// }
///
/// async fn add(note: Result<Valid<Form<Note>>, ValidRejection<FormRejection>>) -> String {
///     match note {
///         Ok(note) => format!("added: {}", note.text),
///         Err(ValidRejection::Invalid(errors)) => {
///             errors.iter().map(|(pointer, what)| format!("{pointer}: {what}\n")).collect()
///         }
///         Err(ValidRejection::Extract(rejection)) => rejection.to_string(),
///     }
/// }
/// # let _ = corelane_http::app::App::new().post("/", add);
/// ```
#[derive(Clone, Debug)]
pub struct ValidationErrors {
    report: Report,
}

impl ValidationErrors {
    /// The JSON pointer (RFC 6901) of each value that is wrong, and what is wrong with it. A value may come several times;
    /// the empty pointer is the whole.
    pub fn iter(&self) -> impl Iterator<Item = (String, &str)> {
        self.report.iter().map(|(path, error)| (pointer(path), error.message()))
    }

    /// As garde gives them.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// What garde's own `select!` walks a path with; its `Display` does not tell a key with a dot from two keys.
fn pointer(path: &garde::Path) -> String {
    let mut pointer = String::new();
    for (kind, component) in path.__iter().rev() {
        if kind != Component::None {
            pointer.push('/');
            pointer.push_str(&component.replace('~', "~0").replace('/', "~1"));
        }
    }
    pointer
}

impl From<Report> for ValidationErrors {
    /// For checks of your own, made with garde in a handler.
    fn from(report: Report) -> Self {
        ValidationErrors { report }
    }
}

impl fmt::Display for ValidationErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values are not valid", self.report.iter().count())
    }
}

impl std::error::Error for ValidationErrors {}

impl From<ValidationErrors> for Problem {
    fn from(errors: ValidationErrors) -> Problem {
        let count = errors.report.iter().count();
        let shown: Vec<Value> = errors
            .iter()
            .take(ERRORS_SHOWN)
            .map(|(pointer, detail)| json!({ "pointer": pointer, "detail": detail }))
            .collect();
        let detail = match count {
            1 => "One value is not valid.".to_owned(),
            _ if count > ERRORS_SHOWN => {
                format!("{count} values are not valid; the first {ERRORS_SHOWN} are listed.")
            }
            _ => format!("{count} values are not valid."),
        };
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(detail).with("errors", shown)
    }
}

impl IntoResponse for ValidationErrors {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
