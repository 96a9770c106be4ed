//! Sizes and times with their units.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A number of bytes: an integer, or text with a unit such as `"16 KiB"` or `"2 MB"`.
///
/// `KiB`, `MiB`, `GiB` count by 1024, `kB`, `MB`, `GB` by 1000; `B` is one byte. Case does not matter.
///
/// ```
/// use corelane_http::config::ByteSize;
///
/// assert_eq!("16 KiB".parse::<ByteSize>()?, ByteSize(16 * 1024));
/// assert_eq!(ByteSize(1536).to_string(), "1536 B");
/// assert_eq!(ByteSize(2 << 20).to_string(), "2 MiB");
/// # Ok::<(), corelane_http::config::UnitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A length of time: text with a unit, such as `"10 s"`, `"250 ms"`, `"2 min"`, `"1 h"` or `"30 d"`.
///
/// A number without a unit is refused: it would mean seconds to one reader and milliseconds to another.
///
/// ```
/// use std::time::Duration;
/// use corelane_http::config::Period;
///
/// assert_eq!("10 s".parse::<Period>()?, Period(Duration::from_secs(10)));
/// assert_eq!(Period(Duration::from_secs(90)).to_string(), "90 s");
/// assert!("10".parse::<Period>().is_err());
/// # Ok::<(), corelane_http::config::UnitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

const BYTE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];
/// In milliseconds.
const TIME_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const BYTES_EXPECTED: &str = "a number of bytes such as 4096, \"16 KiB\" or \"2 MB\"";
const TIME_EXPECTED: &str =
    "a time with its unit, such as \"10 s\", \"250 ms\", \"2 min\", \"1 h\" or \"30 d\"";

/// The text is no number with one of the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitError {
    expected: &'static str,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it has to be {}", self.expected)
    }
}

impl std::error::Error for UnitError {}

/// A whole number and its unit, multiplied. `None` also if that is too large.
fn parse(text: &str, units: &[(&str, u64)], bare: bool) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let number: u64 = text[..end].replace('_', "").parse().ok()?;
    let unit = text[end..].trim();
    if unit.is_empty() {
        return bare.then_some(number);
    }
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*factor)
}

impl std::str::FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<ByteSize, UnitError> {
        parse(text, BYTE_UNITS, true).map(ByteSize).ok_or(UnitError { expected: BYTES_EXPECTED })
    }
}

impl std::str::FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Period, UnitError> {
        let ms = parse(text, TIME_UNITS, false).ok_or(UnitError { expected: TIME_EXPECTED })?;
        Ok(Period(Duration::from_millis(ms)))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
            .into_iter()
            .find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size))
            .unwrap_or(("B", 1));
        write!(f, "{} {unit}", self.0 / size)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if ms.is_multiple_of(1000) { write!(f, "{} s", ms / 1000) } else { write!(f, "{ms} ms") }
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BYTES_EXPECTED)
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes).map(ByteSize).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

struct PeriodVisitor;

impl Visitor<'_> for PeriodVisitor {
    type Value = Period;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TIME_EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
        deserializer.deserialize_any(PeriodVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_written() {
        for (text, want) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("1_000", Some(1000)),
            ("16 KiB", Some(16 << 10)),
            ("16kib", Some(16 << 10)),
            (" 2 MB ", Some(2_000_000)),
            ("1 GiB", Some(1 << 30)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551615 KiB", None),
            ("-1", None),
            ("1.5 MiB", None),
            ("1 K", None),
            ("KiB", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<ByteSize>().ok(), want.map(ByteSize), "{text}");
        }
        for (text, want) in [
            ("250 ms", Some(250)),
            ("10s", Some(10_000)),
            ("2 min", Some(120_000)),
            ("1 h", Some(3_600_000)),
            ("1 d", Some(86_400_000)),
            ("10", None),
            ("s", None),
            ("1 m", None),
        ] {
            let want = want.map(|ms| Period(Duration::from_millis(ms)));
            assert_eq!(text.parse::<Period>().ok(), want, "{text}");
        }
        for bytes in [0, 1, 1023, 1024, 1 << 20, 3 << 30, u64::MAX] {
            assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
        for ms in [0, 1, 999, 1000, 61_000] {
            let period = Period(Duration::from_millis(ms));
            assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
