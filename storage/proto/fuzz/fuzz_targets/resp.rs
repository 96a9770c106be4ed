//! Any bytes, cut anywhere: the same replies and then an error or none, and redis-protocol reads the same where it reads at all.

#![no_main]

use corelane_storage_proto::resp::{DecodeError, Decoder, Limits, Reply};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { reply_bytes_max: 4096, elements_max: 512, depth_max: 8, line_bytes_max: 256 };

/// Decodes `input` in pieces of `piece` bytes.
fn decode(input: &[u8], piece: usize) -> (Vec<Reply>, Option<DecodeError>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut replies = Vec::new();
    for mut rest in input.chunks(piece) {
        loop {
            let before = rest.len();
            match decoder.decode(&mut rest) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            }
            assert!(rest.len() < before, "a reply of no bytes");
        }
        assert!(rest.is_empty(), "what is incomplete is kept");
    }
    (replies, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece, input)) = input.split_first() else { return };
    let (whole, error) = decode(input, input.len().max(1));
    let (parts, cut_error) = decode(input, usize::from(piece).max(1));
    // By text, because a NaN is not equal to itself.
    assert_eq!(format!("{whole:?}"), format!("{parts:?}"));
    // Which error is open: a line that is too long and ends wrongly is found out by the fault that comes into sight first.
    assert_eq!(error.is_some(), cut_error.is_some(), "{error:?}, in pieces {cut_error:?}");
    if let (Some(Reply::Value(_)), Ok(None)) = (whole.first(), theirs(input)) {
        panic!("we read a reply where they wait for more");
    }
});

/// Whether redis-protocol finds a reply at the front.
fn theirs(input: &[u8]) -> Result<Option<usize>, ()> {
    // Theirs recurses without a limit.
    if input.iter().filter(|byte| b"*~%|>".contains(byte)).count() > 64 {
        return Err(());
    }
    match redis_protocol::resp3::decode::complete::decode(input) {
        Ok(found) => Ok(found.map(|(_, used)| used)),
        Err(_) => Err(()),
    }
}
