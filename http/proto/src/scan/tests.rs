//! Every kernel against the naive twin.

use proptest::prelude::*;

use super::{Kernel, Taken, control_from, naive, swar, token_end};
use crate::class::is_token_byte;
use crate::head::{Field, Span};
use crate::name::Name;

const EMPTY: Field = Field { name: Name::Other, name_span: Span::new(0, 0), value: Span::new(0, 0) };

/// What `kernel` takes from `bytes`, with the fields.
fn taken(kernel: Kernel, bytes: &[u8], line: usize, room: usize) -> (Taken, Vec<Field>) {
    let mut fields = vec![EMPTY; room];
    let taken = kernel.take(bytes, line, &mut fields);
    fields.truncate(taken.count);
    (taken, fields)
}

/// Every kernel takes what its naive twin takes, no more and no less; but a vector kernel takes nothing from an
/// input that is shorter than a vector.
fn assert_same(bytes: &[u8], line: usize, room: usize) {
    let mut fields = vec![EMPTY; room];
    let want = naive::take_any(bytes, line, &mut fields);
    fields.truncate(want.count);
    let shown = bytes.escape_ascii();
    assert_eq!(taken(Kernel::portable(), bytes, line, room), (want, fields), "{shown}");

    let kernel = Kernel::detect();
    if kernel.name() == "portable" {
        return;
    }
    let mut fields = vec![EMPTY; room];
    let mut want = Taken { request: None, count: 0, line };
    if bytes.len() >= 32 {
        want = naive::take(bytes, line, &mut fields);
    }
    fields.truncate(want.count);
    assert_eq!(taken(kernel, bytes, line, room), (want, fields), "{shown}");
}

/// A head whose request line and values are as long as the vectors' edges ask for.
fn head(target: usize, values: &[usize]) -> Vec<u8> {
    let mut head = format!("GET /{} HTTP/1.1\r\n", "a".repeat(target)).into_bytes();
    for (index, len) in values.iter().enumerate() {
        let name = ["Host", "X-Colour", "Accept", "Content-Length", "X-Forwarded-For"][index % 5];
        head.extend_from_slice(format!("{name}: {}\r\n", "v".repeat(*len)).as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[test]
fn lines_of_every_length_and_place_in_a_block() {
    for target in 0..140 {
        for value in [0, 1, 5, 31, 32, 63, 64, 65, 130] {
            let head = head(target, &[value, 3, value]);
            assert_same(&head, 0, 100);
            assert_same(&head, 0, 1);
        }
    }
}

#[test]
fn every_cut_of_a_head() {
    let head = head(20, &[10, 70, 0, 33, 5, 12, 128]);
    for end in 0..=head.len() {
        assert_same(&head[..end], 0, 100);
    }
}

#[test]
fn every_byte_at_every_place_of_a_head() {
    let head = head(30, &[12, 40, 9]);
    for at in 0..head.len() {
        for byte in 0..=255 {
            let mut head = head.clone();
            head[at] = byte;
            assert_same(&head, 0, 100);
        }
    }
}

#[test]
fn names_of_every_length_also_in_the_last_window() {
    for len in 1..40 {
        for tail in 0..40 {
            let head =
                format!("GET / HTTP/1.1\r\n{}: {}\r\n\r\n", "n".repeat(len), "v".repeat(tail)).into_bytes();
            assert_same(&head, 0, 100);
        }
    }
}

#[test]
fn known_names_also_in_the_last_window() {
    for name in ["Host", "aGe", "ORIGIN", "Content-Type", "content-typf", "Access-Control-Request-Headers"] {
        for tail in 0..40 {
            let head = format!("GET / HTTP/1.1\r\n{name}:{}\r\n\r\n", "v".repeat(tail)).into_bytes();
            assert_same(&head, 0, 100);
        }
    }
}

#[test]
fn a_plain_authority_is_what_it_says() {
    let kernel = Kernel::detect();
    let values = [
        "",
        "a",
        ":",
        ":80",
        "a:",
        "a:8",
        "a:8080",
        "a:65535",
        "a:80:80",
        "a:8x",
        "a b",
        "a/b",
        "u@h",
        "[::1]",
        "127.0.0.1:8080",
        "example.com",
        "%41",
        "a_b",
        "a,b",
        "host:/",
        "host:;",
        "host:09",
        "0123456789012345678901234567890",
        "01234567890123456789012345678901",
        "012345678901234567890123456:8080",
        "012345678901234567890123456789012",
    ];
    for value in values {
        for before in [0, 1, 31, 32, 64] {
            for after in [0, 1, 31, 40] {
                let bytes = format!("{}{value}{}", "-".repeat(before), "9".repeat(after)).into_bytes();
                let span = Span::between(before, before + value.len());
                let is_plain = kernel.is_plain_authority(&bytes, span);
                if kernel.name() == "portable" || bytes.len() < 32 {
                    assert!(!is_plain, "{value}");
                } else {
                    assert_eq!(
                        is_plain,
                        naive::is_plain_authority(value.as_bytes()),
                        "{value} {before} {after}"
                    );
                }
            }
        }
    }
}

#[test]
fn control_bytes_are_found_at_every_place() {
    for len in 0..40 {
        for at in 0..len {
            for byte in 0..=255 {
                let mut bytes = vec![b'a'; len];
                bytes[at] = byte;
                bytes[0] = bytes[0].max(b'\t');
                for from in 0..=at {
                    assert_eq!(
                        control_from(&bytes, from),
                        naive::control_from(&bytes, from),
                        "{bytes:?} {from}"
                    );
                }
            }
        }
    }
}

/// Bytes of which heads are made, and some that do not belong.
fn head_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just(b"\r\n".to_vec()),
        3 => Just(b": ".to_vec()),
        2 => Just(b"Host".to_vec()),
        2 => Just(b"content-length".to_vec()),
        1 => Just(b"GET / HTTP/1.1\r\n".to_vec()),
        3 => "[!-~]{0,40}".prop_map(String::into_bytes),
        1 => "[ -~]{0,90}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn kernels_take_what_the_naive_twin_takes(rest in head_like(), room in 0_usize..20) {
        let mut bytes = b"GET /path?query HTTP/1.1\r\n".to_vec();
        let line = bytes.len();
        bytes.extend_from_slice(&rest);
        assert_same(&bytes, 0, room);
        assert_same(&bytes, line, room);
        assert_same(&rest, 0, room);
    }

    #[test]
    fn words_find_what_bytes_find(bytes in proptest::collection::vec(any::<u8>(), 0..60), from in 0_usize..60) {
        let from = from.min(bytes.len());
        prop_assert_eq!(swar::control_from(&bytes, from), naive::control_from(&bytes, from));
        let token = (from..bytes.len()).find(|&at| !is_token_byte(bytes[at])).unwrap_or(bytes.len());
        prop_assert_eq!(token_end(&bytes, from), token);
    }
}
