//! The `Cookie` field, taken as it comes: browsers, proxies and other applications on the host write it.

use std::borrow::Cow;
use std::ops::Range;

use corelane_http_proto::head::Name;
use percent_encoding::percent_decode_str;

use crate::request::Request;

/// Cookies of a request that are looked at (256). Browsers send about 180 for a site at most; a head of 16 KiB
/// has room for thousands.
pub const COOKIES_MAX: usize = 256;

/// What stands between the cookies of two `Cookie` fields.
const BETWEEN: &str = "; ";

/// Every `Cookie` field of a request as one text (RFC 9113 §8.2.3 has proxies split it). Fields that are not UTF-8 are read
/// with replacement characters, which no name or signature has.
pub(super) fn joined(request: &Request) -> String {
    let mut text = String::new();
    for field in request.head().fields().iter().filter(|field| field.name == Name::Cookie) {
        if !text.is_empty() {
            text.push_str(BETWEEN);
        }
        text.push_str(&String::from_utf8_lossy(field.value.of(request.head_bytes())));
    }
    text
}

/// Name and value, not decoded, of each cookie in a request, in the order sent. Needs no layer.
///
/// Malformed pairs are left out, as RFC 6265 §5.2 has clients do: those without `=` or without a name. White space
/// around names and values goes, and a pair of quotes around a value.
///
/// ```
/// use corelane_http::cookie::cookies_of;
/// use corelane_http::request::Request;
///
/// let request = Request::builder("GET", "/").header("cookie", "a=1; nonsense; b=\"2\"").build();
/// let found: Vec<_> = cookies_of(&request).collect();
/// assert_eq!(found, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
/// ```
pub fn cookies_of(request: &Request) -> impl Iterator<Item = (String, String)> + use<> {
    let text = joined(request);
    let pairs = pairs(&text);
    pairs.into_iter().map(move |(name, value)| (text[name].to_owned(), text[value].to_owned()))
}

/// Where name and value of each cookie stand.
pub(super) fn pairs(text: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let range = |part: &str| {
        let start = part.as_ptr().addr() - text.as_ptr().addr();
        start..start + part.len()
    };
    text.split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim_ascii(), unquoted(value.trim_ascii())))
        .filter(|(name, _)| !name.is_empty())
        .take(COOKIES_MAX)
        .map(|(name, value)| (range(name), range(value)))
        .collect()
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// A value without its percent-encoding. One that is not UTF-8 then was not encoded by us: it stays as it is.
pub(super) fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8().map_or_else(|_| value.to_owned(), Cow::into_owned)
}
