//! The fields that requests usually have, each with the section that defines it.
//!
//! Strict: a value that breaks its grammar is a rejection, not the nearest that fits.

mod cache;
mod conditions;
mod forwarding;
mod plain;
mod range;

pub use cache::RequestCacheControl;
pub use conditions::{EntityTag, EntityTags, IfMatch, IfModifiedSince, IfNoneMatch, IfUnmodifiedSince};
pub use forwarding::{Forwarded, ForwardedElement, XForwardedFor};
pub use plain::{ContentLength, LastEventId, Origin, RawCookie, Referer};
pub use range::{ByteRange, Range};

/// The lines of a field as one list, as RFC 9110 §5.3 joins them.
fn joined<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<String> {
    let mut joined = String::new();
    for value in values {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(std::str::from_utf8(value).ok()?);
    }
    Some(joined)
}
