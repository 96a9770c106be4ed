//! Each message of a server, as it should be.

use corelane_storage_proto::pg::{
    Authentication, CopyFormat, Decoder, Limits, Message, RowBody, Status, Values,
};

use super::{everywhere, message};

/// Decodes one message and hands it on.
fn with<R>(bytes: &[u8], look: impl FnOnce(Message<'_>) -> R) -> R {
    let mut decoder = Decoder::default();
    let mut input = bytes;
    let looked = look(decoder.decode(&mut input).unwrap().unwrap());
    assert!(input.is_empty() && decoder.is_between_messages());
    looked
}

const COLUMNS: &[u8] = b"\0\x02\
    id\0\0\0\x40\x01\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01\
    caf\xc3\xa9\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\0\0\0\x0c\0\0";

#[test]
fn each_message_says_what_it_says() {
    with(&message(b'T', COLUMNS), |message| {
        let Message::RowDescription(columns) = message else { panic!("{message:?}") };
        assert_eq!(columns.size_hint(), (2, Some(2)));
        let columns: Vec<_> = columns.collect();
        assert_eq!((columns[0].name, columns[0].table_oid, columns[0].table_column), ("id", 0x4001, 1));
        assert_eq!((columns[0].type_oid, columns[0].type_modifier, columns[0].is_binary), (23, -1, true));
        assert_eq!((columns[1].name, columns[1].type_oid, columns[1].type_modifier), ("café", 25, 12));
        assert!(!columns[1].is_binary && columns.len() == 2);
    });
    with(&message(b'D', b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0"), |message| {
        let Message::Row(row) = message else { panic!("{message:?}") };
        assert_eq!(row.len(), 3);
        assert!(row.values().eq([Some(&b"ab"[..]), None, Some(&b""[..])]));
        // Going on from a place in the midst.
        let mut values = Values::new(row.values_bytes());
        values.next();
        assert!(Values::new(values.rest()).eq([None, Some(&b""[..])]));
    });
    with(&message(b'D', b"\0\0"), |message| match message {
        Message::Row(row) => assert!(row.is_empty() && row.values().next().is_none()),
        other => panic!("{other:?}"),
    });
    for (text, rows) in [
        ("INSERT 0 17", 17),
        ("SELECT 0", 0),
        ("UPDATE 18446744073709551615", u64::MAX),
        ("UPDATE 99999999999999999999999", u64::MAX),
        ("CREATE TABLE", 0),
        ("COPY 3", 3),
        ("BEGIN", 0),
        ("FETCH 10x", 0),
        ("17", 0),
        ("", 0),
    ] {
        with(&message(b'C', format!("{text}\0").as_bytes()), |message| match message {
            Message::Complete(tag) => assert_eq!((tag.as_str(), tag.rows()), (text, rows)),
            other => panic!("{other:?}"),
        });
    }
    with(&message(b'E', b"SERROR\0C42601\0Mno\0\0"), |message| {
        let Message::Error(fields) = message else { panic!("{message:?}") };
        assert_eq!((fields.get(b'C'), fields.get(b'X')), (Some(&b"42601"[..]), None));
        assert_eq!(fields.map(|field| field.kind).collect::<Vec<_>>(), *b"SCM");
        assert_eq!(fields.as_bytes(), b"SERROR\0C42601\0Mno\0");
    });
    with(&message(b't', b"\0\x02\0\0\0\x17\0\0\0\x19"), |message| match message {
        Message::ParameterDescription(oids) => assert!(oids.eq([23, 25])),
        other => panic!("{other:?}"),
    });
    with(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), |message| match message {
        Message::Authentication(Authentication::Sasl(names)) => {
            assert!(names.eq(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]));
        }
        other => panic!("{other:?}"),
    });
    with(&message(b'R', b"\0\0\0\x05salt"), |message| {
        assert!(matches!(message, Message::Authentication(Authentication::Md5 { salt }) if salt == *b"salt"));
    });
    with(&message(b'R', b"\0\0\0\x0br=x"), |message| {
        assert!(matches!(message, Message::Authentication(Authentication::SaslContinue(b"r=x"))));
    });
    with(&message(b'R', b"\0\0\0\x07more"), |message| {
        assert!(matches!(message, Message::Authentication(Authentication::Other(7))), "GSSAPI");
    });
    with(&message(b'G', b"\x01\0\x02\0\x01\0\x01"), |message| {
        assert!(matches!(message, Message::CopyIn(CopyFormat { is_binary: true, columns: 2 })));
    });
    with(&message(b'A', b"\0\0\0\x07news\0more\0"), |message| {
        let Message::Notification { process_id, channel, payload } = message else { panic!("{message:?}") };
        assert_eq!((process_id, channel, payload), (7, "news", "more"));
    });
    with(&message(b'K', b"\0\0\0\x07secret"), |message| {
        assert!(matches!(message, Message::BackendKeyData { process_id: 7, secret_key: b"secret" }));
    });
    with(&message(b'v', b"\0\x03\0\0\0\0\0\x01_pq_.x\0"), |message| {
        assert!(matches!(message, Message::NegotiateVersion { newest: 0x3_0000, unknown_options: 1 }));
    });
    for (byte, status) in [(b'I', Status::Idle), (b'T', Status::Transaction), (b'E', Status::Failed)] {
        with(&message(b'Z', &[byte]), |message| assert!(matches!(message, Message::Ready(s) if s == status)));
    }
}

#[test]
fn a_session_reads_the_same_however_it_is_cut() {
    let mut session = Vec::new();
    for (tag, body) in [
        (b'R', &b"\0\0\0\0"[..]),
        (b'S', b"server_version\x0015.6\0"),
        (b'K', b"\0\0\0\x01\0\0\0\x02"),
        (b'Z', b"I"),
        (b'1', b""),
        (b't', b"\0\x01\0\0\0\x17"),
        (b'T', COLUMNS),
        (b'Z', b"I"),
        (b'2', b""),
        (b'D', b"\0\x02\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff"),
        (b'D', b"\0\x02\0\0\0\x04\0\0\0\x08\0\0\0\x01x"),
        (b's', b""),
        (b'C', b"SELECT 2\0"),
        (b'N', b"SNOTICE\0C00000\0Mhm\0\0"),
        (b'3', b""),
        (b'n', b""),
        (b'I', b""),
        (b'H', b"\0\0\x01\0\0"),
        (b'd', b"1\tx\n"),
        (b'c', b""),
        (b'E', b"SERROR\0C42601\0Mno\0\0"),
        (b'A', b"\0\0\0\x07news\0\0"),
        (b'Z', b"E"),
    ] {
        session.extend(message(tag, body));
    }
    let (messages, error) = everywhere(&session, Limits::default());
    assert_eq!((messages.len(), error), (23, None));
}

#[test]
fn a_large_message_in_small_pieces_is_held_and_given_back() {
    let row = message(b'D', &[&b"\0\x01\0\x0f\x42\x40"[..], &vec![b'x'; 1_000_000]].concat());
    let mut decoder = Decoder::default();
    for (n, piece) in row.chunks(1000).enumerate() {
        let mut input = piece;
        let is_last = n == row.len() / 1000;
        match decoder.decode(&mut input).unwrap() {
            Some(Message::Row(row)) => {
                assert!(is_last && value_len(row) == 1_000_000);
            }
            None => assert!(!is_last),
            other => panic!("{other:?}"),
        }
        assert!(input.is_empty());
    }
    assert!(decoder.is_between_messages());
}

fn value_len(row: RowBody<'_>) -> usize {
    row.values().next().flatten().map_or(0, <[u8]>::len)
}
