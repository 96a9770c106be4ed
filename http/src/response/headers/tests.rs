use proptest::prelude::*;

use super::*;

#[test]
fn what_could_end_a_line_or_contradict_the_framing_is_refused() {
    let long = "x".repeat(HEADERS_BYTES_MAX);
    for (why, name, value, want) in [
        ("plain", "x-a", "1", Ok(())),
        ("empty value", "x-a", "", Ok(())),
        ("tab inside", "x-a", "a\tb", Ok(())),
        ("bytes from 0x80", "x-a", "é", Ok(())),
        ("CR LF in value", "x-a", "a\r\nx: y", Err(Kind::Value)),
        ("bare LF in value", "x-a", "a\nb", Err(Kind::Value)),
        ("NUL in value", "x-a", "a\0", Err(Kind::Value)),
        ("DEL in value", "x-a", "a\x7f", Err(Kind::Value)),
        ("empty name", "", "1", Err(Kind::Name)),
        ("space in name", "x a", "1", Err(Kind::Name)),
        ("colon in name", "x:a", "1", Err(Kind::Name)),
        ("CR LF in name", "x\r\ny", "1", Err(Kind::Name)),
        ("not ASCII in name", "é", "1", Err(Kind::Name)),
        ("length", "Content-Length", "1", Err(Kind::Framing)),
        ("coding", "transfer-encoding", "chunked", Err(Kind::Framing)),
        ("connection", "CONNECTION", "close", Err(Kind::Framing)),
        ("over the bound", "x-a", &long, Err(Kind::TooLarge)),
    ] {
        let mut headers = Headers::new();
        let got = headers.insert(name, value).map_err(|error| error.kind);
        assert_eq!(got, want, "{why}");
        assert_eq!(headers.is_empty(), got.is_err(), "{why}: a refused field leaves nothing");
    }
}

#[test]
fn insert_replaces_every_earlier_one_and_keeps_the_rest_in_order() {
    let mut headers = Headers::from_static("content-type: text/plain\r\n");
    headers.append("A", "1").unwrap();
    headers.append("b", "2").unwrap();
    headers.append("a", "3").unwrap();
    headers.insert("a", " 4 ").unwrap();
    assert_eq!(headers.as_wire(), b"content-type: text/plain\r\nb: 2\r\na: 4\r\n");
    assert!(headers.remove("Content-Type"));
    assert!(!headers.remove("content-type"));
    assert_eq!(headers.as_wire(), b"b: 2\r\na: 4\r\n");
}

#[test]
fn a_dropped_block_is_used_again() {
    let mut first = Headers::new();
    first.insert("x-long", "y".repeat(600)).unwrap();
    let Block::Own(block) = &first.block else { panic!("changed, so its own") };
    let address = block.as_ptr();
    drop(first);
    let mut second = Headers::new();
    second.insert("a", "b").unwrap();
    assert_eq!(second.as_wire(), b"a: b\r\n", "nothing of the first is left");
    let Block::Own(block) = &second.block else { panic!("changed, so its own") };
    assert_eq!(block.as_ptr(), address);
}

#[derive(Clone, Debug)]
enum Change {
    Insert(String, Vec<u8>),
    Append(String, Vec<u8>),
    Remove(String),
}

/// Few names in either case, so that changes meet each other, and some that are refused.
fn change() -> impl Strategy<Value = Change> {
    let name = || "[aAbB]{1,2}|x-[aA]|content-length|a b|";
    let value = || prop::collection::vec(prop_oneof![8 => 32_u8..=126, 1 => any::<u8>()], 0..6);
    prop_oneof![
        (name(), value()).prop_map(|(name, value)| Change::Insert(name, value)),
        (name(), value()).prop_map(|(name, value)| Change::Append(name, value)),
        name().prop_map(Change::Remove),
    ]
}

proptest! {
    /// The block behaves as a list of pairs, and its wire form holds exactly those: a parser finds no line more.
    #[test]
    fn a_block_is_a_list_of_pairs(changes in prop::collection::vec(change(), 0..24)) {
        let mut headers = Headers::from_static("a: first\r\n");
        let mut model: Vec<(String, Vec<u8>)> = vec![("a".into(), b"first".to_vec())];
        for change in changes {
            match change {
                Change::Insert(name, value) => {
                    if headers.insert(&name, &value).is_ok() {
                        model.retain(|(found, _)| !found.eq_ignore_ascii_case(&name));
                        model.push((name.to_ascii_lowercase(), value.trim_ascii().to_vec()));
                    }
                }
                Change::Append(name, value) => {
                    if headers.append(&name, &value).is_ok() {
                        model.push((name.to_ascii_lowercase(), value.trim_ascii().to_vec()));
                    }
                }
                Change::Remove(name) => {
                    let before = model.len();
                    model.retain(|(found, _)| !found.eq_ignore_ascii_case(&name));
                    prop_assert_eq!(headers.remove(&name), model.len() < before);
                }
            }
        }
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        prop_assert_eq!(&pairs, &model);
        let lines = headers.as_wire().windows(2).filter(|pair| pair == b"\r\n").count();
        prop_assert_eq!(lines, model.len());
        let controls = headers.as_wire().iter().filter(|byte| byte.is_ascii_control() && **byte != b'\t').count();
        prop_assert_eq!(controls, 2 * model.len());
    }
}
