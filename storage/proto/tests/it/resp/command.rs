//! Commands as they go out, against redis-protocol's encoder.

use bytes::Bytes;
use corelane_storage_proto::resp::Command;
use proptest::prelude::*;
use redis_protocol::resp2::encode::encode;
use redis_protocol::resp2::types::{OwnedFrame, Resp2Frame};

fn written(command: &Command) -> Vec<u8> {
    let mut out = Vec::new();
    command.write_to(&mut out);
    out
}

fn theirs(args: &[Vec<u8>]) -> Vec<u8> {
    let frame = OwnedFrame::Array(args.iter().cloned().map(OwnedFrame::BulkString).collect());
    let mut out = vec![0; frame.encode_len(false)];
    let len = encode(&mut out, &frame, false).unwrap();
    out.truncate(len);
    out
}

#[test]
fn arguments_are_written_as_redis_reads_them() {
    for (why, command, want) in [
        ("text", Command::new("GET").arg("k"), "GET k"),
        ("two words", Command::new("CLIENT INFO"), "CLIENT INFO"),
        ("numbers", Command::new("X").arg(-1i64).arg(u64::MAX).arg(7usize), "X -1 18446744073709551615 7"),
        ("floats", Command::new("X").arg(0.1f64).arg(3.0f64).arg(1e300f64), "X 0.1 3.0 1e300"),
        ("infinities", Command::new("X").arg(f64::INFINITY).arg(f64::NEG_INFINITY), "X inf -inf"),
        ("none and some", Command::new("X").arg(None::<i64>).arg(Some(1)), "X 1"),
        ("pairs", Command::new("X").args([("a", 1), ("b", 2)]), "X a 1 b 2"),
        ("bytes", Command::new("X").arg(b"ab").arg(Bytes::from_static(b"cd")).arg(vec![101u8]), "X ab cd e"),
    ] {
        let words: Vec<Vec<u8>> = want.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(written(&command), theirs(&words), "{why}");
        assert!(written(&command).len() <= command.encoded_len_max());
    }
}

#[test]
fn the_key_is_found_wherever_it_stands() {
    let command = Command::new("OBJECT ENCODING").key("k");
    assert_eq!(command.first_key(), Some(&b"k"[..]));
    let command = Command::new("EVAL").arg("return 1").arg(2).key("first").key("second");
    assert_eq!(command.first_key(), Some(&b"first"[..]));
    assert_eq!(command.name(), b"EVAL");
    assert_eq!(Command::new("GET").key("").first_key(), Some(&b""[..]));
    assert_eq!(Command::new("PING").first_key(), None);
}

proptest! {
    #[test]
    fn ours_and_theirs_write_the_same(args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let mut command = Command::new("NAME");
        for arg in &args {
            command.push(arg);
        }
        let mut all = vec![b"NAME".to_vec()];
        all.extend(args);
        prop_assert_eq!(written(&command), theirs(&all));
    }
}

#[test]
fn keys_are_found_again() {
    for (why, command, want) in [
        ("none", Command::new("PING").arg("x"), ""),
        ("one", Command::new("GET").key("k"), "k"),
        ("behind others", Command::new("OBJECT ENCODING").key("k").arg("x"), "k"),
        ("two", Command::new("LMOVE").key("a").key("b").arg("LEFT").arg("LEFT"), "a b"),
        ("a row", Command::new("DEL").key("a").key("b").key("c").key("d"), "a b c d"),
        ("with values", Command::new("MSET").key("a").arg(1).key("b").arg(2).key("c").arg(3), "a b c"),
        (
            "one apart",
            Command::new("ZUNIONSTORE").key("to").arg(3).key("a").key("b").key("c").arg("x"),
            "to a b c",
        ),
        ("two apart", Command::new("X").key("to").arg(1).arg(2).key("b"), "to b"),
        ("several at once", Command::new("X").key(("a", "b", "c")).arg("d"), "a b c"),
        ("out of the row", Command::new("X").key("a").key("b").key("c").arg(1).key("d"), "a b c"),
        ("empty ones", Command::new("X").key("").arg("").key("k"), " k"),
    ] {
        let keys: Vec<_> = command.keys().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect();
        assert_eq!(keys.join(" "), want, "{why}");
        assert_eq!(command.arguments().count(), command.len(), "{why}");
        assert_eq!(command.first_key(), command.keys().next(), "{why}");
    }
}

proptest! {
    #[test]
    fn arguments_come_back_as_they_went_in(args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let command = Command::new("NAME").args(args.iter().map(Vec::as_slice));
        prop_assert!(command.arguments().skip(1).eq(args.iter().map(Vec::as_slice)));
    }
}
