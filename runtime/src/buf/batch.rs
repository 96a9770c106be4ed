//! Several chunks on their way out, and the vectors the kernel reads.

use super::block::LocalBox;
use super::{Chunk, Chunks};

/// Vectors in one call at most; longer lists are sent in several. As many as fill the block of 512
/// bytes that a batch then takes.
const VECTORS: usize = 15;

/// Chunks that are being sent. One pointer, so that the futures it passes through stay small; the
/// block it points to is recycled per core.
///
/// The vectors live in the block because the kernel reads them when an operation is submitted,
/// which is later than the last move of whatever owns the operation.
pub(crate) struct Batch(LocalBox<Inner>);

struct Inner {
    chunks: Chunks,
    /// The first chunk that is not wholly sent.
    first: usize,
    /// Bytes of it that are sent.
    from: usize,
    /// Bytes left in all.
    left: usize,
    used: usize,
    vectors: [libc::iovec; VECTORS],
}

impl Batch {
    pub(crate) fn new(chunks: Chunks) -> Batch {
        let left = chunks.iter().map(|chunk| chunk.len()).sum();
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let inner = Inner { chunks, first: 0, from: 0, left, used: 0, vectors: [empty; VECTORS] };
        let mut batch = Batch(LocalBox::new(inner));
        batch.fill();
        batch
    }

    /// Bytes that are not sent yet.
    pub(crate) fn left(&self) -> usize {
        self.0.left
    }

    /// Counts `n` bytes as sent.
    pub(crate) fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.0.left, "more sent than there was");
        self.0.left -= n;
        self.0.from += n;
        self.fill();
    }

    /// The bytes at the front, in one piece; empty only if nothing is left.
    pub(crate) fn front(&self) -> &[u8] {
        self.0.chunks.get(self.0.first).map_or(&[], |chunk| &chunk[self.0.from..])
    }

    /// The vectors: where they are, and how many. They hold until the batch is advanced or dropped.
    pub(crate) fn vectors(&self) -> (*const libc::iovec, usize) {
        (self.0.vectors.as_ptr(), self.0.used)
    }

    /// Bytes behind the vectors: less than [`left`](Self::left) for a long list.
    pub(crate) fn covered(&self) -> usize {
        self.0.vectors[..self.0.used].iter().map(|vector| vector.iov_len).sum()
    }

    /// Passes over what is sent, and points the vectors at what is not.
    fn fill(&mut self) {
        let inner = &mut *self.0;
        while let Some(chunk) = inner.chunks.get(inner.first)
            && inner.from >= chunk.len()
        {
            inner.from -= chunk.len();
            inner.first += 1;
        }
        inner.used = 0;
        let mut skip = inner.from;
        let rest: &[Chunk] = inner.chunks.get(inner.first..).unwrap_or(&[]);
        for (chunk, vector) in rest.iter().filter(|chunk| !chunk.is_empty()).zip(&mut inner.vectors) {
            let bytes = &chunk[std::mem::take(&mut skip)..];
            *vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            inner.used += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the vectors say, read back.
    fn read(batch: &Batch) -> Vec<u8> {
        let (vectors, used) = batch.vectors();
        let mut all = Vec::new();
        for index in 0..used {
            // SAFETY: `vectors` points to `used` vectors over bytes that the batch's chunks own.
            unsafe {
                let vector = *vectors.add(index);
                all.extend_from_slice(std::slice::from_raw_parts(vector.iov_base.cast(), vector.iov_len));
            }
        }
        all
    }

    #[test]
    fn advancing_anywhere_leaves_the_rest() {
        for (why, parts) in [
            ("nothing", &[][..]),
            ("only empty ones", &["", ""][..]),
            ("empty ones around", &["", "abc", "", "", "de", ""][..]),
            ("one", &["abcdefgh"][..]),
        ] {
            let whole = parts.concat();
            for first in 0..=whole.len() {
                for second in 0..=whole.len() - first {
                    let mut batch = Batch::new(parts.iter().map(|&part| Chunk::from(part)).collect());
                    batch.advance(first);
                    batch.advance(second);
                    assert_eq!(read(&batch), whole.as_bytes()[first + second..], "{why}");
                    assert_eq!(batch.left(), whole.len() - first - second, "{why}");
                    assert_eq!(batch.front().is_empty(), batch.left() == 0, "{why}");
                }
            }
        }
    }

    #[test]
    fn a_long_list_is_sent_in_several_calls() {
        let mut batch = Batch::new((0..40u8).map(|n| Chunk::from(vec![n; 3])).collect());
        let mut all = Vec::new();
        while batch.left() > 0 {
            let now = read(&batch);
            assert_eq!(batch.covered(), now.len());
            assert!(!now.is_empty() && now.len() <= VECTORS * 3);
            batch.advance(now.len());
            all.extend(now);
        }
        assert_eq!(all, (0..40u8).flat_map(|n| [n; 3]).collect::<Vec<_>>());
    }
}
