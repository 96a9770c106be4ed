//! Numbers in lines.

use super::error::DecodeError;

/// An integer as RESP has it: an optional sign, then digits.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    // Down from zero, because there is one more negative number than positive ones.
    let mut value: i64 = 0;
    for byte in digits {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(digit)?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// A length: digits only. More than a `usize` holds is as good as the largest.
#[inline]
pub(super) fn length(text: &[u8]) -> Result<usize, DecodeError> {
    if text.is_empty() {
        return Err(DecodeError::LengthInvalid);
    }
    if text == b"?" {
        return Err(DecodeError::Streamed);
    }
    let mut value: usize = 0;
    for byte in text {
        let digit = usize::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return Err(DecodeError::LengthInvalid);
        }
        value = value.saturating_mul(10).saturating_add(digit);
    }
    Ok(value)
}

/// A floating-point number: Rust reads what the specification allows, and more, which is refused.
pub(super) fn double(text: &[u8]) -> Option<f64> {
    match text {
        b"inf" | b"+inf" => return Some(f64::INFINITY),
        b"-inf" => return Some(f64::NEG_INFINITY),
        b"nan" | b"-nan" => return Some(f64::NAN),
        _ => {}
    }
    if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// True for a sign and digits, of whatever length.
pub(super) fn is_big_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_what_64_bits_hold() {
        for (why, text, want) in [
            ("zero", "0", Some(0)),
            ("largest", "9223372036854775807", Some(i64::MAX)),
            ("smallest", "-9223372036854775808", Some(i64::MIN)),
            ("one too large", "9223372036854775808", None),
            ("one too small", "-9223372036854775809", None),
            ("plus", "+5", Some(5)),
            ("nothing", "", None),
            ("only a sign", "-", None),
            ("two signs", "--1", None),
            ("space", " 1", None),
            ("letter", "1a", None),
        ] {
            assert_eq!(integer(text.as_bytes()), want, "{why}");
        }
    }

    #[test]
    fn lengths_have_no_sign() {
        for (why, text, want) in [
            ("zero", "0", Ok(0)),
            ("leading zeros", "007", Ok(7)),
            ("minus", "-1", Err(DecodeError::LengthInvalid)),
            ("plus", "+1", Err(DecodeError::LengthInvalid)),
            ("nothing", "", Err(DecodeError::LengthInvalid)),
            ("streamed", "?", Err(DecodeError::Streamed)),
            ("beyond any memory", "99999999999999999999999", Ok(usize::MAX)),
        ] {
            assert_eq!(length(text.as_bytes()), want, "{why}");
        }
    }

    #[test]
    fn doubles_are_those_of_the_specification() {
        for (text, want) in [
            ("1.5", Some(1.5)),
            ("10", Some(10.0)),
            ("-1e-3", Some(-0.001)),
            ("inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("infinity", None),
            ("0x10", None),
            ("1_000", None),
            ("", None),
        ] {
            assert_eq!(double(text.as_bytes()), want, "{text}");
        }
        assert!(double(b"nan").is_some_and(f64::is_nan));
    }
}
