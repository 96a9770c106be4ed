//! Fields of one value.

use corelane_http_proto::head::is_authority;

use crate::extract::HeaderField;
use crate::extract::header::only;

/// `Content-Length` (RFC 9110 §8.6). The body knows it too: [`Body::len`](crate::body::Body::len).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentLength(pub u64);

impl HeaderField for ContentLength {
    const NAME: &'static str = "content-length";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        number(only(values)?).map(ContentLength)
    }
}

/// Digits only: `parse` would take a sign.
pub(super) fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident $field:literal $valid:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Box<str>);

        impl $name {
            /// The value as it was sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl HeaderField for $name {
            const NAME: &'static str = $field;

            fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
                let valid: fn(&str) -> bool = $valid;
                only(values).filter(|value| valid(value)).map(|value| $name(value.into()))
            }
        }
    )*};
}

texts! {
    /// `Origin` (RFC 6454 §7): the scheme and authority of the page that sends the request, or `null`. Of the several that
    /// the grammar allows no browser sends more than one; a list is refused.
    Origin "origin" is_origin;
    /// `Referer` (RFC 9110 §10.1.3): the URL of the page that led here. No fragment, no credentials.
    Referer "referer" is_referer;
    /// `Last-Event-ID` (HTML, "Server-sent events"): where a stream of events broke off.
    LastEventId "last-event-id" |value| !value.is_empty();
}

impl Origin {
    /// True for `null`: an origin that is nobody's, such as a sandboxed frame's. Anybody can send it.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }
}

/// `scheme "://" host [ ":" port ]`, or `null`.
fn is_origin(value: &str) -> bool {
    if value == "null" {
        return true;
    }
    let Some((scheme, authority)) = value.split_once("://") else { return false };
    is_scheme(scheme) && is_authority(authority.as_bytes())
}

/// RFC 3986 §3.1.
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// An absolute URL, or a path, of visible ASCII.
fn is_referer(value: &str) -> bool {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return false;
    }
    match value.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            is_authority(authority.as_bytes())
        }
        // `about:blank`, `android-app:...`, or a path.
        _ => true,
    }
}

/// `Cookie` (RFC 6265 §4.2) as it was sent; several lines are joined by `; `, as RFC 9113 §8.2.3 has it.
/// [`Cookies`](crate::cookie::Cookies) takes it apart. `Debug` does not show it: it holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct RawCookie(Box<str>);

impl RawCookie {
    /// The value as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HeaderField for RawCookie {
    const NAME: &'static str = "cookie";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let lines: Option<Vec<&str>> = values.map(|value| std::str::from_utf8(value).ok()).collect();
        lines.map(|lines| RawCookie(lines.join("; ").into()))
    }
}

impl std::fmt::Debug for RawCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawCookie").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode<H: HeaderField>(values: &[&str]) -> Option<H> {
        H::decode(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn origins_and_referers() {
        for (value, origin, referer) in [
            ("https://a.example", true, true),
            ("https://a.example:8443", true, true),
            ("http://[::1]:80", true, true),
            ("null", true, true),
            ("https://a.example/", false, true),
            ("https://user@a.example", false, false),
            ("https://a.example https://b.example", false, false),
            ("https://a.example/x?y#z", false, false),
            ("https://", false, false),
            ("a.example", false, true),
            ("/path", false, true),
            ("", false, false),
        ] {
            assert_eq!(decode::<Origin>(&[value]).is_some(), origin, "origin {value}");
            assert_eq!(decode::<Referer>(&[value]).is_some(), referer, "referer {value}");
        }
        assert!(decode::<Origin>(&["https://a", "https://b"]).is_none(), "two lines");
        assert!(decode::<Origin>(&["null"]).unwrap().is_null());
    }

    #[test]
    fn lengths_cookies_and_event_ids() {
        assert_eq!(decode(&["12"]), Some(ContentLength(12)));
        for wrong in ["+12", "1 2", "12,12", "", "99999999999999999999"] {
            assert_eq!(decode::<ContentLength>(&[wrong]), None, "{wrong}");
        }
        let cookie = decode::<RawCookie>(&["a=1", "b=2; c=3"]).unwrap();
        assert_eq!(cookie.as_str(), "a=1; b=2; c=3");
        assert!(!format!("{cookie:?}").contains("a=1"));
        assert_eq!(decode::<LastEventId>(&["42"]).unwrap().as_str(), "42");
        assert!(decode::<LastEventId>(&[""]).is_none());
    }
}
