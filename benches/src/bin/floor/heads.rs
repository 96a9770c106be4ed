//! Counts request heads by the blank line that ends them.

use memchr::memmem;

const END: &[u8] = b"\r\n\r\n";

/// Shortest head that makes sense: `GET / HTTP/1.1` and the blank line.
pub(crate) const HEAD_BYTES_MIN: usize = 18;

/// How much of [`END`] each connection's last receive ended with, by descriptor.
#[derive(Default)]
pub(crate) struct Heads {
    matched: Vec<u8>,
}

impl Heads {
    /// Starts afresh for a new connection.
    pub(crate) fn forget(&mut self, fd: i32) {
        let index = usize::try_from(fd).expect("descriptors are not negative");
        if index >= self.matched.len() {
            self.matched.resize(index + 1, 0);
        }
        self.matched[index] = 0;
    }

    /// How many heads end in `bytes`, the next bytes of the connection.
    pub(crate) fn count(&mut self, fd: i32, bytes: &[u8]) -> usize {
        count(&mut self.matched[usize::try_from(fd).expect("descriptors are not negative")], bytes)
    }
}

fn count(matched: &mut u8, bytes: &[u8]) -> usize {
    let mut heads = 0;
    let mut rest = bytes;
    // Only after a head was cut: byte by byte until the cut is behind us.
    while *matched > 0 {
        let Some((byte, after)) = rest.split_first() else { return heads };
        heads += usize::from(step(matched, *byte));
        rest = after;
    }
    while let Some(at) = memmem::find(rest, END) {
        heads += 1;
        rest = &rest[at + END.len()..];
    }
    for byte in &rest[rest.len().saturating_sub(END.len() - 1)..] {
        step(matched, *byte);
    }
    heads
}

/// Moves on by one byte; true if it completes [`END`].
fn step(matched: &mut u8, byte: u8) -> bool {
    *matched = match (*matched, byte) {
        (0 | 2, b'\r') | (1, b'\n') => *matched + 1,
        (3, b'\n') => {
            *matched = 0;
            return true;
        }
        (_, b'\r') => 1,
        _ => 0,
    };
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_same_wherever_the_bytes_are_cut() {
        for (why, bytes, want) in [
            ("one head", &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], 1),
            ("three in a row", b"a\r\n\r\nb\r\n\r\nc\r\n\r\n", 3),
            ("two blank lines are two ends only with four bytes each", b"a\r\n\r\n\r\n\r\n", 2),
            ("a stray CR restarts the match", b"a\r\r\n\r\nb", 1),
            ("bare LF ends nothing", b"a\n\nb\r\n", 0),
            ("an end cut off", b"a\r\n\r", 0),
        ] {
            for cut in 0..=bytes.len() {
                let mut matched = 0;
                let (first, second) = bytes.split_at(cut);
                let got = count(&mut matched, first) + count(&mut matched, second);
                assert_eq!(got, want, "{why}, cut at {cut}");
            }
        }
    }
}
