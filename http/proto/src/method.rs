//! Request methods (RFC 9110 §9, RFC 5789).

use crate::head::Span;

/// A request method. Methods are case-sensitive: `get` is another method than `GET`.
///
/// Two [`Method::Other`] of different heads are not to be compared; their text is ([`as_str`](Self::as_str)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`, RFC 9110 §9.3.1.
    Get,
    /// `HEAD`, RFC 9110 §9.3.2.
    Head,
    /// `POST`, RFC 9110 §9.3.3.
    Post,
    /// `PUT`, RFC 9110 §9.3.4.
    Put,
    /// `DELETE`, RFC 9110 §9.3.5.
    Delete,
    /// `CONNECT`, RFC 9110 §9.3.6.
    Connect,
    /// `OPTIONS`, RFC 9110 §9.3.7.
    Options,
    /// `TRACE`, RFC 9110 §9.3.8.
    Trace,
    /// `PATCH`, RFC 5789.
    Patch,
    /// Any other token; the span says where it stands in the head.
    Other(Span),
}

impl Method {
    /// The method as text. `head` is the input it was parsed from; only [`Method::Other`] looks at it.
    ///
    /// ```
    /// use corelane_http_proto::head::{Method, Span};
    ///
    /// assert_eq!(Method::Get.as_str(b""), "GET");
    /// assert_eq!(Method::Other(Span::new(0, 4)).as_str(b"LOCK /a HTTP/1.1"), "LOCK");
    /// ```
    ///
    /// # Panics
    ///
    /// As [`Span::of`], for a `head` shorter than the one parsed.
    #[must_use]
    pub fn as_str(self, head: &[u8]) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(span) => span.str_of(head).unwrap_or_default(),
        }
    }

    /// The method of this name, if it is one of those with a variant of their own.
    ///
    /// ```
    /// use corelane_http_proto::head::Method;
    ///
    /// assert_eq!(Method::known(b"PATCH"), Some(Method::Patch));
    /// assert_eq!(Method::known(b"patch"), None);
    /// ```
    #[inline]
    #[must_use]
    pub const fn known(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => return None,
        })
    }

    /// True if the method only reads (RFC 9110 §9.2.1). Unknown methods count as unsafe.
    #[inline]
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }

    /// True if doing it twice is doing it once (RFC 9110 §9.2.2). Unknown methods count as not idempotent.
    #[inline]
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }
}
