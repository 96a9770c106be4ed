//! What a server may send and must not get away with.

use corelane_storage_proto::resp::{DecodeError, Limits, Reply};

use super::{decode, everywhere};

const SMALL: Limits = Limits { reply_bytes_max: 100, elements_max: 10, depth_max: 3, line_bytes_max: 30 };

#[test]
fn malformed_replies_are_refused_with_a_reason() {
    use DecodeError::*;
    for (why, input, want) in [
        ("HTTP server", "HTTP/1.1 400 Bad Request\r\n", TypeUnknown(b'H')),
        ("empty line", "\r\n", TypeUnknown(b'\r')),
        ("bare LF in a status", "+O\nK\r\n", LineEnding),
        ("bare CR in a status", "+O\rK\r\n", LineEnding),
        ("LF for CR LF", "+OK\n", LineEnding),
        ("negative length", "$-2\r\n", LengthInvalid),
        ("negative length of an array", "*-2\r\n", LengthInvalid),
        ("negative length of a map", "%-1\r\n", LengthInvalid),
        ("negative zero", "$-0\r\n", LengthInvalid),
        ("plus", "$+5\r\nhello\r\n", LengthInvalid),
        ("hexadecimal", "$0x5\r\nhello\r\n", LengthInvalid),
        ("no length", "$\r\n\r\n", LengthInvalid),
        ("space", "$ 5\r\nhello\r\n", LengthInvalid),
        ("fraction", "*1.0\r\n:1\r\n", LengthInvalid),
        ("streamed string", "$?\r\n;4\r\nabcd\r\n;0\r\n", Streamed),
        ("streamed array", "*?\r\n:1\r\n.\r\n", Streamed),
        ("end of no stream", ".\r\n", Streamed),
        ("no number", ":\r\n", NumberInvalid),
        ("letters", ":abc\r\n", NumberInvalid),
        ("beyond 64 bits", ":9223372036854775808\r\n", NumberInvalid),
        ("no double", ",1..5\r\n", NumberInvalid),
        ("no big number", "(12x\r\n", NumberInvalid),
        ("neither true nor false", "#x\r\n", ScalarInvalid),
        ("null with something", "_0\r\n", ScalarInvalid),
        ("verbatim without format", "=3\r\nabc\r\n", VerbatimInvalid),
        ("longer than it says", "$3\r\nhello\r\n", StringEnding),
        ("ends in LF LF", "$3\r\nabc\n\n", StringEnding),
        ("push inside", "*1\r\n>1\r\n:1\r\n", PushInside),
        ("empty push", ">0\r\n", LengthInvalid),
        ("10^9 elements", "*1000000000\r\n", TooManyElements { max: 10 }),
        ("more than a usize", "*99999999999999999999999999\r\n", TooManyElements { max: 10 }),
        ("pairs count twice", "%6\r\n", TooManyElements { max: 10 }),
        ("many small ones", "*5\r\n*5\r\n*5\r\n", TooManyElements { max: 10 }),
        ("nested too deep", "*1\r\n*1\r\n*1\r\n*1\r\n", TooDeep { max: 3 }),
        ("nested attributes", "|1\r\n|1\r\n|1\r\n|1\r\n", TooDeep { max: 3 }),
        ("string beyond the limit", "$99\r\n", TooManyBytes { max: 100 }),
        ("string beyond any memory", "$99999999999999999999999999\r\n", TooManyBytes { max: 100 }),
        (
            "strings that add up",
            "*2\r\n$50\r\n01234567890123456789012345678901234567890123456789\r\n$50\r\n",
            { TooManyBytes { max: 100 } },
        ),
        ("long status", "+012345678901234567890123456789\r\n", LineTooLong { max: 30 }),
        ("line without end", "+0123456789012345678901234567890", LineTooLong { max: 30 }),
        ("digits without end", "$0000000000000000000000000000000", LineTooLong { max: 30 }),
    ] {
        let (replies, error) = everywhere(input.as_bytes(), SMALL);
        assert_eq!((replies, error), (vec![], Some(want)), "{why}");
        assert!(!want.to_string().is_empty());
    }
}

#[test]
fn the_limits_are_per_reply() {
    let (replies, error) = everywhere(b"+01234567890123456789012345678\r\n", SMALL);
    assert_eq!((replies.len(), error), (1, None), "a line of exactly the limit");
    let input = "*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n".repeat(100);
    let (replies, error, _) = decode(&[input.as_bytes()], SMALL);
    assert_eq!((replies.len(), error), (100, None));
}

#[test]
fn after_an_error_nothing_is_believed() {
    let (_, error, mut decoder) = decode(&[b":x\r\n"], SMALL);
    assert_eq!(error, Some(DecodeError::NumberInvalid));
    let mut input: &[u8] = b":1\r\n";
    assert_eq!(decoder.decode(&mut input), Err(DecodeError::Poisoned));
}

/// A million levels, with a limit that allows them: no recursion, so no stack to overflow while reading. (What a
/// caller with such a limit does with the value is theirs.)
#[test]
fn depth_costs_no_stack() {
    let limits = Limits { depth_max: 2_000_000, ..Limits::default() };
    let input = "*1\r\n".repeat(1_000_000);
    let (replies, error, decoder) = decode(&[input.as_bytes()], limits);
    assert_eq!((replies, error), (vec![], None));
    assert!(!decoder.is_between_replies());
}

#[test]
fn announced_elements_are_not_allocated() {
    // A thousand times a million elements in 64 levels; with an allocation per announcement this would be 40 GB.
    let limits = Limits { elements_max: usize::MAX, ..Limits::default() };
    for _ in 0..1000 {
        let (replies, error, _) = decode(&["*1000000\r\n".repeat(64).as_bytes()], limits);
        assert_eq!((replies, error), (vec![], None));
    }
}

#[test]
fn announced_bytes_are_not_allocated() {
    let held: Vec<_> = (0..10_000).map(|_| decode(&[b"$60000000\r\nabc"], Limits::default())).collect();
    for (replies, error, _) in held {
        assert_eq!((replies, error), (Vec::<Reply>::new(), None));
    }
}
