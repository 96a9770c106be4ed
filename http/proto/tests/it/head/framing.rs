//! RFC 9112 §6: how long the body is, and the ways two readers could disagree about it.

use corelane_http_proto::head::{BodyFraming, HeadError};

use super::{request, request_error};

fn head(version: &str, lines: &[&str]) -> Vec<u8> {
    let mut head = format!("POST / HTTP/{version}\r\nHost: a\r\n");
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

#[test]
fn rfc9112_section_6_3_framings_that_are_accepted() {
    for (why, lines, want) in [
        ("neither field: no body", &[][..], BodyFraming::None),
        ("a length", &["Content-Length: 5"], BodyFraming::Length(5)),
        ("zero is a length", &["Content-Length: 0"], BodyFraming::Length(0)),
        ("leading zeros are digits", &["Content-Length: 0005"], BodyFraming::Length(5)),
        ("the largest", &["Content-Length: 18446744073709551615"], BodyFraming::Length(u64::MAX)),
        ("the same length twice", &["Content-Length: 5", "content-length: 5"], BodyFraming::Length(5)),
        ("white space around it", &["Content-Length: \t5 "], BodyFraming::Length(5)),
        ("chunked", &["Transfer-Encoding: chunked"], BodyFraming::Chunked),
        ("codings are case-insensitive (RFC 9112 §7)", &["Transfer-Encoding: CHUNKED"], BodyFraming::Chunked),
        ("trailers may be named", &["Trailer: Expires", "Transfer-Encoding: chunked"], BodyFraming::Chunked),
    ] {
        assert_eq!(request(why, &head("1.1", lines)).framing, want, "{why}");
    }
}

#[test]
fn rfc9110_section_8_6_lengths_that_are_refused() {
    for (why, value, want) in [
        ("a sign is no digit", "+5", HeadError::LengthInvalid),
        ("a minus is no digit", "-5", HeadError::LengthInvalid),
        ("empty", "", HeadError::LengthInvalid),
        ("a list of equal values", "5, 5", HeadError::LengthInvalid),
        ("a list of different values", "5, 6", HeadError::LengthInvalid),
        ("a list with an empty element", "5,", HeadError::LengthInvalid),
        ("two numbers", "5 5", HeadError::LengthInvalid),
        ("hexadecimal", "0x5", HeadError::LengthInvalid),
        ("hexadecimal digits", "5a", HeadError::LengthInvalid),
        ("a fraction", "5.0", HeadError::LengthInvalid),
        ("an exponent", "5e0", HeadError::LengthInvalid),
        ("an underscore", "1_000", HeadError::LengthInvalid),
        ("quoted", "\"5\"", HeadError::LengthInvalid),
        ("digits of another script", "\u{665}", HeadError::LengthInvalid),
        ("one more than 64 bits", "18446744073709551616", HeadError::LengthOverflow),
        ("many digits", "99999999999999999999999999999999", HeadError::LengthOverflow),
    ] {
        let input = head("1.1", &[&format!("Content-Length: {value}")]);
        assert_eq!(request_error(why, &input), Some(want), "{why}");
    }
}

#[test]
fn rfc9112_section_6_1_codings_that_are_refused() {
    for (why, lines, want) in [
        (
            "not chunked at all: 400 is a must (§6.3)",
            &["Transfer-Encoding: gzip"][..],
            HeadError::TransferEncodingInvalid,
        ),
        ("identity was removed", &["Transfer-Encoding: identity"], HeadError::TransferEncodingInvalid),
        ("chunked is not last", &["Transfer-Encoding: chunked, gzip"], HeadError::TransferEncodingInvalid),
        (
            "chunked is not last, over two lines",
            &["Transfer-Encoding: chunked", "Transfer-Encoding: gzip"],
            HeadError::TransferEncodingInvalid,
        ),
        (
            "chunked twice (§6.1)",
            &["Transfer-Encoding: chunked, chunked"],
            HeadError::TransferEncodingInvalid,
        ),
        (
            "chunked twice, over two lines",
            &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
            HeadError::TransferEncodingInvalid,
        ),
        (
            "identity after chunked",
            &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
            HeadError::TransferEncodingInvalid,
        ),
        (
            "a coding that starts like chunked",
            &["Transfer-Encoding: chunkedx"],
            HeadError::TransferEncodingInvalid,
        ),
        (
            "a coding that ends like chunked",
            &["Transfer-Encoding: xchunked"],
            HeadError::TransferEncodingInvalid,
        ),
        (
            "chunked takes no parameter",
            &["Transfer-Encoding: chunked;q=1"],
            HeadError::TransferEncodingInvalid,
        ),
        ("quoted", &["Transfer-Encoding: \"chunked\""], HeadError::TransferEncodingInvalid),
        ("empty", &["Transfer-Encoding:"], HeadError::TransferEncodingInvalid),
        ("an empty element before", &["Transfer-Encoding: ,chunked"], HeadError::TransferEncodingInvalid),
        ("an empty element after", &["Transfer-Encoding: chunked,"], HeadError::TransferEncodingInvalid),
        (
            "an empty line after",
            &["Transfer-Encoding: chunked", "Transfer-Encoding:"],
            HeadError::TransferEncodingInvalid,
        ),
        (
            "no list: a space between",
            &["Transfer-Encoding: gzip chunked"],
            HeadError::TransferEncodingInvalid,
        ),
        (
            "unknown under chunked: 501",
            &["Transfer-Encoding: gzip, chunked"],
            HeadError::TransferCodingUnknown,
        ),
        (
            "unknown under chunked, over two lines",
            &["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
            HeadError::TransferCodingUnknown,
        ),
        (
            "unknown with a parameter",
            &["Transfer-Encoding: foo;a=b , chunked"],
            HeadError::TransferCodingUnknown,
        ),
    ] {
        assert_eq!(request_error(why, &head("1.1", lines)), Some(want), "{why}");
    }
}

#[test]
fn smuggling_what_two_readers_could_frame_differently() {
    for (why, version, lines, want) in [
        (
            "CL.TE",
            "1.1",
            &["Content-Length: 5", "Transfer-Encoding: chunked"][..],
            HeadError::LengthAndTransferEncoding,
        ),
        (
            "TE.CL",
            "1.1",
            &["Transfer-Encoding: chunked", "Content-Length: 5"],
            HeadError::LengthAndTransferEncoding,
        ),
        (
            "both, length zero",
            "1.1",
            &["Content-Length: 0", "Transfer-Encoding: chunked"],
            HeadError::LengthAndTransferEncoding,
        ),
        (
            "both, with a coding nobody knows",
            "1.1",
            &["Content-Length: 5", "Transfer-Encoding: x"],
            HeadError::LengthAndTransferEncoding,
        ),
        ("CL.CL", "1.1", &["Content-Length: 5", "Content-Length: 6"], HeadError::LengthsDiffer),
        (
            "CL.CL, one of them zero",
            "1.1",
            &["Content-Length: 0", "Content-Length: 44"],
            HeadError::LengthsDiffer,
        ),
        ("TE in HTTP/1.0", "1.0", &["Transfer-Encoding: chunked"], HeadError::TransferEncodingInHttp10),
        (
            "TE and CL in HTTP/1.0",
            "1.0",
            &["Content-Length: 5", "Transfer-Encoding: chunked"],
            HeadError::TransferEncodingInHttp10,
        ),
        (
            "TE with a space before the colon",
            "1.1",
            &["Transfer-Encoding : chunked"],
            HeadError::SpaceBeforeColon,
        ),
        (
            "TE with a tab before the colon",
            "1.1",
            &["Transfer-Encoding\t: chunked"],
            HeadError::SpaceBeforeColon,
        ),
        ("CL with a space before the colon", "1.1", &["Content-Length : 5"], HeadError::SpaceBeforeColon),
        ("TE on a folded line", "1.1", &["X: y", " Transfer-Encoding: chunked"], HeadError::ObsoleteFold),
        (
            "TE with its value folded",
            "1.1",
            &["Transfer-Encoding:", " chunked"],
            HeadError::TransferEncodingInvalid,
        ),
        ("TE with a vertical tab", "1.1", &["Transfer-Encoding: \u{b}chunked"], HeadError::FieldValueInvalid),
        ("TE with a form feed", "1.1", &["Transfer-Encoding: chunked\u{c}"], HeadError::FieldValueInvalid),
        ("TE with a NUL", "1.1", &["Transfer-Encoding: chunked\0"], HeadError::FieldValueInvalid),
        ("TE after a bare CR", "1.1", &["X: y\rTransfer-Encoding: chunked"], HeadError::BareCr),
        ("TE after a bare LF", "1.1", &["X: y\nTransfer-Encoding: chunked"], HeadError::BareLf),
        ("CL after a bare LF", "1.1", &["X: y\nContent-Length: 5"], HeadError::BareLf),
        ("a name with a NUL", "1.1", &["Content-Length\0: 5"], HeadError::FieldNameInvalid),
        (
            "a name with a no-break space",
            "1.1",
            &["Transfer-Encoding\u{a0}: chunked"],
            HeadError::FieldNameInvalid,
        ),
        ("CL with a no-break space", "1.1", &["Content-Length: \u{a0}5"], HeadError::LengthInvalid),
        ("CL with a plus", "1.1", &["Content-Length: +5"], HeadError::LengthInvalid),
        ("CL as a list", "1.1", &["Content-Length: 5, 6"], HeadError::LengthInvalid),
        ("a second request line as a field", "1.1", &["GET /admin HTTP/1.1"], HeadError::SpaceBeforeColon),
        ("a second Host", "1.1", &["Host: b"], HeadError::HostRepeated),
    ] {
        let mut input = head(version, lines);
        input.extend_from_slice(b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(request_error(why, &input), Some(want), "{why}");
    }
}

#[test]
fn smuggling_names_that_only_look_like_framing() {
    for (why, line) in [
        ("underscores, which some gateways turn into dashes", "Content_Length: 5"),
        ("underscores", "Transfer_Encoding: chunked"),
        ("a letter more", "Content-Lengths: 5"),
        ("a letter less", "Transfer-Encodin: chunked"),
        ("a prefix", "X-Transfer-Encoding: chunked"),
    ] {
        assert_eq!(request(why, &head("1.1", &[line])).framing, BodyFraming::None, "{why}");
    }
}

#[test]
fn bytes_after_the_head_are_not_looked_into() {
    for rest in [&b"\n\n"[..], b"\r", b"\0\x01\x7f", b" folded?\r\n", b"GET / HTTP/1.1\r\n\r\n", &[0x80; 70]]
    {
        let head = head("1.1", &["Content-Length: 70"]);
        let request = request("a body", &[&head, rest].concat());
        assert_eq!((request.len, request.framing), (head.len(), BodyFraming::Length(70)));
    }
}

#[test]
fn errors_carry_the_status_to_answer_with() {
    for (error, status) in [
        (HeadError::LengthAndTransferEncoding, 400),
        (HeadError::HostMissing, 400),
        (HeadError::TargetTooLong, 414),
        (HeadError::ExpectationUnknown, 417),
        (HeadError::HeadTooLarge, 431),
        (HeadError::TooManyFields, 431),
        (HeadError::MethodTooLong, 501),
        (HeadError::TransferCodingUnknown, 501),
        (HeadError::VersionUnsupported, 505),
    ] {
        assert_eq!(error.status(), status, "{error}");
    }
}
