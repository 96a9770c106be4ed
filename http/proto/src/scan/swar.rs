//! Eight bytes in a word: for machines without AVX2, and for what is left over at the end of the input.

use super::{BLOCK, Block, Class, FieldLine, Scan, TargetByte};
use crate::class::is_text_byte;

/// The portable kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swar;

impl Scan for Swar {
    const HAS_BLOCKS: bool = false;

    fn block(self, bytes: &[u8], at: usize) -> Block {
        let mut block = Block { lf: 0, other: 0 };
        for (index, &byte) in bytes[at..].iter().take(BLOCK).enumerate() {
            block.lf |= u64::from(byte == b'\n') << index;
            block.other |= u64::from(!matches!(byte, b'\n' | 0x20..=0x7e)) << index;
        }
        block
    }

    fn field(self, _: &[u8], _: usize, _: usize) -> Option<FieldLine> {
        None
    }

    #[inline(always)]
    fn control_from(self, bytes: &[u8], from: usize) -> usize {
        let mut at = from;
        while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let found = control_bytes(u64::from_le_bytes(*word));
            if found != 0 {
                return at + (found.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        while at < bytes.len() && is_text_byte(bytes[at]) {
            at += 1;
        }
        at
    }

    #[inline(always)]
    fn target_end(self, bytes: &[u8], at: usize) -> (usize, usize) {
        let mut query = None;
        let mut end = at;
        while end < bytes.len() && TargetByte::TABLE[usize::from(bytes[end])] {
            if bytes[end] == b'?' && query.is_none() {
                query = Some(end);
            }
            end += 1;
        }
        (end, query.unwrap_or(end))
    }

    #[inline(always)]
    fn class_end<C: Class>(self, bytes: &[u8], at: usize) -> usize {
        // One table load and one test a byte; names and hosts are short.
        let mut end = at;
        while end < bytes.len() && C::TABLE[usize::from(bytes[end])] {
            end += 1;
        }
        end
    }
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// The high bit of each byte that is a control byte other than tab.
///
/// Every step stays within its byte (no carry leaves one), so that all bits are exact, not only the lowest.
#[inline(always)]
fn control_bytes(word: u64) -> u64 {
    let low = word & !HIGH;
    let at_least_space = (low + ONES * 0x60) | word;
    let not_tab = ((low ^ (ONES * 0x09)) + ONES * 0x7f) | word;
    let not_delete = ((low ^ (ONES * 0x7f)) + ONES * 0x7f) | word;
    ((!at_least_space & not_tab) | !not_delete) & HIGH
}
