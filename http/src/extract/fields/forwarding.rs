//! What proxies say, as they say it.

use super::joined;
use crate::extract::HeaderField;
use crate::extract::forwarded::{Element, split_from_right};

/// `X-Forwarded-For` as it was sent. **Anybody can send it**: who the client is,
/// [`ClientAddr`](crate::extract::ClientAddr) says. This is for logs, and for passing it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XForwardedFor(Box<str>);

impl XForwardedFor {
    /// The entries from the left, as they were sent. The rightmost is the peer's.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split(',').map(str::trim)
    }
}

impl HeaderField for XForwardedFor {
    const NAME: &'static str = "x-forwarded-for";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        joined(values).map(|list| XForwardedFor(list.into()))
    }
}

/// `Forwarded` (RFC 7239 §4) as it was sent. **Anybody can send it**: who the client is,
/// [`ClientAddr`](crate::extract::ClientAddr) says. This is for logs, and for passing it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    elements: Vec<ForwardedElement>,
}

/// What one proxy says, without the quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardedElement {
    /// `for`: who connected to it.
    pub node: Option<Box<str>>,
    /// `by`: where that was.
    pub by: Option<Box<str>>,
    /// `host`, as it was asked for.
    pub host: Option<Box<str>>,
    /// `proto`: the scheme that was used.
    pub proto: Option<Box<str>>,
}

impl Forwarded {
    /// The elements from the left. The rightmost is the peer's.
    pub fn elements(&self) -> &[ForwardedElement] {
        &self.elements
    }
}

impl HeaderField for Forwarded {
    const NAME: &'static str = "forwarded";

    fn decode<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Self> {
        let list = joined(values)?;
        let owned =
            |value: Option<&[u8]>| value.and_then(|value| std::str::from_utf8(value).ok()).map(Box::from);
        let mut elements = split_from_right(list.as_bytes())
            .map(|element| {
                let Element { node, by, host, proto } = Element::parse(element)?;
                Some(ForwardedElement {
                    node: owned(node),
                    by: owned(by),
                    host: owned(host),
                    proto: owned(proto),
                })
            })
            .collect::<Option<Vec<_>>>()?;
        elements.reverse();
        Some(Forwarded { elements })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_in_their_order() {
        let lines = [&b"1.1.1.1, x"[..], b"2.2.2.2"];
        let entries = XForwardedFor::decode(lines.into_iter()).unwrap();
        assert_eq!(entries.iter().collect::<Vec<_>>(), ["1.1.1.1", "x", "2.2.2.2"]);
        let lines = [&b"for=1.1.1.1;host=\"a,b\""[..], b"for=_x;by=y;proto=https"];
        let forwarded = Forwarded::decode(lines.into_iter()).unwrap();
        let first =
            ForwardedElement { node: Some("1.1.1.1".into()), host: Some("a,b".into()), ..Default::default() };
        assert_eq!(forwarded.elements()[0], first);
        assert_eq!(forwarded.elements()[1].proto.as_deref(), Some("https"));
        assert!(Forwarded::decode([&b"for=a, for"[..]].into_iter()).is_none());
    }
}
