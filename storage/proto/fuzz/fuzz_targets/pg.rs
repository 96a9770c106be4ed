//! Any bytes, cut anywhere: the same messages and then the same error or none, and postgres-protocol reads the same rows.

#![no_main]

use bytes::BytesMut;
use corelane_storage_proto::pg::{DecodeError, Decoder, Limits, Message, Values};
use fallible_iterator::FallibleIterator;
use libfuzzer_sys::fuzz_target;
use postgres_protocol::message::backend;

const LIMITS: Limits = Limits { message_bytes_max: 1024, control_bytes_max: 512 };

/// Decodes `input` in pieces of `piece` bytes.
fn decode(input: &[u8], piece: usize) -> (Vec<String>, Option<DecodeError>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut messages = Vec::new();
    for mut rest in input.chunks(piece) {
        loop {
            let before = rest.len();
            match decoder.decode(&mut rest) {
                Ok(Some(message)) => messages.push(look(&message)),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
            assert!(rest.len() < before, "a message of no bytes");
        }
        assert!(rest.is_empty(), "what is incomplete is kept");
    }
    (messages, None)
}

/// All that is in a message, in words.
fn look(message: &Message<'_>) -> String {
    match *message {
        Message::Row(row) => {
            let mut values = row.values();
            let mut all = Vec::new();
            while let Some(value) = values.next() {
                all.push(value);
                assert_eq!(Values::new(values.rest()).count() + all.len(), row.len());
            }
            assert_eq!(all.len(), row.len());
            same_as_theirs(row.len(), row.values_bytes(), &all);
            format!("{all:?}")
        }
        Message::RowDescription(columns) => {
            let all: Vec<_> = columns.collect();
            assert_eq!(all.len(), columns.size_hint().0);
            format!("{all:?}")
        }
        Message::ParameterDescription(oids) => format!("{:?}", oids.collect::<Vec<_>>()),
        Message::Error(fields) | Message::Notice(fields) => format!("{:?}", fields.collect::<Vec<_>>()),
        Message::Complete(tag) => format!("{} {}", tag.as_str(), tag.rows()),
        other => format!("{other:?}"),
    }
}

fn same_as_theirs(count: usize, values: &[u8], ours: &[Option<&[u8]>]) {
    let mut bytes = BytesMut::from(&b"D"[..]);
    bytes.extend_from_slice(&u32::try_from(values.len() + 6).unwrap().to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(count).unwrap().to_be_bytes());
    bytes.extend_from_slice(values);
    let Ok(Some(backend::Message::DataRow(row))) = backend::Message::parse(&mut bytes) else { panic!("a row to us") };
    let theirs: Vec<_> = row.ranges().map(|range| Ok(range.map(|range| &row.buffer()[range]))).collect().unwrap();
    assert_eq!(theirs, ours);
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece, input)) = input.split_first() else { return };
    let whole = decode(input, input.len().max(1));
    let parts = decode(input, usize::from(piece).max(1));
    assert_eq!(whole, parts);
});
