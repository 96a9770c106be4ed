//! Tuples: a status, fields, and what they go with.

use http::StatusCode;

use super::IntoResponse;
use crate::problem::Problem;
use crate::response::Response;

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<N, V, T, const COUNT: usize> IntoResponse for ([(N, V); COUNT], T)
where
    N: AsRef<str>,
    V: AsRef<[u8]>,
    T: IntoResponse,
{
    /// A field that may not be sent (control bytes, framing) makes a 500, with the reason in the log:
    /// what was asked for cannot be answered, and half of it might be worse.
    fn into_response(self) -> Response {
        let (fields, rest) = self;
        let mut response = rest.into_response();
        for (name, value) in fields {
            let name = name.as_ref();
            if let Err(error) = response.headers_mut().insert(name, value) {
                tracing::error!(field = name, %error, "a handler returned a field that cannot be sent");
                return Problem::internal().into_response();
            }
        }
        response
    }
}

impl<N, V, T, const COUNT: usize> IntoResponse for (StatusCode, [(N, V); COUNT], T)
where
    N: AsRef<str>,
    V: AsRef<[u8]>,
    T: IntoResponse,
{
    fn into_response(self) -> Response {
        let (status, fields, rest) = self;
        (fields, (status, rest)).into_response()
    }
}
