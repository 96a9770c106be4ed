//! RFC 9112 §5 and RFC 9110 §5: field lines.

use corelane_http_proto::head::{HeadError, HeadLimits, Name, RequestHead};

use super::{request, request_error};

#[test]
fn rfc9112_section_5_lines_that_are_accepted() {
    for (why, line, name, value) in [
        ("the usual", "X-A: b", "X-A", "b"),
        ("no space", "X-A:b", "X-A", "b"),
        ("tabs and spaces around the value", "X-A: \t b \t ", "X-A", "b"),
        ("a space before the end only", "X-A: b ", "X-A", "b"),
        ("white space within", "X-A: b\tc  d", "X-A", r"b\tc  d"),
        ("an empty value", "X-A:", "X-A", ""),
        ("a value of spaces", "X-A:   ", "X-A", ""),
        ("one byte of name", "a: b", "a", "b"),
        ("two bytes of name", "ab: c", "ab", "c"),
        ("31 bytes of name", "abcdefghijklmnopqrstuvwxyz01234: b", "abcdefghijklmnopqrstuvwxyz01234", "b"),
        ("32 bytes of name", "abcdefghijklmnopqrstuvwxyz012345: b", "abcdefghijklmnopqrstuvwxyz012345", "b"),
        (
            "33 bytes of name",
            "abcdefghijklmnopqrstuvwxyz0123456: b",
            "abcdefghijklmnopqrstuvwxyz0123456",
            "b",
        ),
        ("every byte of a token", "!#$%&'*+-.^_`|~09Az: b", "!#$%&\\'*+-.^_`|~09Az", "b"),
        ("colons in the value", "X-A: b:c", "X-A", "b:c"),
        ("obsolete text in the value (RFC 9110 §5.5)", "X-A: \u{e9}", "X-A", r"\xc3\xa9"),
        ("separators in the value", "X-A: (\"b\", <c>;{d})", "X-A", "(\\\"b\\\", <c>;{d})"),
    ] {
        // Last and not last: the reader of vectors treats the two apart.
        for input in [
            format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{line}\r\nHost: a\r\nAccept-Language: de, en;q=0.7\r\n\r\nbody"),
        ] {
            let request = request(why, input.as_bytes());
            let found = request.fields.iter().any(|(_, n, v)| n == name && v == value);
            assert!(found, "{why}: {:?}", request.fields);
        }
    }
}

#[test]
fn rfc9112_section_5_lines_that_are_refused() {
    for (why, line, want) in [
        ("space before the colon (§5.1)", "X-A : b", HeadError::SpaceBeforeColon),
        ("tab before the colon (§5.1)", "X-A\t: b", HeadError::SpaceBeforeColon),
        ("space in the name", "X A: b", HeadError::SpaceBeforeColon),
        ("an empty name", ": b", HeadError::FieldNameInvalid),
        ("no colon", "X-A", HeadError::FieldNameInvalid),
        ("no token: a separator", "X(A: b", HeadError::FieldNameInvalid),
        ("no token: obsolete text", "X-\u{e9}: b", HeadError::FieldNameInvalid),
        ("no token: NUL", "X\0A: b", HeadError::FieldNameInvalid),
        ("no token: DEL", "X\u{7f}A: b", HeadError::FieldNameInvalid),
        ("obs-fold (§5.2)", "X-A: b\r\n c", HeadError::ObsoleteFold),
        ("obs-fold with a tab", "X-A: b\r\n\tc", HeadError::ObsoleteFold),
        ("obs-fold of nothing but space", "X-A: b\r\n ", HeadError::ObsoleteFold),
        ("a fold that hides a field", "X-A: b\r\n Transfer-Encoding: chunked", HeadError::ObsoleteFold),
        ("NUL in the value", "X-A: b\0c", HeadError::FieldValueInvalid),
        ("a control byte in the value", "X-A: b\u{1}c", HeadError::FieldValueInvalid),
        ("a vertical tab in the value", "X-A: b\u{b}", HeadError::FieldValueInvalid),
        ("DEL in the value", "X-A: b\u{7f}", HeadError::FieldValueInvalid),
        ("a control byte before the CR", "X-A: b\u{1}", HeadError::FieldValueInvalid),
        ("bare CR in the value", "X-A: b\rc", HeadError::BareCr),
        ("bare CR before the end", "X-A: b\r", HeadError::BareCr),
        ("bare LF as the end", "X-A: b\nX-B: c", HeadError::BareLf),
        ("bare LF in a name", "X-\nA: b", HeadError::BareLf),
        ("a CR in a name", "X-\rA: b", HeadError::FieldNameInvalid),
        ("bare LF as the blank line", "X-A: b\r\n\n", HeadError::BareLf),
        ("bare CR as the blank line", "X-A: b\r\n\rX", HeadError::BareCr),
        ("LF and CR the other way round", "X-A: b\n\rX-B: c", HeadError::BareLf),
        ("a control byte in place of the CR", "X-A: b\u{2}\nX-B: c", HeadError::FieldValueInvalid),
    ] {
        for input in [
            format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{line}\r\nHost: a\r\nAccept-Language: de, en;q=0.7\r\n\r\nbody"),
        ] {
            assert_eq!(request_error(why, input.as_bytes()), Some(want), "{why}");
        }
    }
}

#[test]
fn rfc9112_section_2_2_white_space_before_the_first_field() {
    let input = b"GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n";
    assert_eq!(request_error("could hide a field", input), Some(HeadError::ObsoleteFold));
}

#[test]
fn rfc9110_section_5_1_names_are_found_in_any_case() {
    let input =
        b"GET / HTTP/1.1\r\nhOST: a\r\nACCEPT: b\r\naccept: c\r\nX-Trace: d\r\nx-trace: e\r\nTE: f\r\n\r\n";
    let mut head = RequestHead::new();
    head.parse(input, &HeadLimits::default()).unwrap();
    let values = |fields: Vec<&corelane_http_proto::head::Field>| {
        fields.iter().map(|field| field.value.str_of(input).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(values(head.find(Name::Host).into_iter().collect()), ["a"]);
    assert_eq!(values(head.find_all(Name::Accept).collect()), ["b", "c"]);
    assert_eq!(values(head.find_bytes(input, b"Accept").collect()), ["b", "c"]);
    assert_eq!(values(head.find_bytes(input, b"X-TRACE").collect()), ["d", "e"]);
    assert_eq!(values(head.find_bytes(input, b"te").collect()), ["f"]);
    assert!(head.find(Name::Cookie).is_none());
}

#[test]
fn a_head_is_used_again_after_clear() {
    let mut head = RequestHead::new();
    let first = b"POST /a?b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(head.parse(first, &HeadLimits::default()), Ok(Some(first.len())));
    assert_eq!(head.parse(first, &HeadLimits::default()), Ok(Some(first.len())), "told again");
    head.clear();
    let second = b"GET /c HTTP/1.1\r\nHost: d\r\n\r\n";
    assert_eq!(head.parse(second, &HeadLimits::default()), Ok(Some(second.len())));
    let want = request("fresh", second);
    assert_eq!(super::Parser::tell(&head, second.len(), second), want);
}
