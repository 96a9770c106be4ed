mod command;
mod convert;
mod differential;
mod hostile;
mod replies;

use corelane_storage_proto::resp::{DecodeError, Decoder, Limits, Reply};

/// Everything `pieces` hold, and the error that ended it.
fn decode(pieces: &[&[u8]], limits: Limits) -> (Vec<Reply>, Option<DecodeError>, Decoder) {
    let mut decoder = Decoder::new(limits);
    let mut replies = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error), decoder),
            }
        }
        assert!(input.is_empty(), "what is not complete is kept by the decoder");
    }
    (replies, None, decoder)
}

/// The same however the input is cut: in two at each place, and into single bytes.
fn everywhere(input: &[u8], limits: Limits) -> (Vec<Reply>, Option<DecodeError>) {
    let (replies, error, _) = decode(&[input], limits);
    for cut in 0..=input.len() {
        let (left, right) = input.split_at(cut);
        let (parts, failed, _) = decode(&[left, right], limits);
        assert_eq!(
            (&parts, &failed),
            (&replies, &error),
            "cut at {cut} of {:?}",
            input.escape_ascii().to_string()
        );
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    let (parts, failed, _) = decode(&bytes, limits);
    assert_eq!((&parts, &failed), (&replies, &error), "byte by byte");
    (replies, error)
}
