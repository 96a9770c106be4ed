//! Parts of a response that are neither its body nor a response alone: statuses, fields.

use http::StatusCode;

use super::IntoResponse;
use crate::problem::Problem;
use crate::response::{HeaderError, Headers, Response};

/// Something that changes a response and can stand in front of what is returned, in a tuple.
///
/// Parts are applied to the response of the last member in the order of the tuple: a later part replaces fields of
/// the same name, and all of them replace what the last member has set. A part that cannot be applied, such as a field
/// with a line end in it, makes the answer a 500 with the reason in the log: what was asked for cannot be answered, and
/// half of it might be worse.
///
/// ```
/// use corelane_http::response::{CacheControl, HeaderError, IntoResponse, Response, ResponsePart, StatusCode};
///
/// /// Where in a queue a job stands.
/// struct Place(u32);
///
/// impl ResponsePart for Place {
///     fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
///         response.headers_mut().insert("x-place", self.0.to_string())
///     }
/// }
///
/// let response = (StatusCode::ACCEPTED, CacheControl::no_store(), Place(3), "queued").into_response();
/// assert_eq!(response.status(), 202);
/// assert_eq!(response.headers().get("cache-control"), Some("no-store"));
/// assert_eq!(response.headers().get("x-place"), Some("3"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in front of a response",
    label = "does not implement `ResponsePart`",
    note = "a tuple is parts and then one response: `(StatusCode, CacheControl, [(\"x-a\", \"b\")], body)`",
    note = "for fields or a status of your own, implement `ResponsePart`"
)]
pub trait ResponsePart {
    /// Changes the response.
    ///
    /// # Errors
    /// A field that cannot be sent.
    fn apply(self, response: &mut Response) -> Result<(), HeaderError>;
}

impl ResponsePart for StatusCode {
    #[inline]
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        response.set_status(self);
        Ok(())
    }
}

/// Fields, each replacing those of its name.
impl<N: AsRef<str>, V: AsRef<[u8]>, const COUNT: usize> ResponsePart for [(N, V); COUNT] {
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        self.into_iter().try_for_each(|(name, value)| response.headers_mut().insert(name.as_ref(), value))
    }
}

/// Fields in any number, each replacing those of its name.
impl<N: AsRef<str>, V: AsRef<[u8]>> ResponsePart for Vec<(N, V)> {
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        self.into_iter().try_for_each(|(name, value)| response.headers_mut().insert(name.as_ref(), value))
    }
}

/// Every field, added to those that are there: what `set-cookie` needs.
impl ResponsePart for Headers {
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        self.iter().try_for_each(|(name, value)| response.headers_mut().append(name, value))
    }
}

/// A part that may be left out.
impl<P: ResponsePart> ResponsePart for Option<P> {
    fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
        self.map_or(Ok(()), |part| part.apply(response))
    }
}

/// Applies a part, or gives the 500 that stands for what cannot be sent.
pub(crate) fn applied<P: ResponsePart>(part: P, mut response: Response) -> Response {
    match part.apply(&mut response) {
        Ok(()) => response,
        Err(error) => {
            let part = std::any::type_name::<P>();
            tracing::error!(part, %error, "a handler returned a field that cannot be sent");
            Problem::internal().into_response()
        }
    }
}

macro_rules! tuples {
    ($(($($part:ident),+))*) => {$(
        impl<$($part: ResponsePart,)+ T: IntoResponse> IntoResponse for ($($part,)+ T) {
            #[allow(non_snake_case, reason = "parts are named after their types")]
            fn into_response(self) -> Response {
                let ($($part,)+ rest) = self;
                applied(All(($($part,)+)), rest.into_response())
            }
        }

        impl<$($part: ResponsePart),+> ResponsePart for All<($($part,)+)> {
            #[allow(non_snake_case, reason = "parts are named after their types")]
            fn apply(self, response: &mut Response) -> Result<(), HeaderError> {
                let ($($part,)+) = self.0;
                $($part.apply(response)?;)+
                Ok(())
            }
        }
    )*};
}

/// The parts of one tuple, applied together: the first that fails makes the whole a 500.
struct All<P>(P);

tuples!((A)(A, B)(A, B, C)(A, B, C, D)(A, B, C, D, E)(A, B, C, D, E, F));
