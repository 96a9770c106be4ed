//! Ranges and multiranges.

use std::fmt;
use std::ops::Bound;

use bytes::{BufMut, BytesMut};
use postgres_protocol::types as wire;
use postgres_types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use super::BoxError;

/// A range of any of PostgreSQL's types: `int4range` is a `Range<i32>`, `tstzrange` one of the feature's timestamps.
///
/// PostgreSQL writes ranges of whole numbers and days as `[a,b)`, whatever they were given as.
///
/// ```
/// use corelane_storage::postgres::types::Range;
/// use std::ops::Bound;
///
/// assert_eq!(Range::from(1..5).to_string(), "[1,5)");
/// assert_eq!(Range::Of(Bound::Excluded(1), Bound::Unbounded).to_string(), "(1,)");
/// assert_eq!(Range::<i32>::Empty.to_string(), "empty");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range<T> {
    /// No value is in it.
    Empty,
    /// From, to.
    Of(Bound<T>, Bound<T>),
}

impl<T> From<std::ops::Range<T>> for Range<T> {
    fn from(range: std::ops::Range<T>) -> Range<T> {
        Range::Of(Bound::Included(range.start), Bound::Excluded(range.end))
    }
}

impl<T> From<std::ops::RangeInclusive<T>> for Range<T> {
    fn from(range: std::ops::RangeInclusive<T>) -> Range<T> {
        let (start, end) = range.into_inner();
        Range::Of(Bound::Included(start), Bound::Included(end))
    }
}

impl<T> From<std::ops::RangeFrom<T>> for Range<T> {
    fn from(range: std::ops::RangeFrom<T>) -> Range<T> {
        Range::Of(Bound::Included(range.start), Bound::Unbounded)
    }
}

impl<T> From<std::ops::RangeTo<T>> for Range<T> {
    fn from(range: std::ops::RangeTo<T>) -> Range<T> {
        Range::Of(Bound::Unbounded, Bound::Excluded(range.end))
    }
}

impl<T: fmt::Display> fmt::Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range::Of(from, to) = self else { return f.write_str("empty") };
        match from {
            Bound::Included(value) => write!(f, "[{value},")?,
            Bound::Excluded(value) => write!(f, "({value},")?,
            Bound::Unbounded => f.write_str("(,")?,
        }
        match to {
            Bound::Included(value) => write!(f, "{value}]"),
            Bound::Excluded(value) => write!(f, "{value})"),
            Bound::Unbounded => f.write_str(")"),
        }
    }
}

fn from_bound<'a, T: FromSql<'a>>(
    inner: &Type,
    bound: wire::RangeBound<Option<&'a [u8]>>,
) -> Result<Bound<T>, BoxError> {
    let value = |raw: Option<&'a [u8]>| match raw {
        Some(raw) => T::from_sql(inner, raw),
        None => Err("a bound of a range is null".into()),
    };
    Ok(match bound {
        wire::RangeBound::Inclusive(raw) => Bound::Included(value(raw)?),
        wire::RangeBound::Exclusive(raw) => Bound::Excluded(value(raw)?),
        wire::RangeBound::Unbounded => Bound::Unbounded,
    })
}

fn to_bound<T: ToSql>(
    inner: &Type,
    bound: &Bound<T>,
    out: &mut BytesMut,
) -> Result<wire::RangeBound<postgres_protocol::IsNull>, BoxError> {
    let mut value = |value: &T| match value.to_sql(inner, out)? {
        IsNull::No => Ok(postgres_protocol::IsNull::No),
        IsNull::Yes => Err(BoxError::from("a bound of a range is null: it is unbounded, if that is meant")),
    };
    Ok(match bound {
        Bound::Included(bound) => wire::RangeBound::Inclusive(value(bound)?),
        Bound::Excluded(bound) => wire::RangeBound::Exclusive(value(bound)?),
        Bound::Unbounded => wire::RangeBound::Unbounded,
    })
}

fn range_of(type_: &Type) -> Option<&Type> {
    match type_.kind() {
        Kind::Range(inner) => Some(inner),
        _ => None,
    }
}

fn read<'a, T: FromSql<'a>>(inner: &Type, raw: &'a [u8]) -> Result<Range<T>, BoxError> {
    Ok(match wire::range_from_sql(raw)? {
        wire::Range::Empty => Range::Empty,
        wire::Range::Nonempty(from, to) => Range::Of(from_bound(inner, from)?, from_bound(inner, to)?),
    })
}

fn write<T: ToSql>(inner: &Type, range: &Range<T>, out: &mut BytesMut) -> Result<(), BoxError> {
    match range {
        Range::Empty => wire::empty_range_to_sql(out),
        Range::Of(from, to) => {
            wire::range_to_sql(|out| to_bound(inner, from, out), |out| to_bound(inner, to, out), out)?;
        }
    }
    Ok(())
}

impl<'a, T: FromSql<'a>> FromSql<'a> for Range<T> {
    fn from_sql(type_: &Type, raw: &'a [u8]) -> Result<Range<T>, BoxError> {
        read(range_of(type_).ok_or("the type is no range")?, raw)
    }

    fn accepts(type_: &Type) -> bool {
        range_of(type_).is_some_and(T::accepts)
    }
}

impl<T: ToSql> ToSql for Range<T> {
    fn to_sql(&self, type_: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        write(range_of(type_).ok_or("the type is no range")?, self, out)?;
        Ok(IsNull::No)
    }

    fn accepts(type_: &Type) -> bool {
        range_of(type_).is_some_and(T::accepts)
    }

    to_sql_checked!();
}

/// A multirange: ranges that neither touch nor overlap, in order. PostgreSQL makes them so, whatever they were given as. From
/// PostgreSQL 14 on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Multirange<T>(pub Vec<Range<T>>);

impl<T: fmt::Display> fmt::Display for Multirange<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if at > 0 { "," } else { "" })?;
        }
        f.write_str("}")
    }
}

/// The type of the bounds.
fn multirange_of(type_: &Type) -> Option<&Type> {
    match type_.kind() {
        Kind::Multirange(inner) => Some(inner),
        _ => None,
    }
}

impl<'a, T: FromSql<'a>> FromSql<'a> for Multirange<T> {
    fn from_sql(type_: &Type, raw: &'a [u8]) -> Result<Multirange<T>, BoxError> {
        let malformed = "a multirange is malformed";
        let inner = multirange_of(type_).ok_or("the type is no multirange")?;
        let (count, mut rest) = raw.split_first_chunk::<4>().ok_or(malformed)?;
        let mut ranges = Vec::new();
        for _ in 0..u32::from_be_bytes(*count) {
            let (length, behind) = rest.split_first_chunk::<4>().ok_or(malformed)?;
            let length = usize::try_from(u32::from_be_bytes(*length))?;
            let (range, behind) = behind.split_at_checked(length).ok_or(malformed)?;
            ranges.push(read(inner, range)?);
            rest = behind;
        }
        if rest.is_empty() { Ok(Multirange(ranges)) } else { Err(malformed.into()) }
    }

    fn accepts(type_: &Type) -> bool {
        multirange_of(type_).is_some_and(T::accepts)
    }
}

impl<T: ToSql> ToSql for Multirange<T> {
    fn to_sql(&self, type_: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        let inner = multirange_of(type_).ok_or("the type is no multirange")?;
        out.put_u32(u32::try_from(self.0.len())?);
        for range in &self.0 {
            let mut body = BytesMut::new();
            write(inner, range, &mut body)?;
            out.put_u32(u32::try_from(body.len())?);
            out.extend_from_slice(&body);
        }
        Ok(IsNull::No)
    }

    fn accepts(type_: &Type) -> bool {
        multirange_of(type_).is_some_and(T::accepts)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_multirange_is_an_error() {
        let ranges = Multirange(vec![Range::from(1..5), Range::from(7..), Range::Empty]);
        let mut out = BytesMut::new();
        ranges.to_sql(&Type::INT4MULTI_RANGE, &mut out).unwrap();
        assert_eq!(Multirange::<i32>::from_sql(&Type::INT4MULTI_RANGE, &out).unwrap(), ranges);
        for end in 0..out.len() {
            assert!(
                Multirange::<i32>::from_sql(&Type::INT4MULTI_RANGE, &out[..end]).is_err(),
                "cut at {end}"
            );
        }
        let hostile = b"\xff\xff\xff\xff";
        assert!(Multirange::<i32>::from_sql(&Type::INT4MULTI_RANGE, hostile).is_err(), "billions announced");
    }

    #[test]
    fn a_null_bound_is_an_error() {
        let range = Range::Of(Bound::Included(None::<i32>), Bound::Unbounded);
        assert!(range.to_sql(&Type::INT4_RANGE, &mut BytesMut::new()).is_err());
    }
}
