//! `Cache-Control` of a request.

use super::joined;
use super::plain::number;
use crate::extract::HeaderField;
use crate::extract::forwarded::is_token_byte;

/// `Cache-Control` of a request (RFC 9111 §5.2.1). That of a response is
/// [`CacheControl`](crate::response::CacheControl).
///
/// Seconds over `u64` are malformed, and so are words with a value, numbers without one, and a directive given twice.
/// Directives that RFC 9111 does not know are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCacheControl {
    /// `no-cache`: a stored answer has to be validated first.
    pub no_cache: bool,
    /// `no-store`: nothing of this may be stored.
    pub no_store: bool,
    /// `no-transform`: nobody in between may change the content.
    pub no_transform: bool,
    /// `only-if-cached`: a stored answer, or 504.
    pub only_if_cached: bool,
    /// `max-age`, in seconds.
    pub max_age: Option<u64>,
    /// `min-fresh`, in seconds.
    pub min_fresh: Option<u64>,
    /// `max-stale`: how stale an answer may be, in seconds; `u64::MAX` without a value.
    pub max_stale: Option<u64>,
}

impl HeaderField for RequestCacheControl {
    const NAME: &'static str = "cache-control";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let list = joined(values)?;
        let mut found = RequestCacheControl::default();
        for member in list.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            let (name, value) = match member.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (member, None),
            };
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                return None;
            }
            match &*name.to_ascii_lowercase() {
                "no-cache" => word(&mut found.no_cache, value)?,
                "no-store" => word(&mut found.no_store, value)?,
                "no-transform" => word(&mut found.no_transform, value)?,
                "only-if-cached" => word(&mut found.only_if_cached, value)?,
                "max-age" => seconds(&mut found.max_age, value?)?,
                "min-fresh" => seconds(&mut found.min_fresh, value?)?,
                "max-stale" if value.is_none() => found.max_stale = Some(u64::MAX),
                "max-stale" => seconds(&mut found.max_stale, value?)?,
                _ => {}
            }
        }
        Some(found)
    }
}

fn word(place: &mut bool, value: Option<&str>) -> Option<()> {
    (value.is_none() && !std::mem::replace(place, true)).then_some(())
}

/// RFC 9111 §5.2 has senders use tokens, and receivers take quotes too.
fn seconds(place: &mut Option<u64>, value: &str) -> Option<()> {
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let seconds = Some(bare).filter(|digits| !digits.is_empty()).and_then(number)?;
    place.replace(seconds).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let none = RequestCacheControl::default();
        for (value, want) in [
            ("no-cache", Some(RequestCacheControl { no_cache: true, ..none })),
            ("No-Store, MAX-AGE=0", Some(RequestCacheControl { no_store: true, max_age: Some(0), ..none })),
            ("max-age=\"5\"", Some(RequestCacheControl { max_age: Some(5), ..none })),
            ("max-stale", Some(RequestCacheControl { max_stale: Some(u64::MAX), ..none })),
            (
                "max-stale=9, min-fresh=1",
                Some(RequestCacheControl { max_stale: Some(9), min_fresh: Some(1), ..none }),
            ),
            (
                "only-if-cached, no-transform",
                Some(RequestCacheControl { only_if_cached: true, no_transform: true, ..none }),
            ),
            ("made-up=\"x\"", Some(none)),
            ("", Some(none)),
            ("max-age", None),
            ("max-age=", None),
            ("max-age=-1", None),
            ("max-age=1, max-age=2", None),
            ("no-cache=x", None),
            ("no cache", None),
        ] {
            assert_eq!(RequestCacheControl::decode([value.as_bytes()].into_iter()), want, "{value}");
        }
    }
}
