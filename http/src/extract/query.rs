//! The query, as a struct or a map.

use std::fmt;
use std::ops::Deref;

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_html_form::de::Error as FieldError;

use super::FromRequest;
use super::form::not_utf8;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// The fields of the query (`application/x-www-form-urlencoded`). A `Vec` takes a field given several times; what
/// may be absent is an `Option` or has a serde default. No query at all is an empty one.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::Query;
/// use corelane_http::request::Request;
///
/// #[derive(serde::Deserialize)]
/// struct Search {
///     q: String,
///     #[serde(default)]
///     tag: Vec<String>,
///     page: Option<u32>,
/// }
///
/// async fn search(Query(search): Query<Search>) -> String {
///     format!("{} {:?} {:?}", search.q, search.tag, search.page)
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().get("/search", search).into_service();
/// let response = service.call(Request::builder("GET", "/search?q=a+b&tag=x&tag=y").build()).await;
/// assert_eq!(response.into_body().bytes().await.unwrap(), r#"a b ["x", "y"] None"#);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Rejection = QueryRejection;

    async fn from_request(request: &mut Request) -> Result<Self, QueryRejection> {
        let query = request.query().unwrap_or_default();
        if let Some(field) = not_utf8(query.as_bytes()) {
            let error = serde::de::Error::custom("text that is not UTF-8");
            return Err(QueryRejection { field: Some(field), error, absent: false });
        }
        serde_html_form::from_str(query).map(Query).map_err(|error| {
            let (field, error) = explain::<T>(query.as_bytes(), error);
            QueryRejection { field, error, absent: request.query().is_none() }
        })
    }

    /// No query at all.
    fn is_absent(rejection: &QueryRejection) -> bool {
        rejection.absent
    }
}

/// Parses once more to find which field it is. Only what failed pays for it.
#[cold]
pub(super) fn explain<T: DeserializeOwned>(
    fields: &[u8],
    error: FieldError,
) -> (Option<Box<str>>, FieldError) {
    let deserializer = serde_html_form::Deserializer::from_bytes(fields);
    match serde_path_to_error::deserialize::<_, T>(deserializer) {
        Err(found) if found.path().iter().next().is_some() => {
            (Some(found.path().to_string().into()), found.into_inner())
        }
        _ => (None, error),
    }
}

/// Why a query is not what the handler takes.
#[derive(Debug)]
pub struct QueryRejection {
    field: Option<Box<str>>,
    error: FieldError,
    absent: bool,
}

impl QueryRejection {
    /// The field that does not fit, if it is about one that is there.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

impl fmt::Display for QueryRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "the field `{field}` of the query does not fit"),
            None => f.write_str("the query does not fit"),
        }
    }
}

impl std::error::Error for QueryRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl IntoResponse for QueryRejection {
    fn into_response(self) -> Response {
        let problem = Problem::new(StatusCode::BAD_REQUEST);
        let problem = match &self.field {
            Some(field) => problem
                .detail(format!("The field `{field}` of the query does not fit: {}.", self.error))
                .with("field", &**field),
            None => problem.detail(format!("The query does not fit: {}.", self.error)),
        };
        problem.into_response()
    }
}
