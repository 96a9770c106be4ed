//! `bit` and `varbit`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use bytes::{BufMut, BytesMut};
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use super::BoxError;

/// A string of bits.
///
/// ```
/// use corelane_storage::postgres::types::Bits;
///
/// let bits: Bits = "10110".parse()?;
/// assert_eq!((bits.len(), bits.get(0), bits.get(1)), (5, Some(true), Some(false)));
/// assert_eq!(bits.to_string(), "10110");
/// # Ok::<(), corelane_storage::postgres::types::BitsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Bits {
    len: usize,
    /// The first bit is the highest of the first byte. Invariant: `len.div_ceil(8)` bytes, and the bits behind the last are zero.
    bytes: Vec<u8>,
}

impl Bits {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One of them, counted from zero, from the left.
    pub fn get(&self, index: usize) -> Option<bool> {
        (index < self.len).then(|| self.bytes[index / 8] & (0x80 >> (index % 8)) != 0)
    }

    /// All of them, from the left.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).filter_map(|index| self.get(index))
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Bits {
        let mut made = Bits::default();
        for bit in bits {
            if made.len % 8 == 0 {
                made.bytes.push(0);
            }
            if bit {
                made.bytes[made.len / 8] |= 0x80 >> (made.len % 8);
            }
            made.len += 1;
        }
        made
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.iter().map(|bit| if bit { '1' } else { '0' }).collect();
        f.pad(&text)
    }
}

/// A text that holds other than zeros and ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitsError(());

impl fmt::Display for BitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bits are written as zeros and ones")
    }
}

impl Error for BitsError {}

impl FromStr for Bits {
    type Err = BitsError;

    fn from_str(text: &str) -> Result<Bits, BitsError> {
        text.bytes()
            .map(|byte| match byte {
                b'0' => Ok(false),
                b'1' => Ok(true),
                _ => Err(BitsError(())),
            })
            .collect()
    }
}

impl<'a> FromSql<'a> for Bits {
    fn from_sql(_type: &Type, raw: &'a [u8]) -> Result<Bits, BoxError> {
        let malformed = "a string of bits is malformed";
        let (len, bytes) = raw.split_first_chunk::<4>().ok_or(malformed)?;
        let len = usize::try_from(i32::from_be_bytes(*len))?;
        if bytes.len() != len.div_ceil(8) {
            return Err(malformed.into());
        }
        let mut bytes = bytes.to_vec();
        if let Some(last) = bytes.last_mut().filter(|_| len % 8 != 0) {
            *last &= !(0xff >> (len % 8));
        }
        Ok(Bits { len, bytes })
    }

    accepts!(BIT, VARBIT);
}

impl ToSql for Bits {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        out.put_i32(i32::try_from(self.len)?);
        out.put_slice(&self.bytes);
        Ok(IsNull::No)
    }

    accepts!(BIT, VARBIT);
    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_do_not_fit_are_errors() {
        for (why, bytes) in [
            ("no length", &b"\0\0\0"[..]),
            ("a byte too few", b"\0\0\0\x09\xff"),
            ("a byte too many", b"\0\0\0\x08\xff\xff"),
            ("below zero", b"\xff\xff\xff\xff"),
        ] {
            assert!(Bits::from_sql(&Type::VARBIT, bytes).is_err(), "{why}");
        }
        let cut = Bits::from_sql(&Type::VARBIT, b"\0\0\0\x03\xff").unwrap();
        assert_eq!(cut, "111".parse().unwrap(), "bits behind the last do not count");
        assert!("012".parse::<Bits>().is_err());
    }
}
