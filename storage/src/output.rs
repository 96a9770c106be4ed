//! Bytes on their way out.

use corelane_runtime::buf::{Chunk, Chunks, LEASE_MEDIUM, Lease};

/// Commands or statements as bytes, in buffers from the core's pool: what one turn of the core issues leaves in one write.
#[derive(Debug, Default)]
pub(crate) struct Output {
    full: Chunks,
    tail: Option<Lease>,
    /// Bytes in both.
    bytes: usize,
    /// Bytes with the writer, who has not said yet that the kernel has them.
    sending: usize,
}

impl Output {
    /// Appends a piece.
    #[inline]
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes += piece.len();
        if let Some(tail) = &mut self.tail
            && tail.extend_from_slice(piece).is_ok()
        {
            return;
        }
        self.push_slow(piece);
    }

    fn push_slow(&mut self, mut piece: &[u8]) {
        if let Some(mut tail) = self.tail.take() {
            let (now, rest) = piece.split_at(tail.spare_len().min(piece.len()));
            // It fits: it was cut to the room there is.
            let _fits = tail.extend_from_slice(now);
            piece = rest;
            self.full.push(Chunk::Lease(tail));
        }
        if piece.len() <= LEASE_MEDIUM
            && let Ok(mut lease) = Lease::take(LEASE_MEDIUM)
            && lease.extend_from_slice(piece).is_ok()
        {
            self.tail = Some(lease);
        } else if !piece.is_empty() {
            // Larger than a lease, or the pool is at its bound: then memory of its own, which `queued_bytes_max` bounds.
            self.full.push(Chunk::Vec(piece.to_vec()));
        }
    }

    /// Bytes that the kernel does not have yet.
    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.bytes + self.sending
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Hands all bytes to the writer.
    pub(crate) fn take(&mut self) -> Chunks {
        let mut chunks = std::mem::take(&mut self.full);
        chunks.extend(self.tail.take().map(Chunk::Lease));
        self.sending += std::mem::take(&mut self.bytes);
        chunks
    }

    /// The writer is done.
    pub(crate) fn sent(&mut self) {
        self.sending = 0;
    }

    /// Throws all away: the connection they were for is gone.
    pub(crate) fn clear(&mut self) {
        *self = Output::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_come_out_in_order() {
        let mut output = Output::default();
        let mut want = Vec::new();
        for (n, size) in [1, 10, LEASE_MEDIUM - 5, 1, LEASE_MEDIUM, LEASE_MEDIUM + 1, 0, 100_000, 3]
            .into_iter()
            .enumerate()
        {
            let piece = vec![b'a' + u8::try_from(n).unwrap(); size];
            output.push(&piece);
            want.extend(piece);
            assert_eq!(output.queued(), want.len());
        }
        let got: Vec<u8> = output.take().iter().flat_map(|chunk| chunk.to_vec()).collect();
        assert_eq!(got, want);
        assert!(output.is_empty());
        assert_eq!(output.queued(), want.len(), "with the writer");
        output.sent();
        assert_eq!(output.queued(), 0);
    }
}
