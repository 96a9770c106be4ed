//! Arrays of any number of dimensions.

use bytes::BytesMut;
use postgres_protocol::types as wire;
use postgres_types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use super::BoxError;

/// An array with its dimensions. Where there is one and it begins at 1, as nearly always, a `Vec` will do.
///
/// ```
/// use corelane_storage::postgres::types::Array;
///
/// let matrix = Array::new([2, 3], vec![1, 2, 3, 4, 5, 6]).expect("two rows of three");
/// assert_eq!(matrix.dimensions.len(), 2);
/// assert!(Array::new([2, 3], vec![1]).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Array<T> {
    /// The outermost first; none if it is empty.
    pub dimensions: Vec<Dimension>,
    /// Row by row.
    pub values: Vec<T>,
}

/// One dimension of an [`Array`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dimension {
    /// How many values.
    pub len: i32,
    /// The number of the first; PostgreSQL's default is 1.
    pub lower_bound: i32,
}

impl<T> Array<T> {
    /// An array of these lengths, counted from 1; `None` if they do not fit the number of values.
    pub fn new(lengths: impl IntoIterator<Item = i32>, values: Vec<T>) -> Option<Array<T>> {
        let mut dimensions: Vec<Dimension> =
            lengths.into_iter().map(|len| Dimension { len, lower_bound: 1 }).collect();
        if values.is_empty() && dimensions.iter().all(|dimension| dimension.len == 0) {
            dimensions.clear();
        }
        let array = Array { dimensions, values };
        array.is_whole().then_some(array)
    }

    fn is_whole(&self) -> bool {
        let count = self
            .dimensions
            .iter()
            .try_fold(1usize, |count, dimension| count.checked_mul(usize::try_from(dimension.len).ok()?));
        let count = if self.dimensions.is_empty() { Some(0) } else { count };
        count == Some(self.values.len())
    }
}

fn number(rest: &mut &[u8]) -> Result<i32, BoxError> {
    let (number, behind) = rest.split_first_chunk::<4>().ok_or("an array is malformed")?;
    *rest = behind;
    Ok(i32::from_be_bytes(*number))
}

fn member(type_: &Type) -> Option<&Type> {
    match type_.kind() {
        Kind::Array(member) => Some(member),
        _ => None,
    }
}

impl<'a, T: FromSql<'a>> FromSql<'a> for Array<T> {
    fn from_sql(type_: &Type, raw: &'a [u8]) -> Result<Array<T>, BoxError> {
        let member = member(type_).ok_or("the type is no array")?;
        let mut rest = raw;
        let (count, _has_null, _member) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
        let mut dimensions = Vec::new();
        for _ in 0..count {
            dimensions.push(Dimension { len: number(&mut rest)?, lower_bound: number(&mut rest)? });
        }
        let mut values = Vec::new();
        while !rest.is_empty() {
            let raw = match usize::try_from(number(&mut rest)?) {
                Ok(len) => {
                    let (raw, behind) = rest.split_at_checked(len).ok_or("an array is malformed")?;
                    rest = behind;
                    Some(raw)
                }
                // A null has the length -1.
                Err(_) => None,
            };
            values.push(T::from_sql_nullable(member, raw)?);
        }
        let array = Array { dimensions, values };
        if array.is_whole() { Ok(array) } else { Err("an array is malformed".into()) }
    }

    fn accepts(type_: &Type) -> bool {
        member(type_).is_some_and(T::accepts)
    }
}

impl<T: ToSql> ToSql for Array<T> {
    fn to_sql(&self, type_: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        let member = member(type_).ok_or("the type is no array")?;
        if !self.is_whole() {
            return Err("the dimensions of an array do not fit the number of its values".into());
        }
        let dimensions = self
            .dimensions
            .iter()
            .map(|dimension| wire::ArrayDimension { len: dimension.len, lower_bound: dimension.lower_bound });
        wire::array_to_sql(
            dimensions,
            member.oid(),
            self.values.iter(),
            |value, out| match value.to_sql(member, out)? {
                IsNull::No => Ok(postgres_protocol::IsNull::No),
                IsNull::Yes => Ok(postgres_protocol::IsNull::Yes),
            },
            out,
        )?;
        Ok(IsNull::No)
    }

    fn accepts(type_: &Type) -> bool {
        member(type_).is_some_and(T::accepts)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_both_ways_and_a_cut_one_is_an_error() {
        let mut array = Array::new([2, 2], vec![Some(1), None, Some(3), Some(-4)]).unwrap();
        array.dimensions[0].lower_bound = -5;
        let mut out = BytesMut::new();
        array.to_sql(&Type::INT4_ARRAY, &mut out).unwrap();
        assert_eq!(Array::from_sql(&Type::INT4_ARRAY, &out).unwrap(), array);
        for end in 0..out.len() {
            assert!(Array::<Option<i32>>::from_sql(&Type::INT4_ARRAY, &out[..end]).is_err(), "cut at {end}");
        }
        assert!(Array::<i32>::from_sql(&Type::INT4_ARRAY, &out).is_err(), "a null where none is expected");
        let empty = Array::<i32>::new([0], vec![]).unwrap();
        assert!(empty.dimensions.is_empty());
        let wrong = Array { dimensions: vec![Dimension { len: -1, lower_bound: 1 }], values: vec![1] };
        assert!(wrong.to_sql(&Type::INT4_ARRAY, &mut BytesMut::new()).is_err());
    }
}
