//! The chunked coding (RFC 9112 §7.1): what is accepted, what is refused, and that cuts do not matter.

use bytes::BufMut;
use corelane_http_proto::chunked::{
    ChunkError, ChunkLimits, Decoder, LAST_CHUNK, Step, TrailerWriter, chunk_into,
};
use proptest::prelude::*;

/// All that a caller can see of a body, however it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    data: Vec<u8>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the body ended in the input; none if more was wanted.
    end: Option<usize>,
}

/// Decodes `pieces` as a caller would: what is not consumed is passed again with the next piece behind it.
fn decode(pieces: &[&[u8]], limits: ChunkLimits) -> Result<Seen, (ChunkError, Vec<u8>)> {
    let mut decoder = Decoder::new(limits);
    let mut seen = Seen::default();
    let mut unread = Vec::new();
    let mut total = 0;
    for piece in pieces {
        unread.extend_from_slice(piece);
        loop {
            let consumed = match decoder.decode(&unread) {
                Ok(Step::NeedMore { consumed }) => {
                    unread.drain(..consumed);
                    total += consumed;
                    break;
                }
                Ok(Step::Data { skip, len }) => {
                    assert!(len > 0, "an empty range would be an event without meaning");
                    seen.data.extend_from_slice(&unread[skip..skip + len]);
                    skip + len
                }
                Ok(Step::Trailer { consumed, name, value }) => {
                    seen.trailers.push((unread[name].to_vec(), unread[value].to_vec()));
                    consumed
                }
                Ok(Step::End { consumed }) => {
                    seen.end = Some(total + consumed);
                    assert!(decoder.is_done());
                    return Ok(seen);
                }
                Err(error) => {
                    assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(error), "an error is final");
                    return Err((error, seen.data));
                }
            };
            unread.drain(..consumed);
            total += consumed;
        }
    }
    Ok(seen)
}

/// Decodes at once, in two pieces cut anywhere, and byte by byte; all have to agree.
#[track_caller]
fn decode_all_ways(input: &[u8], limits: ChunkLimits, why: &str) -> Result<Seen, ChunkError> {
    let whole = decode(&[input], limits);
    for cut in 0..=input.len() {
        let (front, back) = input.split_at(cut);
        assert_eq!(decode(&[front, back], limits), whole, "{why}: cut at {cut}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(&bytes, limits), whole, "{why}: byte by byte");
    whole.map_err(|(error, _)| error)
}

#[test]
fn rfc9112_7_1_bodies_are_decoded() {
    for (why, input, data, end) in [
        ("one chunk", &b"5\r\nhello\r\n0\r\n\r\n"[..], &b"hello"[..], Some(15)),
        ("two chunks make one body", b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!", Some(21)),
        ("no data at all", b"0\r\n\r\n", b"", Some(5)),
        ("what follows is not ours", b"1\r\na\r\n0\r\n\r\nGET / ", b"a", Some(11)),
        ("digits in either case", b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", Some(20)),
        ("digits in either case", b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", Some(20)),
        ("leading zeros up to 16 digits", b"0000000000000001\r\na\r\n0\r\n\r\n", b"a", Some(26)),
        ("a last chunk may have many zeros", b"000\r\n\r\n", b"", Some(7)),
        ("line ends in the data are data", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", Some(14)),
        ("something like a chunk in the data", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", Some(15)),
        ("the end is not here yet", b"5\r\nhel", b"hel", None),
        ("the largest size there is does not overflow", b"ffffffffffffffff\r\nabc", b"abc", None),
    ] {
        let seen = decode_all_ways(input, ChunkLimits::default(), why);
        let want = Seen { data: data.to_vec(), trailers: Vec::new(), end };
        assert_eq!(seen, Ok(want), "{why}");
    }
}

#[test]
fn rfc9112_7_1_1_extensions_are_checked_and_skipped() {
    for (why, line, want) in [
        ("a name alone", "1;a", Ok(())),
        ("a token value", "1;a=b", Ok(())),
        ("several", "1;a=b;c;d=e", Ok(())),
        ("a quoted value", "1;a=\"b c\"", Ok(())),
        ("a quoted semicolon is no separator", "1;a=\";\"", Ok(())),
        ("an escaped quote does not close", "1;a=\"\\\"\"", Ok(())),
        ("obsolete text in quotes", "1;a=\"\u{e9}\"", Ok(())),
        ("bad white space that RFC 9110 §5.6.3 wants parsed", "1; a = b ;\tc", Ok(())),
        ("white space before the first semicolon belongs to the size", "1 ;a", Err(ChunkError::SizeNotHex)),
        ("no name", "1;", Err(ChunkError::ExtensionMalformed)),
        ("no name before the value", "1;=b", Err(ChunkError::ExtensionMalformed)),
        ("no value behind the equals sign", "1;a=", Err(ChunkError::ExtensionMalformed)),
        ("white space at the end of the line", "1;a ", Err(ChunkError::ExtensionMalformed)),
        ("two names without separator", "1;a b", Err(ChunkError::ExtensionMalformed)),
        ("text behind the closing quote", "1;a=\"b\"c", Err(ChunkError::ExtensionMalformed)),
        ("an unclosed quote", "1;a=\"b", Err(ChunkError::BareLineEnd)),
        ("a NUL", "1;a\0", Err(ChunkError::ExtensionMalformed)),
        ("a control byte in quotes", "1;a=\"\x01\"", Err(ChunkError::ExtensionMalformed)),
        ("DEL in quotes", "1;a=\"\x7f\"", Err(ChunkError::ExtensionMalformed)),
        ("bare LF in the extension", "1;a\nb", Err(ChunkError::BareLineEnd)),
        ("bare CR in the extension", "1;a\rb", Err(ChunkError::BareLineEnd)),
        ("bare LF in quotes", "1;a=\"\n\"", Err(ChunkError::BareLineEnd)),
        ("a line end hidden in quotes", "1;a=\"\r\n\"", Err(ChunkError::BareLineEnd)),
        ("an escaped LF", "1;a=\"\\\n\"", Err(ChunkError::BareLineEnd)),
    ] {
        let input = [line.as_bytes(), b"\r\nx\r\n0\r\n\r\n"].concat();
        let seen = decode_all_ways(&input, ChunkLimits::default(), why);
        match want {
            Ok(()) => assert_eq!(seen.unwrap().data, b"x", "{why}"),
            Err(error) => assert_eq!(seen, Err(error), "{why}"),
        }
    }
}

#[test]
fn smuggling_size_lines_are_refused() {
    use ChunkError::*;
    for (why, input, want) in [
        ("a sign is no digit", &b"+5\r\nhello\r\n0\r\n\r\n"[..], SizeMissing),
        ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n", SizeMissing),
        ("a prefix of C", b"0x5\r\nhello\r\n0\r\n\r\n", SizeNotHex),
        ("the same in upper case", b"0X5\r\nhello\r\n0\r\n\r\n", SizeNotHex),
        ("a space before", b" 5\r\nhello\r\n0\r\n\r\n", SizeMissing),
        ("a space behind", b"5 \r\nhello\r\n0\r\n\r\n", SizeNotHex),
        ("a tab behind", b"5\t\r\nhello\r\n0\r\n\r\n", SizeNotHex),
        ("a space within", b"1 0\r\nhello\r\n0\r\n\r\n", SizeNotHex),
        ("an underscore, which some languages skip", b"1_0\r\nhello\r\n", SizeNotHex),
        ("a letter beyond f", b"5g\r\nhello\r\n", SizeNotHex),
        ("a NUL, which ends strings in C", b"5\0\r\nhello\r\n", SizeNotHex),
        ("no size", b"\r\nhello\r\n0\r\n\r\n", SizeMissing),
        ("an extension without size", b";a=b\r\n\r\n", SizeMissing),
        ("17 digits overflow 64 bits", b"10000000000000005\r\nhello\r\n", SizeTooLong),
        ("17 digits, even zeros", b"00000000000000005\r\nhello\r\n", SizeTooLong),
        ("bare LF behind the size", b"5\nhello\r\n0\r\n\r\n", BareLineEnd),
        ("bare CR behind the size", b"5\rhello\r\n0\r\n\r\n", BareLineEnd),
        ("CR twice", b"5\r\r\nhello\r\n0\r\n\r\n", BareLineEnd),
        ("data longer than the size", b"5\r\nhello!\r\n0\r\n\r\n", DataUnterminated),
        ("data shorter than the size", b"6\r\nhello\r\n0\r\n\r\n", DataUnterminated),
        ("bare LF behind the data", b"5\r\nhello\n0\r\n\r\n", DataUnterminated),
        ("CR without LF behind the data", b"5\r\nhello\r0\r\n\r\n", DataUnterminated),
        ("an empty line where a size belongs", b"5\r\nhello\r\n\r\n0\r\n\r\n", SizeMissing),
    ] {
        assert_eq!(decode_all_ways(input, ChunkLimits::default(), why), Err(want), "{why}");
    }
}

#[test]
fn rfc9112_7_1_2_trailers_are_told_apart_from_the_data() {
    type Fields<'a> = &'a [(&'a str, &'a str)];
    for (why, trailers, want) in [
        ("one", "a: b\r\n\r\n", Ok(&[("a", "b")][..] as Fields)),
        ("in order, spelling kept", "B: 1\r\nA: 2\r\n\r\n", Ok(&[("B", "1"), ("A", "2")])),
        ("white space around a value is not part of it", "a: \t b c \t\r\n\r\n", Ok(&[("a", "b c")])),
        ("none either", "a:b\r\n\r\n", Ok(&[("a", "b")])),
        ("an empty value", "a:\r\n\r\n", Ok(&[("a", "")])),
        ("a value of white space only", "a:   \r\n\r\n", Ok(&[("a", "")])),
        ("a colon in the value", "a: b:c\r\n\r\n", Ok(&[("a", "b:c")])),
        ("no colon", "a\r\n\r\n", Err(ChunkError::TrailerMalformed)),
        ("no name", ": b\r\n\r\n", Err(ChunkError::TrailerMalformed)),
        ("a space before the colon", "a : b\r\n\r\n", Err(ChunkError::TrailerMalformed)),
        ("a folded line", "a: b\r\n c\r\n\r\n", Err(ChunkError::TrailerMalformed)),
        ("a NUL", "a: b\0\r\n\r\n", Err(ChunkError::TrailerMalformed)),
        ("bare CR in a value", "a: b\rc\r\n\r\n", Err(ChunkError::TrailerMalformed)),
        ("bare LF", "a: b\nc: d\r\n\r\n", Err(ChunkError::BareLineEnd)),
        ("bare LF in place of all", "\n", Err(ChunkError::BareLineEnd)),
        ("bare LF as the end", "a: b\r\n\n", Err(ChunkError::BareLineEnd)),
        ("a new length", "content-length: 5\r\n\r\n", Err(ChunkError::TrailerForbidden)),
        ("in any case", "Content-Length: 5\r\n\r\n", Err(ChunkError::TrailerForbidden)),
        ("a new coding", "transfer-encoding: chunked\r\n\r\n", Err(ChunkError::TrailerForbidden)),
        ("another host", "host: evil\r\n\r\n", Err(ChunkError::TrailerForbidden)),
        ("credentials", "authorization: x\r\n\r\n", Err(ChunkError::TrailerForbidden)),
        ("a trusted proxy's word", "x-forwarded-for: 1.1.1.1\r\n\r\n", Err(ChunkError::TrailerForbidden)),
        ("a new type", "content-type: text/html\r\n\r\n", Err(ChunkError::TrailerForbidden)),
        ("also behind an honest one", "a: b\r\nconnection: x\r\n\r\n", Err(ChunkError::TrailerForbidden)),
    ] {
        let input = [b"1\r\nx\r\n0\r\n", trailers.as_bytes()].concat();
        let seen = decode_all_ways(&input, ChunkLimits::default(), why);
        let want = want.map(|fields| Seen {
            data: b"x".to_vec(),
            trailers: fields
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect(),
            end: Some(input.len()),
        });
        assert_eq!(seen, want, "{why}");
    }
}

#[test]
fn a_size_line_may_be_as_long_as_its_limit_and_no_longer() {
    let limits = ChunkLimits::default();
    let line = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(bytes - 2));
    assert!(decode_all_ways(line(256).as_bytes(), limits, "256 bytes").is_ok());
    assert_eq!(decode_all_ways(line(257).as_bytes(), limits, "257"), Err(ChunkError::SizeLineTooLong));

    let endless = [&b"1;"[..], &[b'a'; 300]].concat();
    assert_eq!(
        decode_all_ways(&endless, limits, "refused before its end comes"),
        Err(ChunkError::SizeLineTooLong)
    );
    let tiny = ChunkLimits { size_line_bytes_max: 1, ..limits };
    assert!(decode_all_ways(b"1\r\nx\r\n0\r\n\r\n", tiny, "digits count").is_ok());
    assert_eq!(
        decode_all_ways(b"01\r\nx\r\n0\r\n\r\n", tiny, "digits count"),
        Err(ChunkError::SizeLineTooLong)
    );
    assert_eq!(
        decode_all_ways(b"1;a\r\nx\r\n0\r\n\r\n", tiny, "so does `;`"),
        Err(ChunkError::SizeLineTooLong)
    );
}

#[test]
fn trailers_may_be_as_long_as_their_limit_and_no_longer() {
    let limits = ChunkLimits { trailer_bytes_max: 32, ..ChunkLimits::default() };
    let body = |value: usize| format!("0\r\nname: {}\r\n\r\n", "v".repeat(value));
    assert!(decode_all_ways(body(22).as_bytes(), limits, "32 bytes with the blank line").is_ok());
    assert_eq!(decode_all_ways(body(23).as_bytes(), limits, "33 bytes"), Err(ChunkError::TrailersTooLarge));

    let many = format!("0\r\n{}\r\n", "a: b\r\n".repeat(6));
    assert_eq!(
        decode_all_ways(many.as_bytes(), limits, "the budget is that of all lines together"),
        Err(ChunkError::TrailersTooLarge)
    );
    let endless = [&b"0\r\n"[..], &[b'a'; 32]].concat();
    assert_eq!(
        decode_all_ways(&endless, limits, "refused before its end comes"),
        Err(ChunkError::TrailersTooLarge)
    );
}

#[test]
fn framing_may_not_outweigh_the_data() {
    let limits = ChunkLimits::default();
    let single = b"1\r\nx\r\n".repeat(10_000);
    assert!(decode(&[&single], limits).is_ok(), "chunks of one byte are slow, not hostile");

    let extension = format!("1;{}\r\nx\r\n", "a".repeat(250));
    let hostile = extension.repeat(1_000);
    assert_eq!(
        decode(&[hostile.as_bytes()], limits).unwrap_err().0,
        ChunkError::Overhead,
        "250 bytes of extension for each byte of data"
    );
    // 20 bytes of size line and 4 of line ends, less 16 and twice a byte of data, leave 6.
    for (max, want) in [(6, Ok(())), (5, Err(ChunkError::Overhead))] {
        let limits = ChunkLimits { overhead_bytes_max: max, ..limits };
        let input = format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(18));
        assert_eq!(decode_all_ways(input.as_bytes(), limits, "overhead").map(drop), want, "{max}");
    }
    let signed = format!("10000;chunk-signature={}\r\n", "0".repeat(64));
    let chunk = [signed.as_bytes(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let upload = chunk.repeat(32);
    assert!(decode(&[&upload], limits).is_ok(), "a signature for each 64 KiB, as object stores have it");
}

#[test]
fn an_empty_chunk_is_not_written_since_it_would_end_the_body() {
    let mut out = Vec::new();
    assert_eq!(chunk_into(&mut out, b""), Ok(()));
    assert_eq!(out, b"");
}

#[test]
fn a_chunk_that_does_not_fit_is_not_begun() {
    for room in 0..8 {
        let mut out = Vec::new().limit(room);
        assert!(chunk_into(&mut out, b"abc").unwrap_err().is_full(), "room {room}");
        assert_eq!(out.into_inner(), b"");
    }
    let mut out = Vec::new().limit(8);
    assert_eq!(chunk_into(&mut out, b"abc"), Ok(()));
    assert_eq!(out.into_inner(), b"3\r\nabc\r\n");
}

#[test]
fn trailers_are_refused_on_the_way_out_too() {
    for (why, name, value, is_injection) in [
        ("framing", &b"Transfer-Encoding"[..], &b"chunked"[..], false),
        ("routing", b"Host", b"h", false),
        ("a line end in the value", b"a", b"b\r\nc: d", true),
        ("a line end in the name", b"a\r\nb", b"c", true),
        ("a NUL", b"a", b"\0", true),
    ] {
        let mut out = Vec::new();
        let mut trailers = TrailerWriter::new(&mut out).unwrap();
        let error = trailers.field(name, value).unwrap_err();
        assert_eq!(error.is_injection(), is_injection, "{why}");
        trailers.finish();
        assert_eq!(out, LAST_CHUNK, "{why}: the body ends without it");
    }
    assert!(TrailerWriter::new(&mut &mut [0; 4][..]).unwrap_err().is_full());
    assert!(TrailerWriter::new(&mut &mut [0; 5][..]).is_ok(), "exactly the end of a body");
}

proptest! {
    /// What is encoded is decoded, however it is cut into chunks and however the wire cuts those.
    #[test]
    fn bodies_survive_the_wire(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
        trailers in prop::collection::vec(("[a-z]{3,9}-x", "[ -~]{0,20}"), 0..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut wire = Vec::new();
        for data in &chunks {
            chunk_into(&mut wire, data).unwrap();
        }
        let mut writer = TrailerWriter::new(&mut wire).unwrap();
        for (name, value) in &trailers {
            writer.field(name.as_bytes(), value.as_bytes()).unwrap();
        }
        writer.finish();

        let want = Seen {
            data: chunks.concat(),
            trailers: trailers
                .iter()
                .map(|(name, value)| (name.clone().into_bytes(), value.trim_matches(' ').as_bytes().to_vec()))
                .collect(),
            end: Some(wire.len()),
        };
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        at.extend([0, wire.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode(&pieces, ChunkLimits::default()), Ok(want));
    }

    /// Bytes without sense, and sense with one byte changed, are refused or decoded, the same for each cut.
    #[test]
    fn no_input_depends_on_its_cuts(
        mut input in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            Just(b"5;a=\"b\"\r\nhello\r\n3\r\nabc\r\n0\r\na: b\r\nc: d\r\n\r\n".to_vec()),
        ],
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        if !input.is_empty() {
            let at = at.index(input.len());
            input[at] = byte;
        }
        let _ = decode_all_ways(&input, ChunkLimits::default(), "random");
    }
}
