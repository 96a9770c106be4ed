//! The field `Forwarded` (RFC 7239).

/// Splits a line at its commas, from the right. A comma in quotes is none.
///
/// From the right, because there stands what the proxy nearest to us wrote: what a client put to the left of it, an open
/// quote for one, cannot change how it is read.
pub(super) fn split_from_right(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let mut in_quotes = false;
        let comma = line.iter().rposition(|byte| {
            in_quotes ^= *byte == b'"';
            *byte == b',' && !in_quotes
        });
        rest = comma.map(|at| &line[..at]);
        Some(line[comma.map_or(0, |at| at + 1)..].trim_ascii())
    })
}

/// What one proxy says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// `for`: who connected to it.
    pub(super) node: Option<&'a [u8]>,
    pub(super) by: Option<&'a [u8]>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) proto: Option<&'a [u8]>,
}

impl<'a> Element<'a> {
    /// `None` if it breaks the grammar of RFC 7239 §4, has a parameter twice, or an escape, which nothing that may stand
    /// in one needs.
    pub(super) fn parse(element: &'a [u8]) -> Option<Element<'a>> {
        let mut parsed = Element::default();
        let mut rest = element;
        loop {
            let equals = rest.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&rest[..equals], &rest[equals + 1..]);
            if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
                return None;
            }
            let (value, after) = match value.strip_prefix(b"\"") {
                Some(quoted) => {
                    let end = quoted.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
                    if quoted[end] == b'\\' {
                        return None;
                    }
                    (&quoted[..end], &quoted[end + 1..])
                }
                None => {
                    let end = value.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(value.len());
                    if end == 0 {
                        return None;
                    }
                    value.split_at(end)
                }
            };
            let place = match name {
                _ if name.eq_ignore_ascii_case(b"for") => Some(&mut parsed.node),
                _ if name.eq_ignore_ascii_case(b"by") => Some(&mut parsed.by),
                _ if name.eq_ignore_ascii_case(b"host") => Some(&mut parsed.host),
                _ if name.eq_ignore_ascii_case(b"proto") => Some(&mut parsed.proto),
                _ => None,
            };
            if place.is_some_and(|place| place.replace(value).is_some()) {
                return None;
            }
            rest = match after {
                [] => return Some(parsed),
                [b';', rest @ ..] => rest,
                _ => return None,
            };
        }
    }
}

/// `tchar` (RFC 9110 §5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_line_and_what_a_client_cannot_do_to_them() {
        for (why, line, want) in [
            ("two", "for=a, for=b", &["for=b", "for=a"][..]),
            ("a comma in quotes", "for=a, by=\"b,c\"", &["by=\"b,c\"", "for=a"]),
            ("an open quote of the client's", "for=\"a, for=b", &["for=b", "for=\"a"]),
            ("and one before a quoted element", "for=\"a, for=\"[::1]\"", &["for=\"[::1]\"", "for=\"a"]),
            ("empty", "", &[""]),
        ] {
            let split: Vec<&str> =
                split_from_right(line.as_bytes()).map(|e| str::from_utf8(e).unwrap()).collect();
            assert_eq!(split, want, "{why}");
        }
    }

    #[test]
    fn what_is_an_element() {
        let node = |element: &'static str| Element::parse(element.as_bytes()).map(|element| element.node);
        for (why, element, want) in [
            ("a token", "for=192.0.2.43", Some(Some(&b"192.0.2.43"[..]))),
            (
                "quoted, among others, any case",
                "By=_x;FOR=\"[2001:db8::1]:4711\";proto=http",
                Some(Some(b"[2001:db8::1]:4711")),
            ),
            ("another parameter", "secret=x", Some(None)),
            ("IPv6 without quotes", "for=[2001:db8::1]", None),
            ("twice", "for=a;for=b", None),
            ("an open quote", "for=\"a", None),
            ("an escape", "for=\"a\\\"b\"", None),
            ("spaces", "for = a", None),
            ("no value", "for=", None),
            ("no parameter", "for", None),
            ("an empty one", "for=a;", None),
            ("empty", "", None),
        ] {
            assert_eq!(node(element), want, "{why}");
        }
    }
}
