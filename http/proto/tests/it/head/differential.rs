//! Against httparse: what both accept, both read alike; each disagreement has its reason.

use corelane_http_proto::head::{HeadError, HeadLimits, RequestHead, ResponseHead, Version};
use proptest::prelude::*;

use super::parse_all_ways;

/// Heads to start from; the tests change a few bytes of one.
const REQUESTS: [&[u8]; 6] = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /path?query=1 HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n",
    b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: keep-alive, close\r\n\r\nhello",
    b"PUT /x HTTP/1.0\r\nX-Empty:\r\nX-Spaces: \t a \t b \t\r\nX-Obsolete: \xe9\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Headers: x-a, x-b\r\nOrigin: http://a\r\n\r\n",
];

const RESPONSES: [&[u8]; 3] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello",
    b"HTTP/1.0 404\r\nX-Empty:\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\nRetry-After: 5\r\n\r\n0\r\n\r\n",
];

/// Why we refuse a request that httparse accepts. `None`: there is no reason to.
fn reason_to_refuse(error: HeadError) -> Option<&'static str> {
    Some(match error {
        HeadError::BareLf => "httparse takes a bare LF for a line's end; the reader in front may not",
        HeadError::MethodInvalid => "httparse skips any number of empty lines before a request; we skip one",
        HeadError::BareCr => {
            "httparse lets a bare CR pass where it looks for a line's end twice: after empty lines"
        }
        HeadError::MethodTooLong => "httparse has no limit of its own",
        HeadError::TargetInvalid => {
            "httparse lets fragments and bytes from 0x80 on pass, and looks at no form"
        }
        HeadError::HostMissing | HeadError::HostRepeated | HeadError::HostInvalid => "httparse knows no Host",
        HeadError::LengthInvalid
        | HeadError::LengthOverflow
        | HeadError::LengthsDiffer
        | HeadError::LengthAndTransferEncoding
        | HeadError::TransferEncodingInHttp10
        | HeadError::TransferEncodingInvalid
        | HeadError::TransferCodingUnknown => "httparse does not decide on framing",
        HeadError::ExpectationUnknown => "httparse knows no Expect",
        _ => return None,
    })
}

fn assert_requests_agree(input: &[u8]) {
    let mut table = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Request::new(&mut table);
    let their_outcome = theirs.parse(input);
    let our_outcome = parse_all_ways::<RequestHead>("differential", input, &HeadLimits::default());
    let shown = input.escape_ascii();
    match (our_outcome, their_outcome) {
        (Ok(Some(ours)), Ok(httparse::Status::Complete(len))) => {
            assert_eq!(ours.len, len, "{shown}");
            assert_eq!(Some(ours.method.as_str()), theirs.method, "{shown}");
            assert_eq!(Some(ours.target.as_str()), theirs.path, "{shown}");
            assert_eq!(Some(u8::from(ours.version == Version::Http11)), theirs.version, "{shown}");
            let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
            let fields = ours.fields.into_iter().map(|(_, name, value)| (name, value));
            let their_fields =
                theirs.headers.iter().map(|field| (text(field.name.as_bytes()), text(field.value)));
            assert!(fields.eq(their_fields), "{shown}");
        }
        (Ok(Some(_)), theirs) => panic!("only we accept, they say {theirs:?}: {shown}"),
        (Err(error), Ok(httparse::Status::Complete(_))) => {
            assert!(reason_to_refuse(error).is_some(), "only they accept, we say {error}: {shown}");
        }
        (Ok(None), Ok(httparse::Status::Complete(_))) => panic!("only they find the end: {shown}"),
        // Both refuse or both wait; which of the two may differ, because they look at other things first.
        _ => {}
    }
}

fn assert_responses_agree(input: &[u8]) {
    let mut table = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Response::new(&mut table);
    let their_outcome = theirs.parse(input);
    let our_outcome = parse_all_ways::<ResponseHead>("differential", input, &HeadLimits::default());
    let shown = input.escape_ascii();
    match (our_outcome, their_outcome) {
        (Ok(Some(_)), Ok(httparse::Status::Complete(len))) => {
            let mut ours = ResponseHead::new();
            assert_eq!(ours.parse(input, &HeadLimits::default()), Ok(Some(len)), "{shown}");
            assert_eq!(Some(ours.status()), theirs.code, "{shown}");
            assert_eq!(Some(u8::from(ours.version() == Version::Http11)), theirs.version, "{shown}");
            let fields = ours.fields().iter().map(|field| (field.name_span.of(input), field.value.of(input)));
            assert!(
                fields.eq(theirs.headers.iter().map(|field| (field.name.as_bytes(), field.value))),
                "{shown}"
            );
            // httparse tells no reason that holds obsolete text.
            if ours.reason().of(input).is_ascii() {
                assert_eq!(theirs.reason.map(str::as_bytes), Some(ours.reason().of(input)), "{shown}");
            }
        }
        (Ok(Some(_)), theirs) => panic!("only we accept, they say {theirs:?}: {shown}"),
        (Err(error), Ok(httparse::Status::Complete(_))) => {
            let reason = reason_to_refuse(error).or(match error {
                HeadError::StatusInvalid => {
                    Some("httparse takes any three digits; RFC 9110 §15 starts at 100")
                }
                HeadError::VersionInvalid => Some("httparse skips empty lines before a response"),
                _ => None,
            });
            assert!(reason.is_some(), "only they accept, we say {error}: {shown}");
        }
        (Ok(None), Ok(httparse::Status::Complete(_))) => panic!("only they find the end: {shown}"),
        _ => {}
    }
}

/// One change: replace, insert or remove bytes at a place.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let piece = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..3),
        3 => prop::sample::select(vec![
            &b"\r\n"[..], b"\n", b"\r", b": ", b":", b" ", b"\t", b"\0", b"?", b"#", b",", b"\x7f", b"\x80",
            b"\r\n ", b"Host: b\r\n", b"\r\nContent-Length: 5", b"\r\nTransfer-Encoding: chunked", b"HTTP/1.1",
            b"http://a/", b"\r\n\r\n",
        ]).prop_map(<[u8]>::to_vec),
        1 => "[ -~]{0,80}".prop_map(String::into_bytes),
    ];
    (any::<prop::sample::Index>(), 0_usize..4, piece)
}

fn changed(base: &[u8], changes: &[(prop::sample::Index, usize, Vec<u8>)]) -> Vec<u8> {
    let mut input = base.to_vec();
    for (at, remove, insert) in changes {
        let at = at.index(input.len() + 1);
        let end = (at + remove).min(input.len());
        input.splice(at..end, insert.iter().copied());
    }
    input
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn requests(base in prop::sample::select(&REQUESTS[..]), changes in proptest::collection::vec(change(), 0..4)) {
        assert_requests_agree(&changed(base, &changes));
    }

    #[test]
    fn responses(base in prop::sample::select(&RESPONSES[..]), changes in proptest::collection::vec(change(), 0..4)) {
        assert_responses_agree(&changed(base, &changes));
    }
}

#[test]
fn every_byte_at_every_place() {
    for base in REQUESTS {
        for at in 0..base.len() {
            for byte in 0..=255 {
                let mut input = base.to_vec();
                input[at] = byte;
                assert_requests_agree_once(&input);
            }
        }
    }
}

/// As [`assert_requests_agree`], without the cuts, which would take minutes here.
fn assert_requests_agree_once(input: &[u8]) {
    let mut table = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Request::new(&mut table);
    let their_outcome = theirs.parse(input);
    let ours = RequestHead::new().parse(input, &HeadLimits::default());
    let shown = input.escape_ascii();
    match (ours, their_outcome) {
        (Ok(Some(len)), theirs) => assert_eq!(theirs, Ok(httparse::Status::Complete(len)), "{shown}"),
        (Ok(None), theirs) => assert!(!matches!(theirs, Ok(httparse::Status::Complete(_))), "{shown}"),
        (Err(error), Ok(httparse::Status::Complete(_))) => {
            assert!(reason_to_refuse(error).is_some(), "only they accept, we say {error}: {shown}");
        }
        (Err(_), _) => {}
    }
}

#[test]
fn disagreements_one_by_one() {
    for (why, input, want) in [
        ("bare LF", &b"GET / HTTP/1.1\nHost: a\n\n"[..], HeadError::BareLf),
        ("empty lines before", b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::MethodInvalid),
        ("a fragment", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::TargetInvalid),
        (
            "bytes from 0x80 on in a target",
            b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
            HeadError::TargetInvalid,
        ),
        ("no form of a target", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::TargetInvalid),
        (
            "a long method",
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: a\r\n\r\n",
            HeadError::MethodTooLong,
        ),
        ("no Host", b"GET / HTTP/1.1\r\n\r\n", HeadError::HostMissing),
        ("framing", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", HeadError::LengthInvalid),
        (
            "an expectation",
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n",
            HeadError::ExpectationUnknown,
        ),
    ] {
        let mut table = [httparse::EMPTY_HEADER; 100];
        let theirs = httparse::Request::new(&mut table).parse(input);
        assert_eq!(theirs, Ok(httparse::Status::Complete(input.len())), "{why}: httparse accepts");
        assert_eq!(RequestHead::new().parse(input, &HeadLimits::default()), Err(want), "{why}");
        assert!(reason_to_refuse(want).is_some(), "{why}: has a reason");
    }
}
