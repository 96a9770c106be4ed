//! The ends of lines, block by block.

/// Bytes in one block.
pub(super) const BLOCK: usize = 64;

/// Where lines may end in a block. Bit `i` is the byte `i` after the block's start; bits past the end of the
/// input are clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// LF.
    pub(super) lf: u64,
    /// Bytes that are neither LF nor from 0x20 to 0x7e: CR, and what a kernel leaves to the careful reader.
    pub(super) other: u64,
}

/// Positions of LFs in order, as far as no byte is out of place: each has one byte before it that is not
/// printable, and between that and the LF before all bytes are from 0x20 to 0x7e.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineEnds {
    /// Start of the block that `lf` is about.
    base: usize,
    /// Line ends of the block that were not handed out yet.
    lf: u64,
    /// 1 if the last byte of the block asks for an LF after it.
    carry: u64,
    /// Blocks from here on are not looked at. Invariant: at most the length of the bytes.
    limit: usize,
}

impl LineEnds {
    /// Line ends of `bytes` from the line start `line` on.
    #[inline(always)]
    pub(super) fn new(bytes: &[u8], line: usize) -> Self {
        Self { base: line.wrapping_sub(BLOCK), lf: 0, carry: 0, limit: bytes.len() }
    }

    /// The next LF. `block` looks at the block that starts at a position within the bytes.
    #[inline(always)]
    pub(super) fn next(&mut self, block: impl Fn(usize) -> Block) -> Option<usize> {
        while self.lf == 0 {
            let base = self.base.wrapping_add(BLOCK);
            if base >= self.limit {
                return None;
            }
            let Block { lf, other } = block(base);
            // Each LF right after another unprintable byte, and each of those right before an LF.
            let wrong = lf ^ (other << 1 | self.carry);
            // Line ends below the lowest wrong bit; all of them if none is wrong.
            self.lf = lf & wrong.wrapping_sub(1) & !wrong;
            self.base = base;
            self.carry = other >> (BLOCK - 1);
            if wrong != 0 {
                self.limit = 0;
            }
        }
        let lf = self.base + self.lf.trailing_zeros() as usize;
        self.lf &= self.lf - 1;
        Some(lf)
    }
}
