//! Messages that are well-formed, read by `postgres_protocol` as well: the same is in them.

use bytes::BytesMut;
use corelane_storage_proto::pg::{Decoder, Message};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend;
use proptest::prelude::*;

use super::message;

fn theirs(bytes: &[u8]) -> backend::Message {
    backend::Message::parse(&mut BytesMut::from(bytes)).unwrap().unwrap()
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend(text.as_bytes());
    body.push(0);
}

fn put_count(body: &mut Vec<u8>, count: usize) {
    body.extend(u16::try_from(count).unwrap().to_be_bytes());
}

proptest! {
    #[test]
    fn rows(values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), 0..20)) {
        let mut body = Vec::new();
        put_count(&mut body, values.len());
        for value in &values {
            match value {
                Some(value) => {
                    body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                    body.extend(value);
                }
                None => body.extend((-1i32).to_be_bytes()),
            }
        }
        let bytes = message(b'D', &body);
        let backend::Message::DataRow(theirs) = theirs(&bytes) else { panic!("a row") };
        let ranges: Vec<_> = theirs.ranges().collect().unwrap();
        let expected: Vec<Option<&[u8]>> =
            ranges.into_iter().map(|range| range.map(|range| &theirs.buffer()[range])).collect();
        let mut decoder = Decoder::default();
        let Ok(Some(Message::Row(ours))) = decoder.decode(&mut &bytes[..]) else { panic!("a row") };
        prop_assert_eq!(ours.values().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn columns(columns in prop::collection::vec(("[^\0]{0,20}", any::<(u32, i16, u32, i16, i32)>(), 0i16..2), 0..10)) {
        let mut body = Vec::new();
        put_count(&mut body, columns.len());
        for (name, (table, number, type_oid, size, modifier), format) in &columns {
            put_text(&mut body, name);
            body.extend(table.to_be_bytes());
            body.extend(number.to_be_bytes());
            body.extend(type_oid.to_be_bytes());
            body.extend(size.to_be_bytes());
            body.extend(modifier.to_be_bytes());
            body.extend(format.to_be_bytes());
        }
        let bytes = message(b'T', &body);
        let backend::Message::RowDescription(theirs) = theirs(&bytes) else { panic!("columns") };
        let mut decoder = Decoder::default();
        let Ok(Some(Message::RowDescription(ours))) = decoder.decode(&mut &bytes[..]) else { panic!("columns") };
        let ours: Vec<_> = ours.collect();
        let mut fields = theirs.fields();
        for column in &ours {
            let field = fields.next().unwrap().unwrap();
            prop_assert_eq!((column.name, column.table_oid, column.table_column), (field.name(), field.table_oid(), field.column_id()));
            prop_assert_eq!((column.type_oid, column.type_modifier), (field.type_oid(), field.type_modifier()));
            prop_assert_eq!(i16::from(column.is_binary), field.format());
        }
        prop_assert!(fields.next().unwrap().is_none());
    }

    #[test]
    fn errors(fields in prop::collection::vec((1u8..255, "[^\0]{0,30}"), 0..12)) {
        let mut body = Vec::new();
        for (kind, text) in &fields {
            body.push(*kind);
            put_text(&mut body, text);
        }
        body.push(0);
        let bytes = message(b'E', &body);
        let backend::Message::ErrorResponse(theirs) = theirs(&bytes) else { panic!("an error") };
        let expected: Vec<(u8, Vec<u8>)> =
            theirs.fields().map(|field| Ok((field.type_(), field.value_bytes().to_vec()))).collect().unwrap();
        let mut decoder = Decoder::default();
        let Ok(Some(Message::Error(ours))) = decoder.decode(&mut &bytes[..]) else { panic!("an error") };
        prop_assert_eq!(ours.map(|field| (field.kind, field.text.to_vec())).collect::<Vec<_>>(), expected);
    }
}
