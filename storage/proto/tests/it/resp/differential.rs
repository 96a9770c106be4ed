//! Against redis-protocol's decoder: on what it encodes, and on bytes with errors in them.

use bytes::Bytes;
use corelane_storage_proto::resp::{DecodeError, Limits, Reply, Value};
use proptest::prelude::*;
use redis_protocol::resp3::decode::complete::decode as their_decode;
use redis_protocol::resp3::encode::complete::encode as their_encode;
use redis_protocol::resp3::types::{OwnedFrame, Resp3Frame};

use super::decode;

/// Their frame as our reply. `None` for what we refuse on purpose.
fn translate(frame: OwnedFrame) -> Option<Value> {
    let all = |frames: Vec<OwnedFrame>| frames.into_iter().map(translate).collect::<Option<Vec<_>>>();
    Some(match frame {
        OwnedFrame::BlobString { data, .. } => Value::Bulk(data.into()),
        OwnedFrame::BlobError { data, .. } => {
            Value::Error(corelane_storage_proto::resp::ErrorReply::new(Bytes::from(data)))
        }
        OwnedFrame::SimpleString { data, .. } => Value::Status(data.into()),
        OwnedFrame::SimpleError { data, .. } => {
            Value::Error(corelane_storage_proto::resp::ErrorReply::new(data))
        }
        OwnedFrame::Boolean { data, .. } => Value::Bool(data),
        OwnedFrame::Null => Value::Null,
        OwnedFrame::Number { data, .. } => Value::Int(data),
        OwnedFrame::Double { data, .. } => Value::Double(data),
        OwnedFrame::BigNumber { data, .. } => Value::BigNumber(data.into()),
        OwnedFrame::Array { data, .. } => Value::Array(all(data)?),
        // Theirs are hash tables, without the order of the wire: compared where there is at most one.
        OwnedFrame::Set { data, .. } if data.len() < 2 => Value::Set(all(data.into_iter().collect())?),
        OwnedFrame::Map { data, .. } if data.len() < 2 => {
            let pairs = data.into_iter().map(|(key, value)| Some((translate(key)?, translate(value)?)));
            Value::Map(pairs.collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    })
}

fn frames() -> impl Strategy<Value = OwnedFrame> {
    let text = "[a-z ]{0,20}";
    let leaf = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|data| OwnedFrame::BlobString { data, attributes: None }),
        text.prop_map(|data: String| OwnedFrame::SimpleString { data: data.into_bytes(), attributes: None }),
        text.prop_map(|data: String| OwnedFrame::SimpleError { data, attributes: None }),
        any::<i64>().prop_map(|data| OwnedFrame::Number { data, attributes: None }),
        any::<bool>().prop_map(|data| OwnedFrame::Boolean { data, attributes: None }),
        (-1e9..1e9f64).prop_map(|data| OwnedFrame::Double { data, attributes: None }),
        Just(OwnedFrame::Null),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop::collection::vec(inner, 0..5).prop_map(|data| OwnedFrame::Array { data, attributes: None })
    })
}

fn encoded(frame: &OwnedFrame) -> Vec<u8> {
    let mut bytes = vec![0; frame.encode_len(false)];
    let len = their_encode(&mut bytes, frame, false).unwrap();
    bytes.truncate(len);
    bytes
}

proptest! {
    #[test]
    fn what_they_encode_we_decode(frame in frames(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&frame);
        let want = translate(frame).unwrap();
        let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
        let (replies, error, decoder) = decode(&[left, right], Limits::default());
        prop_assert_eq!(error, None);
        prop_assert_eq!(replies, vec![Reply::Value(want)]);
        prop_assert!(decoder.is_between_replies());
    }

    /// A byte is changed, taken out or put in. Where both accept, both must mean the same; where we accept and they do
    /// not, or the other way round, it is for a reason that is listed.
    #[test]
    fn with_an_error_in_it_we_agree_or_are_stricter(
        frame in frames(),
        at in any::<prop::sample::Index>(),
        change in prop::sample::select(vec![b'0', b'9', b'-', b'+', b'$', b'*', b'\r', b'\n', b'?', b'x', b':', b',']),
        how in 0..3,
    ) {
        let mut bytes = encoded(&frame);
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = change,
            1 => { bytes.remove(at); }
            _ => bytes.insert(at, change),
        }
        let (ours, error, _) = decode(&[&bytes], Limits::default());
        let theirs = their_decode(&bytes);
        match (ours.first(), theirs) {
            (Some(Reply::Value(ours)), Ok(Some((theirs, _)))) => {
                if let Some(theirs) = translate(theirs) {
                    // They keep floating-point numbers of their own spelling; both parse to the same bits or to NaN.
                    prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
                }
            }
            (None, Ok(Some(_))) => {
                let stricter = matches!(
                    error,
                    Some(
                        DecodeError::LineEnding
                            | DecodeError::LengthInvalid
                            | DecodeError::NumberInvalid
                            | DecodeError::StringEnding
                            | DecodeError::Streamed
                            | DecodeError::ScalarInvalid
                            | DecodeError::TypeUnknown(_)
                    )
                );
                prop_assert!(stricter, "we refuse {:?} with {error:?}", bytes.escape_ascii().to_string());
            }
            _ => {}
        }
    }
}
