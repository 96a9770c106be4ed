//! What a server may send and must not get away with.

use corelane_storage_proto::pg::{DecodeError, Limits};
use proptest::prelude::*;

use super::{decode, everywhere, message};

const SMALL: Limits = Limits { message_bytes_max: 200, control_bytes_max: 100 };

#[test]
fn malformed_messages_are_refused_with_a_reason() {
    for (why, tag, body, want) in [
        ("status", b'Z', &b"X"[..], "its status"),
        ("row: no count", b'D', b"", "too early"),
        ("row: value beyond its end", b'D', b"\0\x01\0\0\0\x05abc", "too early"),
        ("row: length cut", b'D', b"\0\x01\0\0", "too early"),
        ("row: length of -2", b'D', b"\0\x01\xff\xff\xff\xfe", "negative length"),
        ("row: 2 GiB value", b'D', b"\0\x01\x7f\xff\xff\xff", "too early"),
        ("row: fewer values than it says", b'D', b"\xff\xff\0\0\0\0", "too early"),
        ("row: something behind it", b'D', b"\0\0x", "follows its end"),
        ("tag without end", b'C', b"SELECT 1", "no end"),
        ("tag that is not UTF-8", b'C', b"\xff\0", "not UTF-8"),
        ("tag with something behind it", b'C', b"SELECT 1\0x", "follows its end"),
        ("columns: name without end", b'T', b"\0\x01id", "no end"),
        ("columns: cut", b'T', b"\0\x01id\0\0\0\0\0\0\0", "too early"),
        ("columns: 65,535 of none", b'T', b"\xff\xff", "no end"),
        (
            "columns: format",
            b'T',
            b"\0\x01i\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02",
            "neither text nor binary",
        ),
        ("columns: name not UTF-8", b'T', b"\0\x01\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", "not UTF-8"),
        ("columns: something behind them", b'T', b"\0\0x", "follows its end"),
        ("types: cut", b't', b"\0\x02\0\0\0\x17", "too early"),
        ("types: something behind them", b't', b"\0\0\0", "follows its end"),
        ("error: empty", b'E', b"", "too early"),
        ("error: field without end", b'E', b"Mno", "no end"),
        ("error: no end of the fields", b'E', b"Mno\0", "too early"),
        ("error: something behind the end", b'E', b"\0M", "follows its end"),
        ("notice: something behind the end", b'N', b"\0\0", "follows its end"),
        ("setting: no value", b'S', b"TimeZone\0", "no end"),
        ("setting: something behind it", b'S', b"a\0b\0c\0", "follows its end"),
        ("notification: cut", b'A', b"\0\0", "too early"),
        ("notification: no payload", b'A', b"\0\0\0\x01news\0", "no end"),
        ("key: none", b'K', b"\0\0\0\x01", "4 to 256"),
        ("key: cut", b'K', b"\0\0", "too early"),
        ("authentication: empty", b'R', b"", "too early"),
        ("authentication: salt cut", b'R', b"\0\0\0\x05sal", "too early"),
        ("authentication: more than Ok", b'R', b"\0\0\0\0x", "follows its end"),
        ("authentication: mechanisms without end", b'R', b"\0\0\0\x0aSCRAM\0", "no end"),
        ("authentication: mechanisms and more", b'R', b"\0\0\0\x0a\0x", "follows its end"),
        ("copy: format", b'G', b"\x02\0\0", "neither text nor binary"),
        ("copy: columns cut", b'H', b"\0\0\x02\0\0", "too early"),
        ("copy: something behind it", b'H', b"\0\0\0\0", "follows its end"),
        ("version: options cut", b'v', b"\0\x03\0\0\0\0\0\x02a\0", "no end"),
        ("version: 2^31 options", b'v', b"\0\x03\0\0\x7f\xff\xff\xff", "no end"),
    ] {
        let (messages, error) = everywhere(&message(tag, body), SMALL);
        let Some(DecodeError::Malformed { tag: named, what }) = error else {
            panic!("{why}: {messages:?} {error:?}")
        };
        assert!(named == tag && what.contains(want), "{why}: {what}");
    }
}

#[test]
fn wrong_lengths_and_strangers_are_refused_before_their_bytes_come() {
    use DecodeError::{LengthInvalid, TooManyBytes, TypeUnknown};
    for (why, input, want) in [
        ("HTTP server", &b"HTTP/1.1 400 Bad Request\r\n"[..], None),
        ("Redis", b"-ERR unknown command\r\n", Some(TypeUnknown(b'-'))),
        ("an answer to SSLRequest", b"L", Some(TypeUnknown(b'L'))),
        ("a client's message", b"Q\0\0\0\x05x", Some(TypeUnknown(b'Q'))),
        ("replication", b"W\0\0\0\x07\0\0\0", Some(TypeUnknown(b'W'))),
        ("a function call's answer", b"V\0\0\0\x04", Some(TypeUnknown(b'V'))),
        ("zero", b"\0", Some(TypeUnknown(0))),
        ("shorter than its length", b"D\0\0\0\x03", Some(LengthInvalid { tag: b'D', length: 3 })),
        ("length of zero", b"E\0\0\0\0", Some(LengthInvalid { tag: b'E', length: 0 })),
        ("negative length", b"D\xff\xff\xff\xff", Some(LengthInvalid { tag: b'D', length: -1 })),
        ("long ready", b"Z\0\0\0\x06II", Some(LengthInvalid { tag: b'Z', length: 6 })),
        ("short ready", b"Z\0\0\0\x04", Some(LengthInvalid { tag: b'Z', length: 4 })),
        ("acknowledgement with a body", b"2\0\0\0\x05", Some(LengthInvalid { tag: b'2', length: 5 })),
        ("2 GiB row", b"D\x7f\xff\xff\xff", Some(TooManyBytes { tag: b'D', max: 200 })),
        ("row beyond the limit", b"D\0\0\0\xc9", Some(TooManyBytes { tag: b'D', max: 200 })),
        ("setting beyond the limit", b"S\0\0\0\x65", Some(TooManyBytes { tag: b'S', max: 100 })),
        ("columns beyond the limit", b"T\0\x10\0\0", Some(TooManyBytes { tag: b'T', max: 100 })),
    ] {
        let (messages, error) = everywhere(input, SMALL);
        assert!(messages.is_empty(), "{why}: {messages:?}");
        match want {
            Some(want) => assert_eq!(error, Some(want), "{why}"),
            // `H` begins a COPY, of a length that no message has.
            None => assert!(error.is_some_and(|error| error.is_limit()), "{why}: {error:?}"),
        }
    }
    for error in [
        LengthInvalid { tag: b'Z', length: 6 },
        TooManyBytes { tag: b'D', max: 200 },
        TypeUnknown(b'\n'),
        DecodeError::Malformed { tag: b'T', what: "it ends too early" },
        DecodeError::Poisoned,
    ] {
        assert!(error.to_string().len() > 20, "{error}");
    }
}

#[test]
fn what_follows_a_malformed_message_is_not_read() {
    let input = [message(b'Z', b"I"), message(b'Z', b"X"), message(b'Z', b"I")].concat();
    let (messages, error) = everywhere(&input, SMALL);
    assert_eq!(messages.len(), 1);
    assert!(error.is_some());
}

proptest! {
    #[test]
    fn any_bytes_are_read_the_same_however_they_are_cut(
        input in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"DTZCE123\0\x04"[..])], 0..80),
        piece in 1usize..20,
    ) {
        let pieces: Vec<&[u8]> = input.chunks(piece).collect();
        prop_assert_eq!(decode(&[&input], SMALL), decode(&pieces, SMALL));
    }

    #[test]
    fn bodies_of_any_bytes_never_panic(
        tag in prop::sample::select(&b"DTZCEN123nsIcdAGHKRStv"[..]),
        body in prop::collection::vec(prop_oneof![any::<u8>(), Just(0)], 0..60),
    ) {
        everywhere(&message(tag, &body), SMALL);
    }
}
