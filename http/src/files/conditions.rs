//! Conditional requests (RFC 9110 §13) and the fields that ask for parts (§14), as one extractor.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use http::Method;

use super::range::{self, Ranges};
use super::validators::Validators;
use crate::extract::FromRequest;
use crate::request::Request;

/// What a request says about the version and the part it wants: `If-Match`, `If-None-Match`, `If-Modified-Since`,
/// `If-Unmodified-Since`, `If-Range` and `Range`.
///
/// An extractor that never rejects, for [`NamedFile::respond`](super::NamedFile::respond). It allocates only for fields
/// that are there.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// True for `GET` and `HEAD`, which alone a cached copy can answer.
    is_read: bool,
    /// True for `GET`, for which alone `Range` is defined (RFC 9110 §14.2).
    is_get: bool,
    if_match: Option<Box<[u8]>>,
    if_none_match: Option<Box<[u8]>>,
    if_modified_since: Option<Box<[u8]>>,
    if_unmodified_since: Option<Box<[u8]>>,
    if_range: Option<Box<[u8]>>,
    range: Option<Box<[u8]>>,
}

/// How a request with conditions is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 412: the client would act on another version.
    Failed,
    /// 304: the client has it.
    NotModified,
    /// 200.
    Whole,
    /// 206 or 416.
    Ranges(Ranges),
}

impl Conditions {
    /// Those of a request.
    pub fn of(request: &Request) -> Conditions {
        let method = request.method();
        Conditions {
            is_read: method == Method::GET || method == Method::HEAD,
            is_get: method == Method::GET,
            if_match: list(request, "if-match"),
            if_none_match: list(request, "if-none-match"),
            if_modified_since: single(request, "if-modified-since"),
            if_unmodified_since: single(request, "if-unmodified-since"),
            if_range: single(request, "if-range"),
            range: single(request, "range"),
        }
    }

    /// Weighs them in the order of RFC 9110 §13.2.2. `now` is the second that `Date` shows.
    pub(super) fn weigh(&self, current: &Validators, len: u64, now: SystemTime) -> Verdict {
        if let Some(tags) = &self.if_match {
            if !any_tag(tags, |tag| tag == current.etag().as_bytes()) {
                return Verdict::Failed;
            }
        } else if let Some(since) = self.if_unmodified_since.as_deref().and_then(date)
            && current.modified_second().is_none_or(|modified| modified > since)
        {
            return Verdict::Failed;
        }
        if let Some(tags) = &self.if_none_match {
            // The weak comparison (RFC 9110 §13.1.2): a client that got the file through a proxy which made the tag weak.
            if any_tag(tags, |tag| tag.strip_prefix(b"W/").unwrap_or(tag) == current.etag().as_bytes()) {
                return if self.is_read { Verdict::NotModified } else { Verdict::Failed };
            }
        } else if self.is_read
            && let Some(since) = self.if_modified_since.as_deref().and_then(date)
            && current.modified_second().is_some_and(|modified| modified <= since)
        {
            return Verdict::NotModified;
        }
        match &self.range {
            Some(range) if self.is_get && self.range_holds(current, now) => match range::parse(range, len) {
                Ranges::Whole => Verdict::Whole,
                ranges => Verdict::Ranges(ranges),
            },
            _ => Verdict::Whole,
        }
    }

    /// `If-Range` (RFC 9110 §13.1.5): the part fits what the client has only if that is exactly this version.
    fn range_holds(&self, current: &Validators, now: SystemTime) -> bool {
        let Some(validator) = &self.if_range else { return true };
        if validator.starts_with(b"\"") || validator.starts_with(b"W/") {
            return **validator == *current.etag().as_bytes();
        }
        // A date is a strong validator only if the file cannot have changed twice in that second (§8.8.2.2).
        let (Some(date), Some(modified)) = (date(validator), current.modified_second()) else { return false };
        date == modified && now.duration_since(modified).is_ok_and(|age| age >= Duration::from_secs(1))
    }
}

impl FromRequest for Conditions {
    type Rejection = Infallible;

    async fn from_request(request: &mut Request) -> Result<Self, Infallible> {
        Ok(Conditions::of(request))
    }
}

/// A field that is a list: its lines joined.
fn list(request: &Request, name: &str) -> Option<Box<[u8]>> {
    let mut lines = request.header_all(name);
    let first = lines.next()?;
    let mut all = first.to_vec();
    for line in lines {
        all.extend_from_slice(b", ");
        all.extend_from_slice(line);
    }
    Some(all.into())
}

/// A field that may stand once. Sent twice it is malformed, and ignored as a malformed one is.
fn single(request: &Request, name: &str) -> Option<Box<[u8]>> {
    let mut lines = request.header_all(name);
    let first = lines.next()?;
    if lines.next().is_some() { None } else { Some(first.into()) }
}

/// A date of RFC 9110 §5.6.7; one that is none counts as absent (§13.1.3).
fn date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
}

/// True if the list is `*`, which any file that exists matches, or a tag of it is `wanted`.
///
/// Opaque tags may hold commas, so the list is not simply cut at them. At what is malformed the list ends.
fn any_tag(list: &[u8], wanted: impl Fn(&[u8]) -> bool) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = rest.trim_ascii_start();
        while let Some(behind) = rest.strip_prefix(b",") {
            rest = behind.trim_ascii_start();
        }
        let open = if rest.starts_with(b"W/") { 2 } else { 0 };
        if rest.get(open) != Some(&b'"') {
            return false;
        }
        let Some(close) = rest[open + 1..].iter().position(|byte| *byte == b'"') else { return false };
        let end = open + 1 + close + 1;
        if wanted(&rest[..end]) {
            return true;
        }
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests;
