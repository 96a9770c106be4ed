//! `multipart/form-data` (RFC 7578, RFC 2046 §5.1): what is a part, what is refused, and that cuts do not matter.

use corelane_http_proto::multipart::{
    Boundary, Encoder, Event, LimitKind, Limits, MultipartError, Parser, PartHead,
};
use proptest::prelude::*;

/// Name, file name and data of each part.
type Parts = Vec<(String, Option<String>, Vec<u8>)>;

/// Parses `pieces` as a caller would.
fn parse(boundary: &str, pieces: &[&[u8]], limits: Limits) -> Result<Parts, MultipartError> {
    let mut parser = Parser::new(&Boundary::new(boundary).unwrap(), limits);
    let mut parts: Parts = Vec::new();
    let mut open = false;
    for piece in pieces {
        let mut at = 0;
        loop {
            let step = parser.handle_input(&piece[at..])?;
            assert!(at + step.consumed <= piece.len(), "no more than it got");
            match step.event {
                Event::Part(head) => {
                    assert!(!std::mem::replace(&mut open, true), "a part ends before the next");
                    parts.push((head.name().to_owned(), head.file_name().map(str::to_owned), Vec::new()));
                }
                Event::Data(range) => {
                    assert!(open && !range.is_empty() && range.end <= step.consumed);
                    parts.last_mut().unwrap().2.extend_from_slice(&piece[at..][range]);
                }
                Event::Held(bytes) => {
                    assert!(open && !bytes.is_empty());
                    parts.last_mut().unwrap().2.extend_from_slice(bytes);
                }
                Event::PartEnd => assert!(std::mem::replace(&mut open, false), "a part ends once"),
                Event::NeedMore => assert_eq!(at + step.consumed, piece.len(), "all is consumed"),
            }
            at += step.consumed;
            if at == piece.len() {
                break;
            }
        }
    }
    parser.handle_end()?;
    assert!(!open, "every part has ended");
    Ok(parts)
}

fn whole(body: &[u8]) -> Result<Parts, MultipartError> {
    parse("XX", &[body], Limits::default())
}

/// A body of one part with this head, without the line end of its last line.
fn with_head(head: &str) -> Vec<u8> {
    format!("--XX\r\n{head}\r\n\r\nx\r\n--XX--\r\n").into_bytes()
}

const A: &str = "content-disposition: form-data; name=\"a\"";

fn field(data: &str) -> Vec<u8> {
    format!("--XX\r\n{A}\r\n\r\n{data}\r\n--XX--\r\n").into_bytes()
}

fn part(name: &str, file_name: Option<&str>, data: &str) -> (String, Option<String>, Vec<u8>) {
    (name.to_owned(), file_name.map(str::to_owned), data.as_bytes().to_vec())
}

#[test]
fn data_is_what_stands_between_the_delimiters() {
    for (why, body, want) in [
        ("plain", field("hello"), vec![part("a", None, "hello")]),
        ("empty", field(""), vec![part("a", None, "")]),
        ("line ends are data", field("\r\n\r\n"), vec![part("a", None, "\r\n\r\n")]),
        ("half a delimiter", field("\r\n--X"), vec![part("a", None, "\r\n--X")]),
        ("half a delimiter at once", field("--X"), vec![part("a", None, "--X")]),
        ("a delimiter after LF alone", field("\n--XX--\r\n"), vec![part("a", None, "\n--XX--\r\n")]),
        ("a delimiter not at a line's beginning", field("b--XX--"), vec![part("a", None, "b--XX--")]),
        ("CRs in a row", field("\r\r\n-\r\r\n--X\r"), vec![part("a", None, "\r\r\n-\r\r\n--X\r")]),
        (
            "a part that is multipart stays one",
            field("--YY\r\n\r\nb\r\n--YY--"),
            vec![part("a", None, "--YY\r\n\r\nb\r\n--YY--")],
        ),
        (
            "no empty line of its own before the delimiter (RFC 2046 §5.1.1, body-part)",
            format!("--XX\r\n{A}\r\n\r\n--XX--").into_bytes(),
            vec![part("a", None, "")],
        ),
        (
            "no line end after the last delimiter",
            field("b")[..].strip_suffix(b"\r\n").unwrap().to_vec(),
            vec![part("a", None, "b")],
        ),
        (
            "padding",
            format!("--XX \t\r\n{A}\r\n\r\nb\r\n--XX-- \r\n").into_bytes(),
            vec![part("a", None, "b")],
        ),
        (
            "a preamble and an epilogue",
            [&b"hi\r\n"[..], &field("b"), b"bye\r\n--XX\r\n"].concat(),
            vec![part("a", None, "b")],
        ),
        ("no part at all", b"--XX--\r\n".to_vec(), vec![]),
    ] {
        assert_eq!(whole(&body), Ok(want), "{why}");
    }
    let two = format!("--XX\r\n{A}\r\n\r\n1\r\n--XX\r\n{A}; filename=\"f\"\r\n\r\n2\r\n--XX--\r\n");
    assert_eq!(whole(two.as_bytes()), Ok(vec![part("a", None, "1"), part("a", Some("f"), "2")]));
}

#[test]
fn what_is_refused() {
    let text = |error: MultipartError| error.to_string();
    for (why, body, says) in [
        ("nothing", b"".to_vec(), "no delimiter"),
        ("no delimiter", b"a=b".to_vec(), "no delimiter"),
        ("another boundary", b"--YY\r\n\r\n".to_vec(), "no delimiter"),
        ("no last delimiter", field("b")[..field("b").len() - 8].to_vec(), "before its last delimiter"),
        ("one dash too few", field("b")[..field("b").len() - 3].to_vec(), "before its last delimiter"),
        ("ends in the head", b"--XX\r\ncontent-".to_vec(), "before its last delimiter"),
        ("ends behind CR", b"--XX--\r".to_vec(), "before its last delimiter"),
        (
            "a longer boundary (RFC 2046 §5.1.1: a prefix counts)",
            field("\r\n--XXY\r\n"),
            "goes on with something else",
        ),
        ("something behind the last one", b"--XX--more".to_vec(), "goes on with something else"),
        ("LF alone behind a delimiter", b"--XX\n".to_vec(), "goes on with something else"),
        ("a single dash", b"--XX-\r\n".to_vec(), "goes on with something else"),
        ("LF in the head", with_head(&format!("{A}\nx: y")), "does not end in CR LF"),
        ("CR in the head", with_head(&format!("{A}\rx: y")), "does not end in CR LF"),
        ("a folded line", with_head(&format!("{A}\r\n b: c")), "folded"),
        ("a line without colon", with_head(&format!("{A}\r\nb")), "no field"),
        ("a space before the colon", with_head("content-disposition : form-data; name=\"a\""), "no field"),
        ("NUL in a name", with_head("content-disposition: form-data; name=\"a\0\""), "no field"),
        ("NUL in a file name", with_head(&format!("{A}; filename=\"a.php\0.png\"")), "no field"),
        ("no head", b"--XX\r\n\r\nx\r\n--XX--".to_vec(), "no content-disposition"),
        ("no disposition", with_head("content-type: text/plain"), "no content-disposition"),
        ("two dispositions", with_head(&format!("{A}\r\n{A}")), "two content-dispositions"),
        ("an attachment", with_head("content-disposition: attachment; name=\"a\""), "not form-data"),
        ("no name", with_head("content-disposition: form-data"), "no name"),
        ("two names", with_head(&format!("{A}; name=\"b\"")), "two names"),
        ("two file names", with_head(&format!("{A}; filename=a; filename=b")), "two file names"),
        ("filename*", with_head(&format!("{A}; filename=\"a\"; filename*=UTF-8''b")), "RFC 7578 §4.2"),
        ("name*", with_head("content-disposition: form-data; name*=UTF-8''b"), "RFC 7578 §4.2"),
        ("an open quote", with_head("content-disposition: form-data; name=\"a"), "parameter"),
        (
            "a new line in a name ends the line",
            with_head("content-disposition: form-data; name=\"a\r\nx: y\""),
            "parameter",
        ),
        (
            "not UTF-8",
            b"--XX\r\ncontent-disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--XX--".to_vec(),
            "not UTF-8",
        ),
        ("base64", with_head(&format!("{A}\r\ncontent-transfer-encoding: base64")), "RFC 7578 §4.7"),
        (
            "two encodings",
            with_head(&format!(
                "{A}\r\ncontent-transfer-encoding: 8bit\r\ncontent-transfer-encoding: base64"
            )),
            "RFC 7578 §4.7",
        ),
    ] {
        let refused = whole(&body).map_err(text);
        assert!(refused.as_ref().is_err_and(|error| error.contains(says)), "{why}: {refused:?}");
    }
    assert!(whole(b"--XX\r\n").unwrap_err().is_truncated());
}

#[test]
fn names_are_as_they_were_sent() {
    for (why, disposition, name, file_name) in [
        ("quoted", r#"form-data; name="a b"; filename="c;d.txt""#, "a b", Some("c;d.txt")),
        ("tokens", "form-data; filename=c; name=a", "a", Some("c")),
        ("any case", r#"Form-Data; NAME="a"; FileName="c""#, "a", Some("c")),
        ("escapes", r#"form-data; name="a\"b\\c""#, r#"a"b\c"#, None),
        ("a browser's quote stays as it is", r#"form-data; name="a%22b""#, "a%22b", None),
        (
            "a path stays one: it is the client's name, not ours",
            r#"form-data; name="a"; filename="..\..\x""#,
            "a",
            Some(r"..\..\x"),
        ),
        ("UTF-8", r#"form-data; name="é"; filename="ü.jpg""#, "é", Some("ü.jpg")),
        ("no file chosen", r#"form-data; name="a"; filename="""#, "a", Some("")),
    ] {
        let body = with_head(&format!("Content-Disposition:\t{disposition} "));
        assert_eq!(whole(&body), Ok(vec![part(name, file_name, "x")]), "{why}");
    }
}

#[test]
fn every_bound_holds() {
    let small = Limits {
        parts_max: 2,
        head_bytes_max: 100,
        head_fields_max: 2,
        field_bytes_max: 4,
        fields_bytes_max: 6,
        file_bytes_max: 8,
    };
    let one = |data: &str| format!("--XX\r\n{A}\r\n\r\n{data}\r\n");
    let file = |data: &str| format!("--XX\r\n{A}; filename=\"f\"\r\n\r\n{data}\r\n");
    let with_line = |line: &str| format!("--XX\r\n{A}\r\n{line}\r\n\r\n\r\n");
    let room = 100 - A.len() - 2 - "x: \r\n\r\n".len();
    for (why, body, passed) in [
        ("parts", one("") + &one(""), None),
        ("a part more", one("") + &one("") + &one(""), Some((LimitKind::Parts, 2))),
        ("head", with_line(&format!("x: {}", "y".repeat(room))), None),
        (
            "a byte more",
            with_line(&format!("x: {}", "y".repeat(room + 1))),
            Some((LimitKind::HeadBytes, 100)),
        ),
        ("head fields", with_line("x: 1\r\ny: 2"), Some((LimitKind::HeadFields, 2))),
        ("a field", one("1234"), None),
        ("a byte more", one("12345"), Some((LimitKind::FieldBytes, 4))),
        ("fields", one("123") + &one("123"), None),
        ("a byte more", one("123") + &one("1234"), Some((LimitKind::FieldsBytes, 6))),
        ("a file, which is no field", one("1234") + &file("12345678"), None),
        ("a byte more", file("123456789"), Some((LimitKind::FileBytes, 8))),
        ("preamble", "a".repeat(1024) + "\r\n" + &one(""), None),
        ("a byte more", "a".repeat(1025) + "\r\n" + &one(""), Some((LimitKind::PreambleBytes, 1024))),
        (
            "padding",
            format!("--XX{}\r\n{A}\r\n\r\n\r\n", " ".repeat(65)),
            Some((LimitKind::PaddingBytes, 64)),
        ),
    ] {
        let body = body + "--XX--\r\n";
        for piece in [1, 7, body.len()] {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(piece).collect();
            let parsed = parse("XX", &pieces, small);
            assert_eq!(parsed.err().and_then(|error| error.limit()), passed, "{why}, in pieces of {piece}");
        }
    }
    let epilogue = field("x").into_iter().chain(std::iter::repeat_n(b'a', 1025)).collect::<Vec<_>>();
    assert_eq!(whole(&epilogue).unwrap_err().limit(), Some((LimitKind::EpilogueBytes, 1024)));
    assert!(whole(&epilogue[..epilogue.len() - 1]).is_ok());
}

#[test]
fn an_error_is_given_again() {
    let mut parser = Parser::new(&Boundary::new("XX").unwrap(), Limits::default());
    let error = parser.handle_input(b"--XX!").unwrap_err();
    assert_eq!(parser.handle_input(b"--XX\r\n").unwrap_err(), error);
    assert_eq!(parser.handle_end().unwrap_err(), error);
}

#[test]
fn heads_give_their_fields_and_hide_them_from_logs() {
    let mut parser = Parser::new(&Boundary::new("XX").unwrap(), Limits::default());
    let body = with_head(&format!("{A}; filename=\"f\"\r\nContent-Type:  text/plain \r\nx-secret: hush"));
    let Event::Part(head) = parser.handle_input(&body).unwrap().event else { panic!("a head comes first") };
    assert_eq!(head.content_type(), Some("text/plain"));
    assert_eq!(head.field("X-SECRET"), Some(&b"hush"[..]));
    assert_eq!(
        head.fields().map(|(name, _)| name).collect::<Vec<_>>(),
        ["content-disposition", "Content-Type", "x-secret"]
    );
    let shown = |head: &PartHead| format!("{head:?}");
    assert!(!shown(&head).contains("hush"), "{head:?}");
}

#[test]
fn a_cut_anywhere_makes_no_difference() {
    let body = [
        &b"pre\r\n--XX\r\n"[..],
        A.as_bytes(),
        b"\r\n\r\n\r\n--X\r\r\n--\r\n--XX \r\n",
        A.as_bytes(),
        b"; filename=\"a\\\"b\"\r\ncontent-type: image/png\r\n\r\n--X\r\n-\r\n\r\n--XX-- \r\npost\r\n--XX",
    ]
    .concat();
    let want = whole(&body).unwrap();
    assert_eq!(want, [part("a", None, "\r\n--X\r\r\n--"), part("a", Some("a\"b"), "--X\r\n-\r\n")]);
    for first in 0..=body.len() {
        for second in first..=body.len() {
            let pieces = [&body[..first], &body[first..second], &body[second..]];
            assert_eq!(
                parse("XX", &pieces, Limits::default()).as_ref(),
                Ok(&want),
                "cut at {first} and {second}"
            );
        }
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(parse("XX", &bytes, Limits::default()), Ok(want));
}

/// Bytes of which most mean something here.
fn near_delimiters() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"\r\n--XX"[..]),
        Just(&b"--XX"[..]),
        Just(&b"--XX\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"\n"[..]),
        Just(&b"--"[..]),
        Just(&b"X"[..]),
        Just(&b" "[..]),
        Just(&b"\0\xff"[..]),
        Just(&b"content-type: a\r\n"[..]),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_as_the_whole(body in near_delimiters(), piece in 1_usize..9) {
        let pieces: Vec<&[u8]> = body.chunks(piece).collect();
        prop_assert_eq!(parse("XX", &pieces, Limits::default()), parse("XX", &[&body], Limits::default()));
    }

    #[test]
    fn noise_never_panics(body in prop::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
        let pieces: Vec<&[u8]> = body.chunks(piece).collect();
        let _ = parse("XX", &pieces, Limits::default());
    }

    #[test]
    fn what_the_encoder_writes_is_read_back(
        parts in prop::collection::vec(
            ("[a-z \\\\;é=]{0,12}", prop::option::of("[a-z.\\\\/ ü]{0,12}"), near_delimiters()), 0..6,
        ),
        piece in 1_usize..40,
    ) {
        // A boundary that none of the data has.
        let boundary = "q0'()+_,-./:=? z";
        let encoder = Encoder::new(Boundary::new(boundary).unwrap());
        let mut body = Vec::new();
        for (name, file_name, data) in &parts {
            match file_name {
                Some(file_name) => encoder.begin_file(name, file_name, "text/plain", &mut body),
                None => encoder.begin_field(name, &mut body),
            }
            body.extend_from_slice(data);
            encoder.end_part(&mut body);
        }
        encoder.finish(&mut body);
        let found = Boundary::from_content_type(encoder.content_type().as_bytes()).unwrap();
        prop_assert_eq!(found.as_str(), boundary);
        let pieces: Vec<&[u8]> = body.chunks(piece).collect();
        prop_assert_eq!(parse(boundary, &pieces, Limits::default()), Ok(parts));
    }

    #[test]
    fn nothing_given_to_the_encoder_begins_a_line(name in any::<String>(), file_name in any::<String>(), kind in any::<String>()) {
        let encoder = Encoder::new(Boundary::new("XX").unwrap());
        let mut body = Vec::new();
        encoder.begin_file(&name, &file_name, &kind, &mut body);
        encoder.end_part(&mut body);
        encoder.finish(&mut body);
        prop_assert_eq!(body.split(|byte| *byte == b'\n').count(), 7);
        let parsed = whole(&body);
        prop_assert!(parsed.is_ok(), "{:?} {:?}", parsed, String::from_utf8_lossy(&body));
    }
}
