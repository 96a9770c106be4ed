//! Error handlers by status.

use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use corelane_runtime::buf::LocalBoxFuture;
use corelane_runtime::stats;

use crate::handler::Endpoint;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::{Response, StatusCode};

/// The statuses that an error handler is for: one, a list, or a range. See [`App::on_error`](super::App::on_error).
///
/// ```
/// use corelane_http::app::Statuses;
/// use corelane_http::response::StatusCode;
///
/// let one = Statuses::from(404);
/// let several = Statuses::from([401, 403]);
/// let class = Statuses::from(500..=599);
/// assert!(one.contains(StatusCode::NOT_FOUND) && !several.contains(StatusCode::NOT_FOUND));
/// assert!(class.contains(StatusCode::BAD_GATEWAY));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// True if this status is among them.
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }

    /// How many there are.
    fn count(&self) -> usize {
        self.0.iter().map(RangeInclusive::len).sum()
    }

    /// # Panics
    /// If there are none, or one is no error.
    #[track_caller]
    pub(super) fn check(&self) {
        assert!(self.count() > 0, "an error handler for no status never runs");
        for range in &self.0 {
            assert!(
                *range.start() >= 400 && *range.end() <= 599,
                "an error handler is for statuses of 400 to 599, not {} to {}",
                range.start(),
                range.end()
            );
        }
    }
}

impl From<u16> for Statuses {
    fn from(status: u16) -> Statuses {
        Statuses(vec![status..=status])
    }
}

impl From<StatusCode> for Statuses {
    fn from(status: StatusCode) -> Statuses {
        status.as_u16().into()
    }
}

impl From<RangeInclusive<u16>> for Statuses {
    fn from(range: RangeInclusive<u16>) -> Statuses {
        Statuses(vec![range])
    }
}

impl<const N: usize> From<[u16; N]> for Statuses {
    fn from(statuses: [u16; N]) -> Statuses {
        Statuses(statuses.into_iter().map(|status| status..=status).collect())
    }
}

impl<const N: usize> From<[StatusCode; N]> for Statuses {
    fn from(statuses: [StatusCode; N]) -> Statuses {
        statuses.map(|status| status.as_u16()).into()
    }
}

/// Changes answers that are errors: any `async fn(Request, Response) -> impl IntoResponse`. See
/// [`App::on_error`](super::App::on_error).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle errors",
    label = "not an async function of `(Request, Response)`",
    note = "write `async fn page(request: Request, response: Response) -> impl IntoResponse`"
)]
pub trait ErrorHandler: 'static {
    /// What to answer in place of `response`.
    fn handle(&self, request: Request, response: Response) -> impl Future<Output = Response>;
}

impl<F, R> ErrorHandler for F
where
    F: AsyncFn(Request, Response) -> R + 'static,
    R: IntoResponse,
{
    async fn handle(&self, request: Request, response: Response) -> Response {
        self(request, response).await.into_response()
    }
}

/// An error handler of any type.
pub(crate) trait ErasedErrorHandler {
    fn handle(self: Rc<Self>, request: Request, response: Response) -> LocalBoxFuture<'static, Response>;
}

impl<T: ErrorHandler> ErasedErrorHandler for T {
    fn handle(self: Rc<Self>, request: Request, response: Response) -> LocalBoxFuture<'static, Response> {
        LocalBoxFuture::new(async move { ErrorHandler::handle(&*self, request, response).await })
    }
}

/// The error handlers of one scope.
#[derive(Clone, Default)]
pub(crate) struct ErrorHandlers {
    /// Those for fewer statuses first, then in order of addition.
    handlers: Vec<(Statuses, Rc<dyn ErasedErrorHandler>)>,
}

impl ErrorHandlers {
    pub(crate) fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }

    pub(crate) fn push(&mut self, statuses: Statuses, handler: Rc<dyn ErasedErrorHandler>) {
        let at = self.handlers.partition_point(|(found, _)| found.count() <= statuses.count());
        self.handlers.insert(at, (statuses, handler));
    }

    fn for_status(&self, status: StatusCode) -> Option<&Rc<dyn ErasedErrorHandler>> {
        self.handlers.iter().find(|(statuses, _)| statuses.contains(status)).map(|(_, handler)| handler)
    }
}

/// What is around the layers of a scope that has error handlers.
pub(crate) struct HandlingErrors {
    pub(crate) handlers: Rc<ErrorHandlers>,
    pub(crate) inner: Rc<dyn Endpoint>,
}

impl Endpoint for HandlingErrors {
    fn call(&self, request: Request) -> LocalBoxFuture<'static, Response> {
        let (handlers, inner) = (Rc::clone(&self.handlers), Rc::clone(&self.inner));
        LocalBoxFuture::new(async move {
            let origin = request.origin();
            let response = caught(&*inner, request).await;
            if response.is_settled() {
                return response;
            }
            match handlers.for_status(response.status()) {
                Some(handler) => settle(Rc::clone(handler), origin.into_request(), response).await,
                None => response,
            }
        })
    }
}

/// Runs an endpoint; a panic in it is the answer 500, as it is in the connection, which would catch it too late to be
/// handled.
async fn caught(endpoint: &dyn Endpoint, request: Request) -> Response {
    let Ok(mut running) = catch_unwind(AssertUnwindSafe(|| endpoint.call(request))) else {
        return panicked();
    };
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut running).poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(panicked()))
    })
    .await
}

#[cold]
fn panicked() -> Response {
    stats::count_panic();
    Problem::internal().into_response()
}

/// What the handler gives, with the status and the fields that stay.
async fn settle(handler: Rc<dyn ErasedErrorHandler>, request: Request, response: Response) -> Response {
    let status = response.status();
    let fields: Vec<(String, Vec<u8>)> = response
        .headers()
        .iter()
        .filter(|(name, _)| !describes_body(name))
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect();
    let closes = response.closes_connection();
    let mut settled = handler.handle(request, response).await;
    if settled.status() == StatusCode::OK {
        settled.set_status(status);
    }
    if closes {
        settled.close_connection();
    }
    let own: Vec<String> = settled.headers().iter().map(|(name, _)| name.to_owned()).collect();
    for (name, value) in fields.iter().filter(|(name, _)| !own.contains(name)) {
        // Fails only where the fields would be larger than they may be together: then the handler's own count.
        let _ = settled.headers_mut().append(name, value);
    }
    settled.settle();
    settled
}

/// True for fields that say something about the body (RFC 9110 §8), which is another one now.
fn describes_body(name: &str) -> bool {
    name.starts_with("content-")
        && name != "content-security-policy"
        && name != "content-security-policy-report-only"
        || matches!(name, "etag" | "last-modified" | "accept-ranges" | "trailer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_body_go_with_it() {
        for (name, want) in [
            ("content-type", true),
            ("content-encoding", true),
            ("content-disposition", true),
            ("etag", true),
            ("content-security-policy", false),
            ("allow", false),
            ("set-cookie", false),
            ("retry-after", false),
        ] {
            assert_eq!(describes_body(name), want, "{name}");
        }
    }
}
