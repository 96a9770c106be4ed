//! What answers where no route does.

use std::panic::Location;
use std::rc::Rc;

use super::Route;
use super::host::HostPattern;
use super::template::Segment;
use crate::extract::Needs;
use crate::handler::{Endpoint, Extractors, Handler, erase};
use crate::request::{ParamSpans, span_at};
use crate::respond::IntoResponse;

/// A handler without a template.
pub(crate) struct Fallback {
    pub(super) endpoint: Rc<dyn Endpoint>,
    pub(super) needs: Needs,
    pub(super) location: &'static Location<'static>,
}

impl Fallback {
    #[track_caller]
    pub(crate) fn new<H: Handler<Args, Output: IntoResponse>, Args: Extractors>(handler: H) -> Fallback {
        let mut needs = Needs::new();
        Args::needs(&mut needs);
        Fallback { endpoint: erase(handler), needs, location: Location::caller() }
    }
}

/// The fallback of a group, once the application is built.
pub(super) struct GroupFallback {
    pub(super) host: Option<HostPattern>,
    pub(super) prefix: Vec<Segment>,
    pub(super) route: Rc<Route>,
}

impl GroupFallback {
    /// True if `path` is the prefix, or below it; the prefix' parameters are noted then.
    pub(super) fn covers(&self, path: &[u8], params: &mut ParamSpans) -> bool {
        params.clear();
        // `OPTIONS *` and the authority of a `CONNECT` are no paths.
        if !path.starts_with(b"/") {
            return false;
        }
        let mut at = 0;
        for segment in &self.prefix {
            if path.get(at) != Some(&b'/') {
                return false;
            }
            let rest = &path[at + 1..];
            let len = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let text = &rest[..len];
            let fits = match segment {
                Segment::Static(wanted) => wanted.as_bytes() == text,
                Segment::Pattern(pattern) => pattern.matches(text),
                Segment::Param => !text.is_empty(),
                Segment::Rest => false,
            };
            if !fits {
                return false;
            }
            if !matches!(segment, Segment::Static(_)) {
                params.push(span_at(at + 1, len));
            }
            at += 1 + len;
        }
        true
    }
}
