//! One field line.

use super::Span;
use crate::name::Name;

/// A field line: what it is called and where its value stands.
///
/// ```
/// use corelane_http_proto::head::{HeadLimits, Name, RequestHead};
///
/// let input = b"GET / HTTP/1.1\r\nHost: a\r\nX-Colour:  red \r\n\r\n";
/// let mut head = RequestHead::new();
/// head.parse(input, &HeadLimits::default())?;
/// let field = head.fields()[1];
/// assert_eq!(field.name, Name::Other);
/// assert_eq!(field.name_span.of(input), b"X-Colour");
/// assert_eq!(field.value.of(input), b"red");
/// # Ok::<(), corelane_http_proto::head::HeadError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Which name it is, or [`Name::Other`].
    pub name: Name,
    /// The name as it was written. A token, so ASCII.
    pub name_span: Span,
    /// The value without white space around it (RFC 9110 §5.5). Holds no control byte but the tab.
    pub value: Span,
}

const _: () = assert!(size_of::<Field>() == 12, "a hundred fields take little more than a kilobyte");
