//! Any bytes, cut anywhere: the decoder gives the same body or the same error, and never claims more than it got.

#![no_main]

use corelane_http_proto::chunked::{ChunkError, ChunkLimits, Decoder, Step};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Default, PartialEq)]
struct Seen {
    data: Vec<u8>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    end: Option<usize>,
    error: Option<ChunkError>,
}

/// Decodes `input` in pieces of at most `piece` bytes.
fn decode(input: &[u8], piece: usize, limits: ChunkLimits) -> Seen {
    let mut decoder = Decoder::new(limits);
    let mut seen = Seen::default();
    let (mut start, mut received) = (0, 0);
    loop {
        let unread = &input[start..received];
        let consumed = match decoder.decode(unread) {
            Ok(Step::NeedMore { consumed }) => {
                assert!(
                    unread.len() - consumed <= usize::from(limits.trailer_bytes_max),
                    "what is kept is bounded"
                );
                start += consumed;
                if received == input.len() {
                    return seen;
                }
                received = input.len().min(received + piece);
                continue;
            }
            Ok(Step::Data { skip, len }) => {
                assert_ne!(len, 0);
                seen.data.extend_from_slice(&unread[skip..skip + len]);
                skip + len
            }
            Ok(Step::Trailer { consumed, name, value }) => {
                seen.trailers.push((unread[name].to_vec(), unread[value].to_vec()));
                consumed
            }
            Ok(Step::End { consumed }) => {
                assert!(consumed <= unread.len());
                seen.end = Some(start + consumed);
                return seen;
            }
            Err(error) => {
                seen.error = Some(error);
                return seen;
            }
        };
        assert!(0 < consumed && consumed <= unread.len(), "each event makes progress");
        start += consumed;
    }
}

// The first byte says how the rest is cut.
fuzz_target!(|bytes: &[u8]| {
    let Some((&piece, input)) = bytes.split_first() else {
        return;
    };
    let small = ChunkLimits { size_line_bytes_max: 24, trailer_bytes_max: 48, overhead_bytes_max: 64 };
    for limits in [ChunkLimits::default(), small] {
        let whole = decode(input, input.len().max(1), limits);
        assert_eq!(decode(input, usize::from(piece).max(1), limits), whole);
        assert_eq!(decode(input, 1, limits), whole);
    }
});
