//! Classes of bytes that more than one encoder or decoder asks about.
//!
//! The functions are `const`, so that constants of the application are checked when it is compiled,
//! and look at each byte without leaving early where that lets the compiler use vectors.

/// RFC 9110 §5.6.2: `token`, at least one of the characters below.
#[inline]
pub(crate) const fn is_token(bytes: &[u8]) -> bool {
    let mut index = 0;
    while index < bytes.len() {
        if !is_token_byte(bytes[index]) {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty()
}

/// RFC 9110 §5.6.2: `tchar`.
#[inline]
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// RFC 9110 §5.5: no control byte but the tab. Bytes from 0x80 on are obsolete but legal text.
#[inline]
pub(crate) const fn is_field_value(bytes: &[u8]) -> bool {
    let mut bad = false;
    let mut index = 0;
    while index < bytes.len() {
        bad |= !is_text_byte(bytes[index]);
        index += 1;
    }
    !bad
}

/// One byte of a field value: visible, space, tab, or obsolete text.
#[inline]
pub(crate) const fn is_text_byte(byte: u8) -> bool {
    (byte >= b' ' || byte == b'\t') & (byte != 0x7f)
}

/// One byte of a request target that is accepted: visible ASCII but `#`, for a fragment never travels (RFC 9112 §3.2).
///
/// RFC 3986 has fewer; browsers send `|`, `{`, `"` and others raw in queries.
#[inline]
pub(crate) const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

/// RFC 3986 §3.2.2: one byte of a `reg-name` other than a percent-encoded one.
#[inline]
pub(crate) const fn is_reg_name_byte(byte: u8) -> bool {
    REG_NAME[byte as usize]
}

/// Visible US-ASCII only: what a request target is made of (RFC 9112 §3.2).
#[inline]
pub(crate) const fn is_visible(bytes: &[u8]) -> bool {
    let mut bad = false;
    let mut index = 0;
    while index < bytes.len() {
        bad |= !bytes[index].is_ascii_graphic();
        index += 1;
    }
    !bad
}

static TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

static REG_NAME: [bool; 256] = alphanumeric_and(b"-._~!$&'()*+,;=");

const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}
