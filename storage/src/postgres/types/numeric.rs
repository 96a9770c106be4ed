//! `numeric`, exactly.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use bytes::{BufMut, BytesMut};
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use super::BoxError;

/// Decimal digits in one of PostgreSQL's.
const GROUP: usize = 4;
const BASE: u16 = 10_000;

/// Digits before and after the point that PostgreSQL allows
/// ([Numeric Types](https://www.postgresql.org/docs/17/datatype-numeric.html)).
const BEFORE_MAX: i64 = 131_072;
const AFTER_MAX: i64 = 16_383;

/// A `numeric`: a decimal number of any size, exact; or not a number, or infinite.
///
/// It is compared by its value, as PostgreSQL does: `1.0` equals `1.00`, and `NaN` equals itself and is above all else. It has no
/// arithmetic: a program that needs some makes what it needs of it by its digits, or through [`to_f64`](Self::to_f64).
///
/// ```
/// use corelane_storage::postgres::types::Numeric;
///
/// let price: Numeric = "19.90".parse()?;
/// assert_eq!(price.to_string(), "19.90");
/// assert_eq!(price, "19.9".parse()?);
/// assert!(price < Numeric::from(20));
/// assert_eq!(Numeric::from(-3).to_i64(), Some(-3));
/// assert_eq!(price.to_i64(), None);
/// # Ok::<(), corelane_storage::postgres::types::NumericError>(())
/// ```
#[derive(Clone)]
pub struct Numeric(Value);

#[derive(Clone)]
enum Value {
    Finite(Finite),
    NaN,
    Infinity,
    NegativeInfinity,
}

/// The sum of `groups[i] * 10000^(weight - i)`. Invariant: each group is below 10000, the first and the last are not zero, and without any
/// the weight is zero and it is not negative.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Finite {
    is_negative: bool,
    weight: i32,
    groups: Vec<u16>,
    /// Digits after the point that are shown.
    scale: Scale,
}

/// Of no weight in comparisons.
#[derive(Clone, Copy)]
struct Scale(u16);

impl PartialEq for Scale {
    fn eq(&self, _other: &Scale) -> bool {
        true
    }
}

impl Eq for Scale {}

impl Hash for Scale {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl Finite {
    fn new(is_negative: bool, mut weight: i32, mut groups: Vec<u16>, scale: u16) -> Finite {
        let zeros = groups.iter().take_while(|group| **group == 0).count();
        groups.drain(..zeros);
        weight -= i32::try_from(zeros).unwrap_or(i32::MAX);
        while groups.last() == Some(&0) {
            groups.pop();
        }
        if groups.is_empty() {
            weight = 0;
        }
        Finite { is_negative: is_negative && !groups.is_empty(), weight, groups, scale: Scale(scale) }
    }

    /// The group with this weight.
    fn group(&self, weight: i32) -> u16 {
        let at = usize::try_from(i64::from(self.weight) - i64::from(weight));
        at.ok().and_then(|at| self.groups.get(at)).copied().unwrap_or(0)
    }

    fn compare_sizes(&self, other: &Finite) -> Ordering {
        match (self.groups.is_empty(), other.groups.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.weight.cmp(&other.weight).then_with(|| self.groups.cmp(&other.groups)),
        }
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Finite) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_sizes(other),
            (true, true) => other.compare_sizes(self),
        }
    }
}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Finite) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Numeric {
    /// Not a number.
    pub const NAN: Numeric = Numeric(Value::NaN);
    /// Above all numbers. From PostgreSQL 14 on.
    pub const INFINITY: Numeric = Numeric(Value::Infinity);
    /// Below all numbers. From PostgreSQL 14 on.
    pub const NEGATIVE_INFINITY: Numeric = Numeric(Value::NegativeInfinity);

    /// True if it is not a number.
    pub fn is_nan(&self) -> bool {
        matches!(self.0, Value::NaN)
    }

    /// True if it is neither infinite nor not a number.
    pub fn is_finite(&self) -> bool {
        matches!(self.0, Value::Finite(_))
    }

    /// How many digits after the point are shown; zero if it is not finite.
    pub fn scale(&self) -> u16 {
        match &self.0 {
            Value::Finite(finite) => finite.scale.0,
            _ => 0,
        }
    }

    /// The whole number that it is, if it is one that fits.
    pub fn to_i64(&self) -> Option<i64> {
        i64::try_from(self.to_i128()?).ok()
    }

    /// The whole number that it is, if it is one that fits.
    pub fn to_i128(&self) -> Option<i128> {
        let Value::Finite(finite) = &self.0 else { return None };
        let groups = i32::try_from(finite.groups.len()).ok()?;
        if groups > finite.weight.checked_add(1)? && groups > 0 {
            return None;
        }
        let mut sum = 0i128;
        for weight in (0..=finite.weight).rev().take(11) {
            // Built from its own side of zero: the least of all has no counterpart.
            let group = i128::from(finite.group(weight));
            sum = sum.checked_mul(BASE.into())?;
            sum = if finite.is_negative { sum.checked_sub(group)? } else { sum.checked_add(group)? };
        }
        (finite.weight <= 10).then_some(sum)
    }

    /// The nearest `f64`; infinite if it is too large.
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            Value::NaN => f64::NAN,
            Value::Infinity => f64::INFINITY,
            Value::NegativeInfinity => f64::NEG_INFINITY,
            Value::Finite(_) => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    fn rank(&self) -> u8 {
        match self.0 {
            Value::NegativeInfinity => 0,
            Value::Finite(_) => 1,
            Value::Infinity => 2,
            Value::NaN => 3,
        }
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Numeric) -> Ordering {
        match (&self.0, &other.0) {
            (Value::Finite(one), Value::Finite(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Numeric) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Numeric) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric {}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        if let Value::Finite(finite) = &self.0 {
            finite.hash(state);
        }
    }
}

macro_rules! from_whole {
    ($($whole:ty),+) => {$(
        impl From<$whole> for Numeric {
            fn from(number: $whole) -> Numeric {
                Numeric::from(i128::from(number))
            }
        }
    )+};
}

from_whole!(i8, i16, i32, i64, u8, u16, u32, u64);

impl From<i128> for Numeric {
    fn from(number: i128) -> Numeric {
        let mut rest = number.unsigned_abs();
        let mut groups = Vec::new();
        while rest > 0 {
            groups.push(u16::try_from(rest % u128::from(BASE)).unwrap_or(0));
            rest /= u128::from(BASE);
        }
        groups.reverse();
        let weight = i32::try_from(groups.len()).unwrap_or(0) - 1;
        Numeric(Value::Finite(Finite::new(number < 0, weight, groups, 0)))
    }
}

impl fmt::Display for Numeric {
    /// As PostgreSQL writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finite = match &self.0 {
            Value::NaN => return f.pad("NaN"),
            Value::Infinity => return f.pad("Infinity"),
            Value::NegativeInfinity => return f.pad("-Infinity"),
            Value::Finite(finite) => finite,
        };
        let mut text = String::new();
        if finite.weight < 0 || finite.groups.is_empty() {
            text.push('0');
        } else {
            text.push_str(&finite.group(finite.weight).to_string());
            for weight in (0..finite.weight).rev() {
                text.push_str(&format!("{:04}", finite.group(weight)));
            }
        }
        let scale = usize::from(finite.scale.0);
        if scale > 0 {
            text.push('.');
            let end = text.len() + scale;
            let mut weight = -1;
            while text.len() < end {
                text.push_str(&format!("{:04}", finite.group(weight)));
                weight -= 1;
            }
            text.truncate(end);
        }
        f.pad_integral(!finite.is_negative, "", &text)
    }
}

impl fmt::Debug for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Numeric({self})")
    }
}

/// A text that is no `numeric`, or one of more digits than PostgreSQL takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumericError {
    is_too_large: bool,
}

impl fmt::Display for NumericError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_too_large {
            "the number has more than 131072 digits before the point or 16383 after it"
        } else {
            "the text is no number, nor NaN, Infinity or -Infinity"
        })
    }
}

impl Error for NumericError {}

impl FromStr for Numeric {
    type Err = NumericError;

    /// Digits with a sign, a point and an exponent, each if need be; `NaN`; `Infinity` or `inf`, with a sign if need be. As PostgreSQL reads it,
    /// without spaces, underscores and other bases.
    fn from_str(text: &str) -> Result<Numeric, NumericError> {
        let malformed = NumericError { is_too_large: false };
        let (is_negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
            return Ok(if is_negative { Numeric::NEGATIVE_INFINITY } else { Numeric::INFINITY });
        }
        if text.eq_ignore_ascii_case("nan") {
            return Ok(Numeric::NAN);
        }
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| malformed)?),
            None => (unsigned, 0),
        };
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(before) || !is_digits(after) || before.len() + after.len() == 0 {
            return Err(malformed);
        }
        finite(is_negative, before, after, i64::from(exponent))
    }
}

/// `before.after * 10^exponent`
fn finite(is_negative: bool, before: &str, after: &str, exponent: i64) -> Result<Numeric, NumericError> {
    let too_large = NumericError { is_too_large: true };
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let scale = (length(after) - exponent).max(0);
    let digits: Vec<u8> = before.bytes().chain(after.bytes()).map(|byte| byte - b'0').collect();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let significant = &digits[zeros..];
    // Digits before the point, of those that count; negative if zeros follow the point.
    let point = length(before) + exponent - i64::try_from(zeros).unwrap_or(i64::MAX);
    if scale > AFTER_MAX || (point > BEFORE_MAX && !significant.is_empty()) {
        return Err(too_large);
    }
    let scale = u16::try_from(scale).map_err(|_| too_large)?;
    if significant.is_empty() {
        return Ok(Numeric(Value::Finite(Finite::new(false, 0, Vec::new(), scale))));
    }
    let group = i64::try_from(GROUP).unwrap_or(4);
    // Zeros in front, so that a group begins at the point.
    let padding = usize::try_from((-point).rem_euclid(group)).unwrap_or(0);
    let mut padded = vec![0; padding];
    padded.extend_from_slice(significant);
    let groups = padded
        .chunks(GROUP)
        .map(|chunk| (0..GROUP).fold(0, |sum, at| sum * 10 + u16::from(chunk.get(at).copied().unwrap_or(0))));
    let groups = groups.collect();
    let weight = (point + i64::try_from(padding).unwrap_or(0)) / group - 1;
    let weight = i32::try_from(weight).map_err(|_| too_large)?;
    Ok(Numeric(Value::Finite(Finite::new(is_negative, weight, groups, scale))))
}

// The signs of the binary format (numeric_send in PostgreSQL's numeric.c).
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const NEGATIVE_INFINITE: u16 = 0xf000;

impl<'a> FromSql<'a> for Numeric {
    fn from_sql(_type: &Type, raw: &'a [u8]) -> Result<Numeric, BoxError> {
        let malformed = "a numeric is malformed";
        let (head, mut body) = raw.split_first_chunk::<8>().ok_or(malformed)?;
        let [count, weight, sign, scale] =
            [0, 2, 4, 6].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
        if body.len() != usize::from(count) * 2 {
            return Err(malformed.into());
        }
        let is_negative = match sign {
            POSITIVE => false,
            NEGATIVE => true,
            NAN => return Ok(Numeric::NAN),
            INFINITE => return Ok(Numeric::INFINITY),
            NEGATIVE_INFINITE => return Ok(Numeric::NEGATIVE_INFINITY),
            _ => return Err(malformed.into()),
        };
        let mut groups = Vec::with_capacity(usize::from(count));
        while let Some((group, rest)) = body.split_first_chunk::<2>() {
            groups.push(u16::from_be_bytes(*group));
            body = rest;
        }
        if groups.iter().any(|group| *group >= BASE) || i64::from(scale) > AFTER_MAX {
            return Err(malformed.into());
        }
        let weight = i32::from(weight.cast_signed());
        Ok(Numeric(Value::Finite(Finite::new(is_negative, weight, groups, scale))))
    }

    accepts!(NUMERIC);
}

impl ToSql for Numeric {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        let mut head = |count: u16, weight: i16, sign: u16, scale: u16| {
            out.put_u16(count);
            out.put_i16(weight);
            out.put_u16(sign);
            out.put_u16(scale);
        };
        match &self.0 {
            Value::NaN => head(0, 0, NAN, 0),
            Value::Infinity => head(0, 0, INFINITE, 0),
            Value::NegativeInfinity => head(0, 0, NEGATIVE_INFINITE, 0),
            Value::Finite(finite) => {
                let count = u16::try_from(finite.groups.len())?;
                let sign = if finite.is_negative { NEGATIVE } else { POSITIVE };
                head(count, i16::try_from(finite.weight)?, sign, finite.scale.0);
                finite.groups.iter().for_each(|group| out.put_u16(*group));
            }
        }
        Ok(IsNull::No)
    }

    accepts!(NUMERIC);
    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Numeric {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn texts_are_read_and_written_as_postgresql_does() {
        for (text, want) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.00", "0.00"),
            ("1", "1"),
            ("+1.5", "1.5"),
            ("-1.50", "-1.50"),
            (".5", "0.5"),
            ("5.", "5"),
            ("10000", "10000"),
            ("12345678", "12345678"),
            ("100000000.00000001", "100000000.00000001"),
            ("0.0001", "0.0001"),
            ("0.00001", "0.00001"),
            ("-0.00000000000000000001", "-0.00000000000000000001"),
            ("1e3", "1000"),
            ("1.5e3", "1500"),
            ("1.5e1", "15"),
            ("15e-1", "1.5"),
            ("1E-10", "0.0000000001"),
            ("0001.10", "1.10"),
            ("nan", "NaN"),
            ("inf", "Infinity"),
            ("-Infinity", "-Infinity"),
        ] {
            assert_eq!(number(text).to_string(), want, "{text}");
        }
        for text in ["", ".", "-", "1.2.3", "1e", "1e+", "one", "1 ", "0x10", "1_000", "+nan", "٣"] {
            assert!(text.parse::<Numeric>().is_err(), "{text}");
        }
        let large = "9".repeat(131_072);
        assert_eq!(number(&large).to_string(), large);
        assert_eq!(format!("{large}0").parse::<Numeric>(), Err(NumericError { is_too_large: true }));
        assert!("1e131072".parse::<Numeric>().is_err() && "1e-16384".parse::<Numeric>().is_err());
        assert_eq!(number("0e999999").to_string(), "0", "a zero has no size");
        assert_eq!(format!("{:>6}|{:06}", number("-1.5"), number("-1.5")), "  -1.5|-001.5");
    }

    #[test]
    fn the_binary_form_leads_back() {
        for text in [
            "0",
            "0.000",
            "1",
            "-1",
            "10000",
            "99999999.9999",
            "1e100",
            "-1e-100",
            "NaN",
            "Infinity",
            "-Infinity",
        ] {
            let mut out = BytesMut::new();
            number(text).to_sql(&Type::NUMERIC, &mut out).unwrap();
            let back = Numeric::from_sql(&Type::NUMERIC, &out).unwrap();
            assert_eq!(
                (back.to_string(), back.scale()),
                (number(text).to_string(), number(text).scale()),
                "{text}"
            );
            for end in 0..out.len() {
                assert!(Numeric::from_sql(&Type::NUMERIC, &out[..end]).is_err(), "{text} cut at {end}");
            }
        }
        for (why, bytes) in [
            ("a group of 10000", &b"\0\x01\0\0\0\0\0\0\x27\x10"[..]),
            ("an unknown sign", b"\0\0\0\0\x12\x34\0\0"),
            ("a scale beyond the largest", b"\0\0\0\0\0\0\x40\0"),
        ] {
            assert!(Numeric::from_sql(&Type::NUMERIC, bytes).is_err(), "{why}");
        }
        let padded = Numeric::from_sql(&Type::NUMERIC, b"\0\x03\0\x01\0\0\0\0\0\0\0\x07\0\0").unwrap();
        assert_eq!(padded, Numeric::from(7), "zeros in front and behind");
    }

    #[test]
    fn they_are_ordered_by_value() {
        let ordered = [
            "-Infinity",
            "-10000",
            "-1.5",
            "-0.001",
            "0",
            "0.001",
            "1",
            "1.0001",
            "9999",
            "10000",
            "1e50",
            "Infinity",
            "NaN",
        ];
        for (at, low) in ordered.iter().enumerate() {
            for (other, high) in ordered.iter().enumerate() {
                assert_eq!(number(low).cmp(&number(high)), at.cmp(&other), "{low} and {high}");
            }
        }
        assert_eq!(number("1.0"), number("1.000"));
        let set: std::collections::HashSet<Numeric> =
            ["1", "1.0", "NaN", "nan"].map(number).into_iter().collect();
        assert_eq!(set.len(), 2, "equal ones have equal hashes");
    }

    #[test]
    fn whole_numbers_go_both_ways() {
        for whole in
            [0, 1, -1, 9_999, 10_000, i128::from(i64::MAX), i128::from(i64::MIN), i128::MAX, i128::MIN]
        {
            assert_eq!(Numeric::from(whole).to_string(), whole.to_string());
            assert_eq!(Numeric::from(whole).to_i128(), Some(whole));
            assert_eq!(Numeric::from(whole).to_i64(), i64::try_from(whole).ok());
        }
        assert_eq!(number("5.000").to_i64(), Some(5));
        for text in ["0.5", "1.5", "1e40", "NaN", "Infinity"] {
            assert_eq!(number(text).to_i128(), None, "{text}");
        }
        assert_eq!(number("1.5").to_f64(), 1.5);
        assert!(number("1e400").to_f64().is_infinite() && Numeric::NAN.to_f64().is_nan());
    }
}
