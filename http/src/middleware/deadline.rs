//! A bound on the time of a handler.

use std::time::Duration;

use corelane_runtime::time;

use super::{Middleware, Next};
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::{Response, StatusCode};

/// Gives what it is around so long to make its response; then drops it and answers 504 (RFC 9110 §15.6.5).
///
/// The time runs from the request's head to the response's head: a body that is streamed afterwards is bounded by
/// the server's write stall instead. The time that a handler waits for the request's body counts. There is no deadline
/// unless one is set, as only the application knows what is too long.
///
/// ```
/// use std::time::Duration;
/// use corelane_http::{app::App, middleware::Deadline, request::Request};
/// use corelane_runtime::time;
///
/// async fn slow() -> &'static str {
///     time::sleep(Duration::from_secs(60)).await;
///     "late"
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().with(Deadline::after(Duration::from_millis(5))).get("/", slow).into_service();
/// let response = service.call(Request::builder("GET", "/").build()).await;
/// assert_eq!(response.status(), 504);
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    after: Duration,
}

impl Deadline {
    /// At most `after`, with the runtime's resolution of a millisecond.
    pub const fn after(after: Duration) -> Deadline {
        Deadline { after }
    }
}

impl Middleware for Deadline {
    async fn handle(&self, request: Request, next: Next) -> Response {
        match time::timeout(self.after, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(StatusCode::GATEWAY_TIMEOUT)
                .detail("the request took longer than it is given here")
                .into_response(),
        }
    }
}
