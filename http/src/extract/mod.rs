//! Extractors: parts of a request as arguments of a handler.
//!
//! | argument | takes | rejects with |
//! | --- | --- | --- |
//! | [`Path<T>`] | the path's parameters | 400 |
//! | [`Query<T>`] | the query | 400 |
//! | [`Header<H>`] | one typed field | 400 |
//! | [`BearerToken`], [`BasicCredentials`] | `authorization` | 400, 401 |
//! | [`RequestHeaders`] | every field | |
//! | [`Json<T>`] | the body, as JSON | 400, 413, 415, 422 |
//! | [`Form<T>`] | the body, as a form; the query of a `GET` | 400, 413, 415, 422 |
//! | [`Multipart`](crate::multipart::Multipart), [`MultipartForm<T>`](crate::multipart::MultipartForm) | the body, as parts | 400, 413, 415, 422, 507 |
//! | [`Bytes`](bytes::Bytes), `Vec<u8>`, `String` | the whole body | 400, 413 |
//! | [`Body`](crate::body::Body) | the body, to be read chunk by chunk | 500 if taken |
//! | [`State<T>`] | a value of the core's application | at start |
//! | [`ClientAddr`], [`Scheme`], [`Host`] | the client behind trusted proxies | 500 without an address |
//! | [`Shared<T>`] | a value that all cores share | at start |
//! | [`UrlFor`](crate::router::UrlFor) | what makes paths of named routes | |
//! | [`Peer`], [`Method`](http::Method), [`Version`](http::Version) | what they say | |
//! | [`Request`] | everything that is left | |
//! | [`Extension<T>`], [`RequestId`] | what a middleware has attached | 500 |
//! | `Valid<E>` (feature `validate`) | what `E` takes, checked by garde | as `E`, 422 |
//! | `Option<T>` | what `T` takes, if it is there | as `T` |
//! | `Result<T, E>` | what `T` takes, or its rejection | |
//!
//! Extractors run in the order of the arguments. The body can be taken once; a second taker is answered with 500
//! and a line in the log. [`Request`] by value takes everything, so it goes last.
//!
//! An extractor of your own:
//!
//! ```
//! use corelane_http::app::App;
//! use corelane_http::extract::FromRequest;
//! use corelane_http::problem::Problem;
//! use corelane_http::request::Request;
//! use corelane_http::response::StatusCode;
//!
//! struct ApiKey(String);
//!
//! impl FromRequest for ApiKey {
//!     type Rejection = Problem;
//!
//!     async fn from_request(request: &mut Request) -> Result<Self, Problem> {
//!         let key = request.header("x-api-key").ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED))?;
//!         Ok(ApiKey(key.to_owned()))
//!     }
//! }
//!
//! async fn whose(key: ApiKey) -> String {
//!     format!("the key is {} bytes long", key.0.len())
//! }
//! # corelane_runtime::block_on(async {
//! # let service = App::new().get("/", whose).into_service();
//! # assert_eq!(service.call(Request::builder("GET", "/").build()).await.status(), 401);
//! # });
//! ```

mod client;
mod credentials;
mod extension;
mod fields;
mod form;
mod forwarded;
mod header;
mod headers;
mod json;
mod limits;
mod media_type;
mod path;
mod query;
mod request_id;
mod state;
#[cfg(feature = "validate")]
mod valid;
mod whole;

use std::any::TypeId;
use std::sync::Arc;

use crate::request::Request;
use crate::respond::IntoResponse;

pub use client::{ClientAddr, Host, Scheme};
pub use credentials::{BasicCredentials, BearerToken, CredentialsRejection};
pub use extension::{Extension, ExtensionRejection};
pub use fields::{
    ByteRange, ContentLength, EntityTag, EntityTags, Forwarded, ForwardedElement, IfMatch, IfModifiedSince,
    IfNoneMatch, IfUnmodifiedSince, LastEventId, Origin, Range, RawCookie, Referer, RequestCacheControl,
    XForwardedFor,
};
pub use form::{Form, FormRejection};
pub use header::{
    Accept, AcceptLanguage, Authorization, ContentType, Header, HeaderField, HeaderRejection, UserAgent,
};
pub use headers::RequestHeaders;
pub use json::{Json, JsonRejection};
pub use limits::{FormLimits, JsonLimits};
pub use path::{Path, PathRejection};
pub use query::{Query, QueryRejection};
pub use request_id::{REQUEST_ID_LEN_MAX, RequestId};
pub use state::{Shared, State};
#[cfg(feature = "validate")]
pub use valid::{Valid, ValidRejection, ValidationErrors};
pub use whole::{Peer, TextRejection};

pub(crate) use form::form_fields;
pub(crate) use limits::limits;
pub(crate) use state::States;

/// Something that can be taken from a request. The [module](self) lists what there is, and shows how to add one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from a request",
    label = "does not implement `FromRequest`",
    note = "take JSON with `Json<{Self}>`, a form with `Form<{Self}>`, the query with `Query<{Self}>`, the path's parameters with `Path<{Self}>`, \
            a value given to `App::state` with `State<{Self}>`, one that a middleware attached with `Extension<{Self}>`",
    note = "or implement `FromRequest` for it"
)]
pub trait FromRequest: Sized {
    /// The answer if it cannot be taken.
    type Rejection: IntoResponse;

    /// Takes it.
    ///
    /// # Errors
    /// What to answer instead of running the handler.
    fn from_request(request: &mut Request) -> impl Future<Output = Result<Self, Self::Rejection>>;

    /// True if it was rejected because the request has nothing of the kind, not because what it has is wrong:
    /// `Option<Self>` is `None` then. Nothing counts as absent unless an extractor says so.
    fn is_absent(rejection: &Self::Rejection) -> bool {
        let _ = rejection;
        false
    }

    /// Tells what this needs from the application: checked when that is built. Most need nothing.
    fn needs(needs: &mut Needs) {
        let _ = needs;
    }
}

/// `None` where there is nothing to take, by [`FromRequest::is_absent`]. What is there and wrong is rejected: a
/// malformed `authorization` does not become a request without one. `Result<T, T::Rejection>` takes that too.
impl<T: FromRequest> FromRequest for Option<T> {
    type Rejection = T::Rejection;

    async fn from_request(request: &mut Request) -> Result<Self, Self::Rejection> {
        match T::from_request(request).await {
            Ok(value) => Ok(Some(value)),
            Err(rejection) if T::is_absent(&rejection) => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }

    fn needs(needs: &mut Needs) {
        T::needs(needs);
    }
}

/// The rejection as a value, for handlers that answer in their own way.
impl<T: FromRequest> FromRequest for Result<T, T::Rejection> {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Self::Rejection> {
        Ok(T::from_request(request).await)
    }

    fn needs(needs: &mut Needs) {
        T::needs(needs);
    }
}

/// What the extractors of one handler need from the application.
#[derive(Debug)]
pub struct Needs {
    states: Vec<(TypeId, &'static str, Giver)>,
}

impl Needs {
    pub(crate) const fn new() -> Needs {
        Needs { states: Vec::new() }
    }

    /// A value of this type has to be given with [`App::state`](crate::app::App::state).
    pub fn state<T: 'static>(&mut self) {
        self.states.push((TypeId::of::<T>(), std::any::type_name::<T>(), Giver::State));
    }

    /// A value of this type has to be given with [`App::shared`](crate::app::App::shared).
    pub fn shared<T: Send + Sync + 'static>(&mut self) {
        self.states.push((TypeId::of::<Arc<T>>(), std::any::type_name::<T>(), Giver::Shared));
    }

    /// The first that is needed and not there, and what to do about it.
    pub(crate) fn missing(&self, states: &States) -> Option<String> {
        let (_, name, giver) = self.states.iter().find(|(id, ..)| !states.contains(*id))?;
        let (wrapper, method) = match giver {
            Giver::State => ("State", "state"),
            Giver::Shared => ("Shared", "shared"),
        };
        Some(format!("{wrapper}<{name}>, but the application has none: give it with `App::{method}`"))
    }
}

/// What gives a value to the application.
#[derive(Clone, Copy, Debug)]
enum Giver {
    State,
    Shared,
}
