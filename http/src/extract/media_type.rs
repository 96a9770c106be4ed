//! Media types of bodies (RFC 9110 §8.3.1).

/// True if `content_type` is this one, with or without parameters. `wanted` is in lower case.
pub(super) fn is(content_type: &[u8], wanted: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case(wanted.as_bytes())
}

/// `application/json`, `application/anything+json`, with or without parameters (RFC 8259 §11, RFC 6839 §3.1).
pub(super) fn is_json(content_type: &[u8]) -> bool {
    let Some((kind, subtype)) = essence(content_type).split_at_checked(b"application/".len()) else {
        return false;
    };
    let suffix = subtype.len().checked_sub(b"+json".len()).map(|at| &subtype[at..]);
    kind.eq_ignore_ascii_case(b"application/")
        && (subtype.eq_ignore_ascii_case(b"json")
            || suffix.is_some_and(|end| end.eq_ignore_ascii_case(b"+json")))
}

fn essence(content_type: &[u8]) -> &[u8] {
    content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::{is, is_json};

    #[test]
    fn types_that_are_json() {
        for (content_type, want) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("application/vnd.api+json;v=1", true),
            ("application/json ; a=b", true),
            ("application/jsonx", false),
            ("application/", false),
            ("application/+json", true),
            ("text/json", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type.as_bytes()), want, "{content_type}");
        }
    }

    #[test]
    fn parameters_and_case_make_no_other_type() {
        for (content_type, want) in [
            ("multipart/form-data; boundary=a", true),
            ("Multipart/Form-Data ;boundary=a", true),
            ("multipart/form-data", true),
            ("multipart/form-data2", false),
            ("multipart/mixed", false),
            ("", false),
        ] {
            assert_eq!(is(content_type.as_bytes(), "multipart/form-data"), want, "{content_type}");
        }
    }
}
