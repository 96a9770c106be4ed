//! Values that middleware has attached to the request.

use std::any::type_name;
use std::fmt;
use std::ops::Deref;

use super::FromRequest;
use crate::problem::Problem;
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::Response;

/// A clone of the value of type `T` among the request's [extensions](Request::extensions): what a middleware has found
/// out for handlers, such as who is signed in.
///
/// Without one the answer is 500 and the log names the type: the middleware that puts it there is missing.
/// `Option<Extension<T>>` is `None` then.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::extract::Extension;
/// use corelane_http::middleware::Next;
/// use corelane_http::request::Request;
/// use corelane_http::response::Response;
///
/// #[derive(Clone)]
/// struct User(&'static str);
///
/// async fn sign_in(mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(User("ada"));
///     next.run(request).await
/// }
///
/// async fn whoami(Extension(user): Extension<User>) -> &'static str {
///     user.0
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().get("/", whoami).with(sign_in).into_service();
/// let response = service.call(Request::builder("GET", "/").build()).await;
/// assert_eq!(response.into_body().bytes().await.unwrap(), "ada");
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<T> Deref for Extension<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone + 'static> FromRequest for Extension<T> {
    type Rejection = ExtensionRejection;

    async fn from_request(request: &mut Request) -> Result<Self, ExtensionRejection> {
        let found = request.extensions().get::<T>().cloned();
        found.map(Extension).ok_or(ExtensionRejection { name: type_name::<T>() })
    }

    /// The only rejection there is.
    fn is_absent(_: &ExtensionRejection) -> bool {
        true
    }
}

/// The request has no value of that type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionRejection {
    name: &'static str,
}

impl fmt::Display for ExtensionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no middleware has attached a `{}` to the request", self.name)
    }
}

impl std::error::Error for ExtensionRejection {}

impl IntoResponse for ExtensionRejection {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        Problem::internal().into_response()
    }
}
