//! Sets of ASCII bytes, as a table for single bytes and as nibble tables for vectors.

use crate::class::is_token_byte;

/// A set of ASCII bytes, none of them below 0x20.
pub(crate) trait Class {
    /// By low nibble: bit `h` is set if the byte with high nibble `h` belongs to the set.
    const ROWS: [u8; 16];

    /// By byte.
    const TABLE: [bool; 256];
}

/// RFC 9110 §5.6.2 `tchar`.
#[derive(Clone, Copy)]
pub(crate) struct Token;

/// What a request target is made of: visible ASCII but `#`, for a fragment never travels (RFC 9112 §3.2).
#[derive(Clone, Copy)]
pub(crate) struct TargetByte;

/// RFC 3986 §3.2.2 `reg-name` without percent-encoding, which is looked at apart.
#[derive(Clone, Copy)]
pub(crate) struct RegName;

impl Class for Token {
    const ROWS: [u8; 16] = rows(&Self::TABLE);
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte as usize] = is_token_byte(byte as u8);
            byte += 1;
        }
        table
    };
}

impl Class for TargetByte {
    const ROWS: [u8; 16] = rows(&Self::TABLE);
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0x21;
        while byte < 0x7f {
            table[byte] = byte != b'#' as usize;
            byte += 1;
        }
        table
    };
}

impl Class for RegName {
    const ROWS: [u8; 16] = rows(&Self::TABLE);
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            table[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"-._~!$&'()*+,;=";
        let mut index = 0;
        while index < others.len() {
            table[others[index] as usize] = true;
            index += 1;
        }
        table
    };
}

const fn rows(table: &[bool; 256]) -> [u8; 16] {
    let mut rows = [0; 16];
    let mut byte = 0;
    while byte < 256 {
        if table[byte] {
            assert!(byte >= 0x20 && byte < 0x80, "a class holds printable ASCII only");
            rows[byte & 15] |= 1 << (byte >> 4);
        }
        byte += 1;
    }
    rows
}
