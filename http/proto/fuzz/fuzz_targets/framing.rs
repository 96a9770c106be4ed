//! Any bytes as field lines after a request line: what is accepted is framed as a reader decides who knows only
//! the rules and takes its time.

#![no_main]

use corelane_http_proto::head::{BodyFraming, HeadLimits, RequestHead};
use libfuzzer_sys::fuzz_target;

/// Values of the fields called `name`, from lines split in the plainest way.
fn values(head: &str, name: &str) -> Vec<String> {
    head.split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_matches([' ', '\t']).to_owned())
        .collect()
}

fuzz_target!(|data: &[u8]| {
    let mut input = b"POST / HTTP/1.1\r\nHost: a\r\n".to_vec();
    input.extend_from_slice(data);
    input.extend_from_slice(b"\r\n\r\n");
    let mut head = RequestHead::new();
    let Ok(Some(len)) = head.parse(&input, &HeadLimits::default()) else { return };

    // One char for each byte, so that every head is text.
    let text: String = input[..len].iter().map(|&byte| char::from(byte)).collect();
    let lengths = values(&text, "content-length");
    let codings = values(&text, "transfer-encoding");
    match head.framing() {
        BodyFraming::None => assert!(lengths.is_empty() && codings.is_empty()),
        BodyFraming::Length(length) => {
            assert!(codings.is_empty() && !lengths.is_empty());
            for value in lengths {
                assert!(value.chars().all(|digit| digit.is_ascii_digit()));
                assert_eq!(value.parse(), Ok(length));
            }
        }
        BodyFraming::Chunked => {
            assert!(lengths.is_empty());
            assert_eq!(codings.len(), 1);
            assert!(codings[0].eq_ignore_ascii_case("chunked"));
        }
    }
    assert_eq!(values(&text, "host").len(), 1);
    assert!(!text.trim_end_matches("\r\n").replace("\r\n", "").contains(['\r', '\n', '\0']));
});
