//! All fields of a request.

use std::convert::Infallible;
use std::fmt;
use std::ops::Range;

use super::FromRequest;
use crate::request::Request;

/// A copy of every field of the request, in the order they were sent. [`Request::headers`] has them without a copy;
/// [`Header`](super::Header) takes one with a type.
///
/// ```
/// use corelane_http::extract::RequestHeaders;
///
/// async fn count(headers: RequestHeaders) -> String {
///     format!("{} fields, host {:?}", headers.len(), headers.get("Host"))
/// }
/// # let _ = corelane_http::app::App::new().get("/", count);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHeaders {
    /// Names and values one behind the other.
    bytes: Box<[u8]>,
    /// Name and value of each field, as ranges of `bytes`.
    fields: Box<[(Range<usize>, Range<usize>)]>,
}

impl RequestHeaders {
    /// Value of the first field of this name (any case); `None` also if it is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Values of every field of this name (any case), in order.
    pub fn get_all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every field: name, value.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| {
            (std::str::from_utf8(&self.bytes[name.clone()]).unwrap_or_default(), &self.bytes[value.clone()])
        })
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True if there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl FromRequest for RequestHeaders {
    type Rejection = Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Infallible> {
        let mut bytes = Vec::new();
        let mut push = |part: &[u8]| {
            let begin = bytes.len();
            bytes.extend_from_slice(part);
            begin..bytes.len()
        };
        let fields = request.headers().map(|(name, value)| (push(name.as_bytes()), push(value))).collect();
        Ok(RequestHeaders { bytes: bytes.into(), fields })
    }
}

impl fmt::Debug for RequestHeaders {
    /// Shows names only: values may be secrets, and this ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}
