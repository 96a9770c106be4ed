//! Path parameters: where they stand in the head, and what they are called.

use std::borrow::Cow;

use corelane_http_proto::head::Span;
use percent_encoding::percent_decode;

/// Most parameters in one route template.
///
/// They are kept inline in the request; sixteen spans are one cache line.
pub const PARAMS_MAX: usize = 16;

/// Values of the parameters of a route, in the order of the template.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParamSpans {
    spans: [Span; PARAMS_MAX],
    /// Invariant: `len <= PARAMS_MAX`.
    len: u8,
}

impl ParamSpans {
    #[inline]
    pub(crate) const fn new() -> ParamSpans {
        ParamSpans { spans: [Span::new(0, 0); PARAMS_MAX], len: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds one. Templates have at most [`PARAMS_MAX`], which is checked when they are registered.
    #[inline]
    pub(crate) fn push(&mut self, span: Span) {
        self.spans[usize::from(self.len)] = span;
        self.len += 1;
    }

    /// Forgets all but the first `len`: what a wrong turn of the router has added.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(u8::try_from(len).unwrap_or(self.len));
    }

    pub(crate) fn as_slice(&self) -> &[Span] {
        &self.spans[..usize::from(self.len)]
    }

    /// Counts the offsets from `by` bytes earlier: from the beginning of the head instead of the path.
    #[inline]
    pub(crate) fn shift(&mut self, by: usize) {
        for span in &mut self.spans[..usize::from(self.len)] {
            *span = span_at(span.start() + by, span.len());
        }
    }
}

/// A span over a part of a head.
#[expect(clippy::cast_possible_truncation, reason = "both lie in a head, whose offsets fit in 16 bits")]
pub(crate) fn span_at(start: usize, len: usize) -> Span {
    debug_assert!(start + len <= usize::from(u16::MAX), "offsets of a head fit in 16 bits");
    Span::new(start as u16, len as u16)
}

/// The path parameters of a request, in the order of the route's template.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::request::Request;
///
/// async fn show(request: Request) -> String {
///     let params = request.params();
///     format!("{} of {}", params.get("page").unwrap_or_default(), params.get("book").unwrap_or_default())
/// }
///
/// # corelane_runtime::block_on(async {
/// let service = App::new().get("/books/{book}/{page}", show).into_service();
/// let response = service.call(Request::builder("GET", "/books/caf%C3%A9/7").build()).await;
/// assert_eq!(response.into_body().bytes().await.unwrap(), "7 of café");
/// # });
/// ```
#[derive(Clone, Copy)]
pub struct Params<'r> {
    pub(crate) names: &'r [Box<str>],
    pub(crate) spans: &'r [Span],
    pub(crate) head: &'r [u8],
}

impl<'r> Params<'r> {
    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if the route has none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The parameter of this name, percent-decoded; bytes that are not UTF-8 become U+FFFD.
    ///
    /// `None` if the template has no such name.
    pub fn get(&self, name: &str) -> Option<Cow<'r, str>> {
        self.iter().find(|(found, _)| *found == name).map(|(_, raw)| percent_decode(raw).decode_utf8_lossy())
    }

    /// Name and value of each, the value as it stands in the request, not decoded.
    pub fn iter(&self) -> impl Iterator<Item = (&'r str, &'r [u8])> + use<'r> {
        let head = self.head;
        self.names.iter().zip(self.spans).map(move |(name, span)| (&**name, span.of(head)))
    }
}
