//! The identifier of a request, for logs and for the client.

use std::fmt;
use std::ops::Deref;

use super::FromRequest;
use crate::problem::Problem;
use crate::request::Request;

/// Most characters of a [`RequestId`]. The longest in use, trace ids and ULIDs with a prefix, have about 50.
pub const REQUEST_ID_LEN_MAX: usize = 64;

/// The identifier of a request, which a middleware has put into the request's extensions.
///
/// 1 to [`REQUEST_ID_LEN_MAX`] characters, each a letter or digit of ASCII or one of `-_.:+/=@~`: what can stand in a
/// field, in a log line and in JSON as it is. Kept in place, so it costs no allocation and is `Copy`.
///
/// As an extractor it is answered with 500, and a line in the log, if no middleware has set one: that is a mistake
/// of the program. `Option<RequestId>` is `None` then.
///
/// ```
/// use corelane_http::extract::RequestId;
///
/// let id = RequestId::new("01JDHN4Z7X").unwrap();
/// assert_eq!(id.as_str(), "01JDHN4Z7X");
/// assert!(RequestId::new("two words").is_none());
///
/// async fn whoami(id: RequestId) -> String {
///     format!("request {id}\n")
/// }
/// # let _ = corelane_http::app::App::new().get("/", whoami);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    /// Invariant: at most [`REQUEST_ID_LEN_MAX`].
    len: u8,
    /// Invariant: ASCII up to `len`, zero from there on.
    bytes: [u8; REQUEST_ID_LEN_MAX],
}

const _: () = assert!(REQUEST_ID_LEN_MAX <= u8::MAX as usize, "the length is a u8");

impl RequestId {
    /// The identifier, unless `text` is empty, too long, or has a character that is not allowed. What a client sends
    /// goes through here before it is used.
    pub fn new(text: &str) -> Option<RequestId> {
        if text.is_empty() || !text.bytes().all(is_allowed) {
            return None;
        }
        let mut bytes = [0; REQUEST_ID_LEN_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(RequestId { len: u8::try_from(text.len()).ok()?, bytes })
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:+/=@~".contains(&byte)
}

impl Deref for RequestId {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

impl FromRequest for RequestId {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        request.extensions().get::<RequestId>().copied().ok_or_else(|| {
            tracing::error!("no middleware has given the request an id");
            Problem::internal()
        })
    }

    /// The only rejection there is.
    fn is_absent(_: &Problem) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_in_fields_and_logs() {
        for (why, text, allowed) in [
            ("a UUID", "0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", true),
            ("base64", "YWJj+/==", true),
            ("empty", "", false),
            ("the longest", &*"a".repeat(REQUEST_ID_LEN_MAX), true),
            ("one more", &*"a".repeat(REQUEST_ID_LEN_MAX + 1), false),
            ("a new field", "a\r\nset-cookie: b", false),
            ("a space", "a b", false),
            ("a quote", "a\"b", false),
            ("not ASCII", "é", false),
        ] {
            let made = RequestId::new(text);
            assert_eq!(made.is_some(), allowed, "{why}");
            assert!(made.is_none_or(|id| id.as_str() == text), "{why}");
        }
    }
}
