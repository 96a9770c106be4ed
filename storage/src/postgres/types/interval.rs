//! `interval`.

use std::fmt;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use super::BoxError;

/// An `interval`: months, days and microseconds apart, since a month has no fixed number of days, nor a day of hours.
///
/// ```
/// use corelane_storage::postgres::types::Interval;
///
/// let interval = Interval { months: 14, days: 3, microseconds: 4_500_000 };
/// assert_eq!(interval.to_string(), "P1Y2M3DT4.5S");
/// assert_eq!(interval.to_duration(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interval {
    /// Whole months.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// The rest, in microseconds.
    pub microseconds: i64,
}

impl Interval {
    /// The same as a duration, if it has no months and is not negative; a day counts as 24 hours.
    pub fn to_duration(self) -> Option<Duration> {
        const DAY_MICROSECONDS: i64 = 24 * 3600 * 1_000_000;
        let days = i64::from(self.days).checked_mul(DAY_MICROSECONDS)?;
        let microseconds = u64::try_from(days.checked_add(self.microseconds)?).ok()?;
        (self.months == 0).then(|| Duration::from_micros(microseconds))
    }
}

impl TryFrom<Duration> for Interval {
    type Error = std::num::TryFromIntError;

    /// Microseconds only; what is below one is cut off.
    ///
    /// # Errors
    /// For more than 292,000 years.
    fn try_from(duration: Duration) -> Result<Interval, std::num::TryFromIntError> {
        Ok(Interval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros())? })
    }
}

impl fmt::Display for Interval {
    /// ISO 8601, as PostgreSQL with `intervalstyle` `iso_8601`: each part has its own sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Interval::default() {
            return f.pad("PT0S");
        }
        let mut text = String::from("P");
        let part = |text: &mut String, number: i64, letter: char| {
            if number != 0 {
                text.push_str(&number.to_string());
                text.push(letter);
            }
        };
        part(&mut text, (self.months / 12).into(), 'Y');
        part(&mut text, (self.months % 12).into(), 'M');
        part(&mut text, self.days.into(), 'D');
        if self.microseconds != 0 {
            text.push('T');
            let seconds = self.microseconds / 1_000_000;
            part(&mut text, seconds / 3600, 'H');
            part(&mut text, seconds / 60 % 60, 'M');
            let rest = self.microseconds % 60_000_000;
            if rest != 0 {
                let sign = if rest < 0 { "-" } else { "" };
                let (whole, fraction) = (rest.abs() / 1_000_000, rest.abs() % 1_000_000);
                let digits = format!("{sign}{whole}.{fraction:06}");
                text.push_str(digits.trim_end_matches('0').trim_end_matches('.'));
                text.push('S');
            }
        }
        f.pad(&text)
    }
}

impl<'a> FromSql<'a> for Interval {
    fn from_sql(_type: &Type, raw: &'a [u8]) -> Result<Interval, BoxError> {
        let Some((microseconds, rest)) = raw.split_first_chunk::<8>() else {
            return Err("an interval is malformed".into());
        };
        let &[d0, d1, d2, d3, m0, m1, m2, m3] = rest else { return Err("an interval is malformed".into()) };
        Ok(Interval {
            months: i32::from_be_bytes([m0, m1, m2, m3]),
            days: i32::from_be_bytes([d0, d1, d2, d3]),
            microseconds: i64::from_be_bytes(*microseconds),
        })
    }

    accepts!(INTERVAL);
}

impl ToSql for Interval {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        out.put_i64(self.microseconds);
        out.put_i32(self.days);
        out.put_i32(self.months);
        Ok(IsNull::No)
    }

    accepts!(INTERVAL);
    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_postgresql_does() {
        for (months, days, microseconds, want) in [
            (0, 0, 0, "PT0S"),
            (12, 0, 0, "P1Y"),
            (-13, 2, 0, "P-1Y-1M2D"),
            (0, 0, 3_600_000_000, "PT1H"),
            (0, 0, -500_000, "PT-0.5S"),
            (0, 1, -3_661_000_001, "P1DT-1H-1M-1.000001S"),
            (0, 0, 100_000_000, "PT1M40S"),
        ] {
            assert_eq!(Interval { months, days, microseconds }.to_string(), want);
        }
    }

    #[test]
    fn durations() {
        let day = Interval { months: 0, days: 1, microseconds: -1 };
        assert_eq!(day.to_duration(), Some(Duration::from_micros(86_399_999_999)));
        assert_eq!(Interval { months: 1, ..day }.to_duration(), None);
        assert_eq!(Interval { microseconds: -1, ..Interval::default() }.to_duration(), None);
        let back = Interval::try_from(Duration::from_nanos(1_999)).unwrap();
        assert_eq!(back.microseconds, 1);
        assert!(Interval::try_from(Duration::MAX).is_err());
    }
}
