//! What each type of the specification becomes.

use bytes::Bytes;
use corelane_storage_proto::resp::{ErrorReply, Limits, Reply, Value};

use super::everywhere;

fn bulk(text: &'static str) -> Value {
    Value::from(text)
}

fn status(text: &'static str) -> Value {
    Value::Status(Bytes::from_static(text.as_bytes()))
}

#[test]
fn every_type_is_read_however_it_is_cut() {
    for (why, input, want) in [
        ("status", "+OK\r\n", status("OK")),
        ("empty status", "+\r\n", status("")),
        ("integer", ":-12\r\n", Value::Int(-12)),
        ("string", "$5\r\nhello\r\n", bulk("hello")),
        ("empty string", "$0\r\n\r\n", bulk("")),
        ("string with line ends", "$6\r\na\r\nb\r\n\r\n", bulk("a\r\nb\r\n")),
        ("null of RESP2", "$-1\r\n", Value::Null),
        ("null array of RESP2", "*-1\r\n", Value::Null),
        ("null of RESP3", "_\r\n", Value::Null),
        ("true", "#t\r\n", Value::Bool(true)),
        ("false", "#f\r\n", Value::Bool(false)),
        ("double", ",1.25\r\n", Value::Double(1.25)),
        ("infinity", ",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
        ("big number", "(-123456789012345678901234567890\r\n", {
            Value::BigNumber(Bytes::from_static(b"-123456789012345678901234567890"))
        }),
        ("error", "-ERR no\r\n", Value::Error(ErrorReply::new("ERR no"))),
        ("long error", "!6\r\nERR no\r\n", Value::Error(ErrorReply::new("ERR no"))),
        ("verbatim", "=8\r\ntxt:abcd\r\n", {
            Value::Verbatim { format: *b"txt", text: Bytes::from_static(b"abcd") }
        }),
        ("empty array", "*0\r\n", Value::Array(vec![])),
        ("nested", "*2\r\n*1\r\n:1\r\n$-1\r\n", {
            Value::Array(vec![Value::Array(vec![Value::Int(1)]), Value::Null])
        }),
        ("set", "~2\r\n:1\r\n:2\r\n", Value::Set(vec![Value::Int(1), Value::Int(2)])),
        ("map", "%1\r\n+k\r\n*1\r\n:1\r\n", {
            Value::Map(vec![(status("k"), Value::Array(vec![Value::Int(1)]))])
        }),
        ("empty map", "%0\r\n", Value::Map(vec![])),
        ("attribute before", "|1\r\n+ttl\r\n:3600\r\n:7\r\n", Value::Int(7)),
        ("attribute inside", "*1\r\n|1\r\n+a\r\n*1\r\n:1\r\n:7\r\n", Value::Array(vec![Value::Int(7)])),
        ("empty attribute", "|0\r\n:7\r\n", Value::Int(7)),
    ] {
        let (replies, error) = everywhere(input.as_bytes(), Limits::default());
        assert_eq!((replies, error), (vec![Reply::Value(want)], None), "{why}");
    }
}

#[test]
fn replies_and_pushes_come_in_order() {
    let input = ":1\r\n>2\r\n+message\r\n$1\r\nx\r\n:2\r\n";
    let (replies, error) = everywhere(input.as_bytes(), Limits::default());
    let push = Reply::Push(vec![status("message"), bulk("x")]);
    assert_eq!(replies, [Reply::Value(Value::Int(1)), push, Reply::Value(Value::Int(2))]);
    assert_eq!(error, None);
}

#[test]
fn a_large_string_may_come_in_any_pieces() {
    let text = vec![b'x'; 300_000];
    let mut input = b"$300000\r\n".to_vec();
    input.extend_from_slice(&text);
    input.extend_from_slice(b"\r\n");
    for size in [1000, 4096, 65_536, 299_999, 300_010, 300_011] {
        let pieces: Vec<&[u8]> = input.chunks(size).collect();
        let (replies, error, decoder) = super::decode(&pieces, Limits::default());
        assert_eq!(error, None);
        assert_eq!(replies, [Reply::Value(Value::Bulk(text.clone().into()))], "pieces of {size}");
        assert!(decoder.is_between_replies());
    }
}
