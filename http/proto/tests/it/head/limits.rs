//! What happens at each limit, and one byte before it.

use corelane_http_proto::head::{HeadError, HeadLimits, RequestHead, ResponseHead};

use super::{Outcome, Request, parse_all_ways};

fn parse(input: &[u8], limits: HeadLimits) -> Outcome<RequestHead> {
    parse_all_ways::<RequestHead>("limits", input, &limits)
}

#[test]
fn head_bytes_at_the_bound_and_one_over() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\nX-Padding: 0123456789012345678901234567890123456789\r\n\r\n";
    let limits = |max| HeadLimits { head_bytes_max: max, ..HeadLimits::default() };
    let len = |outcome: Outcome<RequestHead>| outcome.map(|request| request.map(|Request { len, .. }| len));
    assert_eq!(len(parse(input, limits(input.len()))), Ok(Some(input.len())));
    for max in 1..input.len() {
        assert_eq!(len(parse(input, limits(max))), Err(HeadError::HeadTooLarge), "{max}");
    }
    assert_eq!(len(parse(&input[..40], limits(41))), Ok(None), "less than the limit: more may come");
    assert_eq!(len(parse(&input[..40], limits(40))), Err(HeadError::HeadTooLarge), "it cannot end any more");
}

#[test]
fn a_head_of_short_lines_meets_the_same_limit() {
    let mut input = b"GET / HTTP/1.1\r\n".to_vec();
    while input.len() < 300 {
        input.extend_from_slice(b"a:b\r\n");
    }
    let limits = HeadLimits { head_bytes_max: 256, ..HeadLimits::default() };
    assert_eq!(parse(&input, limits).unwrap_err(), HeadError::HeadTooLarge);
}

#[test]
fn fields_at_the_bound_and_one_over() {
    for count in [1, 2, 24, 25, 48, 49, 100] {
        let lines = "X-A: b\r\n".repeat(count - 1);
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let limits = |fields_max| HeadLimits { fields_max, ..HeadLimits::default() };
        let parsed = parse(input.as_bytes(), limits(count)).unwrap().unwrap();
        assert_eq!(parsed.fields.len(), count);
        let error = parse(input.as_bytes(), limits(count - 1)).unwrap_err();
        assert_eq!(error, HeadError::TooManyFields, "{count}");
    }
}

#[test]
fn target_bytes_at_the_bound_and_one_over() {
    for len in [1, 2, 31, 32, 33, 64, 200] {
        let target = format!("/{}", "a".repeat(len - 1));
        let input = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let limits = |target_bytes_max| HeadLimits { target_bytes_max, ..HeadLimits::default() };
        assert_eq!(parse(input.as_bytes(), limits(len)).unwrap().unwrap().target, target);
        assert_eq!(parse(input.as_bytes(), limits(len - 1)).unwrap_err(), HeadError::TargetTooLong, "{len}");
    }
    let limits = HeadLimits { target_bytes_max: 8, ..HeadLimits::default() };
    let error = parse(b"GET /with a bad byte \x01", limits).unwrap_err();
    assert_eq!(error, HeadError::VersionInvalid, "checks go from left to right");
    let error = parse(b"GET /long-and-then-bad\x01", limits).unwrap_err();
    assert_eq!(error, HeadError::TargetTooLong, "too long before it is bad");
    let error = parse(b"GET /bad\x01and-long", limits).unwrap_err();
    assert_eq!(error, HeadError::TargetInvalid, "bad before it is too long");
}

#[test]
fn limits_beyond_what_spans_hold_count_as_the_cap() {
    let limits =
        HeadLimits { head_bytes_max: usize::MAX, fields_max: usize::MAX, target_bytes_max: usize::MAX };
    let mut input = b"GET /".to_vec();
    input.resize(70_000, b'a');
    assert_eq!(RequestHead::new().parse(&input, &limits), Err(HeadError::HeadTooLarge));

    let mut input = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    input.extend_from_slice(&b"abc:\r\n".repeat(1024));
    input.extend_from_slice(b"\r\n");
    assert_eq!(RequestHead::new().parse(&input, &limits), Err(HeadError::TooManyFields));
    assert_eq!(ResponseHead::new().parse(&input, &limits), Err(HeadError::VersionInvalid));
}

#[test]
fn an_empty_input_is_no_head_yet() {
    assert_eq!(parse(b"", HeadLimits::default()), Ok(None));
}

/// Read anew for each byte, these would be thousands of millions of bytes: minutes, not a moment.
#[test]
fn a_long_line_that_drips_is_not_read_again_and_again() {
    let limits = HeadLimits { head_bytes_max: 65_535, fields_max: 100, target_bytes_max: 65_535 };
    let long = "a".repeat(30_000);
    for input in [
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{long}: b\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nX-A: {long}\r\nHost: a\r\n\r\n"),
    ] {
        let mut head = RequestHead::new();
        for end in 0..input.len() {
            assert_eq!(head.parse(&input.as_bytes()[..end], &limits), Ok(None));
        }
        assert_eq!(head.parse(input.as_bytes(), &limits), Ok(Some(input.len())));
    }
}
