//! Any bytes, cut anywhere: the parser gives the same parts or the same error, and never claims more than it got.

#![no_main]

use corelane_http_proto::multipart::{Boundary, Event, Limits, MultipartError, Parser};
use libfuzzer_sys::fuzz_target;

type Parts = Vec<(String, Option<String>, Vec<u8>)>;

/// Parses `input` in pieces of at most `piece` bytes.
fn parse(input: &[u8], piece: usize, limits: Limits) -> Result<Parts, MultipartError> {
    let boundary = Boundary::new("XX").expect("a valid boundary");
    let mut parser = Parser::new(&boundary, limits);
    let mut parts = Parts::new();
    for piece in input.chunks(piece) {
        let mut at = 0;
        while at < piece.len() {
            let step = parser.handle_input(&piece[at..])?;
            assert!(step.consumed <= piece.len() - at);
            match step.event {
                Event::Part(head) => {
                    parts.push((head.name().to_owned(), head.file_name().map(str::to_owned), Vec::new()));
                }
                Event::Data(range) => {
                    parts.last_mut().expect("data is in a part").2.extend_from_slice(&piece[at..][range]);
                }
                Event::Held(bytes) => {
                    parts.last_mut().expect("data is in a part").2.extend_from_slice(bytes);
                }
                Event::PartEnd => assert!(!parts.is_empty()),
                Event::NeedMore => assert_eq!(at + step.consumed, piece.len()),
            }
            at += step.consumed;
        }
    }
    parser.handle_end()?;
    Ok(parts)
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else { return };
    let small = Limits {
        parts_max: 4,
        head_bytes_max: 128,
        head_fields_max: 3,
        field_bytes_max: 32,
        fields_bytes_max: 64,
        file_bytes_max: 48,
    };
    for limits in [Limits::default(), small] {
        let whole = parse(input, input.len().max(1), limits);
        assert_eq!(parse(input, usize::from(piece).max(1), limits), whole);
        assert_eq!(parse(input, 1, limits), whole);
        if let Ok(parts) = &whole {
            assert!(parts.len() <= limits.parts_max as usize);
        }
    }
    let _ = Boundary::from_content_type(input);
});
