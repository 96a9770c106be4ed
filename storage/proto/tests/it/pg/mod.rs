mod differential;
mod hostile;
mod messages;

use corelane_storage_proto::pg::{DecodeError, Decoder, Limits};

/// A message as a server sends it.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Everything `pieces` hold, as text, and the error that ended it.
fn decode(pieces: &[&[u8]], limits: Limits) -> (Vec<String>, Option<DecodeError>) {
    let mut decoder = Decoder::new(limits);
    let mut messages = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            let before = input.len();
            match decoder.decode(&mut input) {
                Ok(Some(message)) => messages.push(format!("{message:?}")),
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(decoder.decode(&mut input), Err(DecodeError::Poisoned)), "for good");
                    return (messages, Some(error));
                }
            }
            assert!(input.len() < before || before == 0, "a message of no bytes");
        }
        assert!(input.is_empty(), "what is not complete is kept by the decoder");
    }
    (messages, None)
}

/// The same however the input is cut: in two at each place, and into single bytes.
fn everywhere(input: &[u8], limits: Limits) -> (Vec<String>, Option<DecodeError>) {
    let whole = decode(&[input], limits);
    for cut in 0..=input.len() {
        let (left, right) = input.split_at(cut);
        assert_eq!(decode(&[left, right], limits), whole, "cut at {cut} of {}", input.escape_ascii());
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(&bytes, limits), whole, "byte by byte");
    whole
}
