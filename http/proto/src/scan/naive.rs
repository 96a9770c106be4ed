//! The truth: one byte at a time, straight from the definitions.

use super::{BLOCK, Block, Class, FieldLine, Scan, TargetByte};
use crate::class::is_token_byte;
use crate::name::Name;

/// The kernel that tests compare the others with.
#[derive(Clone, Copy)]
pub(crate) struct Naive;

impl Scan for Naive {
    const HAS_BLOCKS: bool = true;

    fn block(self, bytes: &[u8], at: usize) -> Block {
        let bits = |wanted: fn(u8) -> bool| {
            bytes[at..].iter().take(BLOCK).rev().fold(0, |bits, &byte| bits << 1 | u64::from(wanted(byte)))
        };
        Block { lf: bits(|byte| byte == b'\n'), other: bits(|byte| !matches!(byte, b'\n' | 0x20..=0x7e)) }
    }

    fn field(self, bytes: &[u8], start: usize, lf: usize) -> Option<FieldLine> {
        let line = bytes.get(start..lf)?.strip_suffix(b"\r")?;
        let len = line.iter().position(|&byte| !is_token_byte(byte))?;
        if line[len] != b':' || !(3..=31).contains(&len) {
            return None;
        }
        let colon = start + len;
        let (value_start, value_end) = super::trimmed(bytes, colon + 1, lf - 1);
        Some(FieldLine { name: Name::from_bytes(&line[..len]), colon, value_start, value_end })
    }

    fn control_from(self, bytes: &[u8], from: usize) -> usize {
        position(bytes, from, is_control)
    }

    fn target_end(self, bytes: &[u8], at: usize) -> (usize, usize) {
        let end = self.class_end::<TargetByte>(bytes, at);
        (end, position(&bytes[..end], at, |byte| byte == b'?'))
    }

    fn class_end<C: Class>(self, bytes: &[u8], at: usize) -> usize {
        position(bytes, at, |byte| !C::TABLE[usize::from(byte)])
    }
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

fn position(bytes: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    (from..bytes.len()).find(|&at| wanted(bytes[at])).unwrap_or(bytes.len())
}
