//! Replies as Rust types, and what cannot be one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use corelane_storage_proto::resp::{ConvertError, ErrorReply, FromReply, Value};

fn list(values: &[i64]) -> Value {
    Value::Array(values.iter().copied().map(Value::Int).collect())
}

fn to<T: FromReply>(value: Value) -> Result<T, ConvertError> {
    T::from_reply(value)
}

#[test]
fn numbers_come_as_integers_and_as_strings() {
    assert_eq!(to::<u64>(Value::Int(7)).unwrap(), 7);
    assert_eq!(to::<u64>(Value::from("7")).unwrap(), 7);
    assert_eq!(to::<i8>(Value::from("-128")).unwrap(), -128);
    assert_eq!(to::<f64>(Value::from("1.5")).unwrap(), 1.5);
    assert_eq!(to::<f64>(Value::Int(3)).unwrap(), 3.0);
    assert_eq!(to::<String>(Value::Int(3)).unwrap(), "3");
}

#[test]
fn maps_come_as_maps_pairs_and_flat_arrays() {
    let map = Value::Map(vec![(Value::from("a"), Value::Int(1))]);
    let flat = Value::Array(vec![Value::from("a"), Value::Int(1)]);
    let pairs = Value::Array(vec![flat.clone()]);
    for (why, value) in [("RESP3", map), ("RESP2", flat), ("pairs", pairs)] {
        assert_eq!(to::<HashMap<String, u8>>(value.clone()).unwrap()["a"], 1, "{why}");
        assert_eq!(to::<BTreeMap<Bytes, u8>>(value).unwrap().len(), 1, "{why}");
    }
}

#[test]
fn lists_sets_and_tuples() {
    assert_eq!(to::<Vec<u32>>(list(&[1, 2])).unwrap(), [1, 2]);
    assert_eq!(to::<BTreeSet<i64>>(Value::Set(vec![Value::Int(2)])).unwrap(), BTreeSet::from([2]));
    assert_eq!(to::<(u8, i64)>(list(&[1, 2])).unwrap(), (1, 2));
    assert_eq!(to::<Vec<(u8, u8)>>(Value::Array(vec![list(&[1, 2])])).unwrap(), [(1, 2)]);
    assert_eq!(to::<Vec<(u8, u8)>>(list(&[1, 2, 3, 4])).unwrap(), [(1, 2), (3, 4)]);
    assert_eq!(to::<Vec<u8>>(Value::from("ab")).unwrap(), b"ab", "bytes are a string");
    assert!(
        to::<bool>(Value::Status(Bytes::from_static(b"OK"))).unwrap() && !to::<bool>(Value::Null).unwrap()
    );
    let optional = Value::Array(vec![Value::Null, Value::from("x")]);
    assert_eq!(to::<Vec<Option<String>>>(optional).unwrap(), [None, Some("x".to_owned())]);
}

#[test]
fn what_does_not_fit_is_said() {
    fn error<T: FromReply>(value: Value) -> String {
        T::from_reply(value).err().unwrap().to_string()
    }
    for (message, want) in [
        (error::<u8>(Value::Int(256)), "the reply is an integer out of range, not a number that fits u8"),
        (error::<u64>(Value::Int(-1)), "the reply is an integer out of range, not a number that fits u64"),
        (
            error::<i64>(Value::from("x")),
            "the reply is a string that is none or out of range, not a number that fits i64",
        ),
        (error::<Bytes>(Value::Null), "the reply is null, not a string"),
        (error::<bool>(Value::Int(2)), "the reply is an integer, not a boolean, 0 or 1, OK or null"),
        (
            error::<f64>(Value::Int(i64::MAX)),
            "the reply is an integer that no double equals, not a floating-point number",
        ),
        (error::<(u8, u8)>(list(&[1])), "the reply is a shorter list, not a pair"),
        (error::<(u8, u8)>(list(&[1, 2, 3])), "the reply is a longer list, not a pair"),
        (
            error::<HashMap<u8, u8>>(list(&[1, 2, 3])),
            "the reply is a list of odd length, not a map or a list of pairs",
        ),
        (error::<Vec<u64>>(Value::Int(1)), "the reply is an integer, not a list"),
        (
            error::<String>(Value::Bulk(Bytes::from_static(b"\xff"))),
            "the reply is a string that is not UTF-8, not a text",
        ),
    ] {
        assert_eq!(message, want);
    }
}

#[test]
fn an_error_among_the_elements_is_that_error() {
    let values = Value::Array(vec![Value::Int(1), Value::Error(ErrorReply::new("WRONGTYPE no"))]);
    let error = to::<Vec<i64>>(values).unwrap_err();
    assert_eq!(error.server().unwrap().code(), "WRONGTYPE");
    assert!(to::<()>(Value::Error(ErrorReply::new("ERR"))).is_err(), "unit takes anything but an error");
}
