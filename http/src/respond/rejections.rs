//! Errors of the framework's own parts as problems.

use super::IntoResponse;
use crate::body::BodyError;
use crate::problem::Problem;
use crate::response::{HeaderError, Response};

impl From<BodyError> for Problem {
    /// What the peer did is told; what went wrong inside is logged and not told.
    fn from(error: BodyError) -> Problem {
        let problem = Problem::new(error.status());
        if error.status().is_server_error() {
            tracing::error!(error = &error as &dyn std::error::Error, "a request body could not be had");
            return problem;
        }
        let limit = error.limit();
        let problem = problem.detail(error.to_string());
        match limit {
            Some(limit) => problem.with("limit_bytes", limit),
            None => problem,
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl From<HeaderError> for Problem {
    /// 500: the program tried to send a field that cannot be sent, whoever its value came from.
    fn from(error: HeaderError) -> Problem {
        tracing::error!(%error, "a response field cannot be sent");
        Problem::internal()
    }
}

impl IntoResponse for HeaderError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
