//! Replies to Rust types.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hash};

use bytes::Bytes;

use super::value::{ErrorReply, Value};

/// A type that a reply can become.
///
/// `Option<T>` takes null for `None`, `bool` for false; everything else refuses null. Maps take both RESP3's maps and RESP2's flat arrays,
/// numbers also strings of digits, since Redis keeps numbers as strings. Nothing is rounded, truncated or guessed:
/// what does not fit is a [`ConvertError`].
///
/// ```
/// use corelane_storage_proto::resp::{FromReply, Value};
///
/// assert_eq!(u8::from_reply(Value::from("200")).unwrap(), 200);
/// assert_eq!(Option::<u8>::from_reply(Value::Null).unwrap(), None);
/// let error = u8::from_reply(Value::Int(300)).unwrap_err();
/// assert_eq!(error.to_string(), "the reply is an integer out of range, not a number that fits u8");
/// ```
pub trait FromReply: Sized {
    /// Converts a reply.
    ///
    /// # Errors
    /// [`ConvertError`] if the reply is another type or does not fit. An error among the elements of a reply is that
    /// error.
    fn from_reply(value: Value) -> Result<Self, ConvertError>;

    /// What a `Vec` of this is converted by: a list of elements, except that `Vec<u8>` is a string.
    ///
    /// # Errors
    /// As [`from_reply`](Self::from_reply).
    fn list_from_reply(value: Value) -> Result<Vec<Self>, ConvertError> {
        items(value)
    }
}

/// A reply is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertError {
    expected: &'static str,
    found: Found,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Kind(&'static str),
    Server(ErrorReply),
}

impl ConvertError {
    /// The reply `value` is not `expected`, which is a phrase such as "a pair".
    pub fn new(expected: &'static str, value: Value) -> ConvertError {
        match value {
            Value::Error(error) => ConvertError { expected, found: Found::Server(error) },
            other => ConvertError::found(expected, other.kind()),
        }
    }

    /// It is not `expected`, but `found`.
    pub fn found(expected: &'static str, found: &'static str) -> ConvertError {
        ConvertError { expected, found: Found::Kind(found) }
    }

    /// The error of the server that stood where a value was expected.
    pub fn server(&self) -> Option<&ErrorReply> {
        match &self.found {
            Found::Server(error) => Some(error),
            Found::Kind(_) => None,
        }
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Kind(found) => write!(f, "the reply is {found}, not {}", self.expected),
            Found::Server(error) => write!(f, "instead of {} the server answered: {error}", self.expected),
        }
    }
}

impl Error for ConvertError {}

impl FromReply for Value {
    #[inline]
    fn from_reply(value: Value) -> Result<Value, ConvertError> {
        Ok(value)
    }
}

impl FromReply for Bytes {
    #[inline]
    fn from_reply(value: Value) -> Result<Bytes, ConvertError> {
        match value {
            Value::Bulk(bytes) => Ok(bytes),
            other => text(other, "a string"),
        }
    }
}

/// Anything that has bytes: numbers too, as Redis would have sent them as strings elsewhere.
fn text(value: Value, expected: &'static str) -> Result<Bytes, ConvertError> {
    match value {
        Value::Int(number) => Ok(Bytes::copy_from_slice(itoa::Buffer::new().format(number).as_bytes())),
        other => other.into_bytes().map_err(|other| ConvertError::new(expected, other)),
    }
}

impl<T: FromReply> FromReply for Vec<T> {
    #[inline]
    fn from_reply(value: Value) -> Result<Vec<T>, ConvertError> {
        T::list_from_reply(value)
    }
}

impl FromReply for String {
    fn from_reply(value: Value) -> Result<String, ConvertError> {
        let bytes = text(value, "a text")?;
        String::from_utf8(bytes.into())
            .map_err(|_| ConvertError::found("a text", "a string that is not UTF-8"))
    }
}

impl FromReply for bool {
    fn from_reply(value: Value) -> Result<bool, ConvertError> {
        match &value {
            Value::Bool(truth) => Ok(*truth),
            // What `SET … NX` answers.
            Value::Status(status) if status == "OK" => Ok(true),
            Value::Null => Ok(false),
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            Value::Bulk(bytes) if bytes == "0" => Ok(false),
            Value::Bulk(bytes) if bytes == "1" => Ok(true),
            _ => Err(ConvertError::new("a boolean, 0 or 1, OK or null", value)),
        }
    }
}

/// Any reply at all; errors excepted.
impl FromReply for () {
    fn from_reply(value: Value) -> Result<(), ConvertError> {
        match value {
            Value::Error(_) => Err(ConvertError::new("success", value)),
            _ => Ok(()),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromReply for $type {
            fn from_reply(value: Value) -> Result<$type, ConvertError> {
                const EXPECTED: &str = concat!("a number that fits ", stringify!($type));
                if let Value::Int(number) = value {
                    return <$type>::try_from(number)
                        .map_err(|_| ConvertError::found(EXPECTED, "an integer out of range"));
                }
                let Some(bytes) = value.as_bytes() else { return Err(ConvertError::new(EXPECTED, value)) };
                let digits = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
                digits.ok_or_else(|| ConvertError::found(EXPECTED, "a string that is none or out of range"))
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u16, u32, u64, usize, i128, u128);

impl FromReply for u8 {
    fn from_reply(value: Value) -> Result<u8, ConvertError> {
        const EXPECTED: &str = "a number that fits u8";
        let number = i64::from_reply(value).map_err(|error| ConvertError { expected: EXPECTED, ..error })?;
        u8::try_from(number).map_err(|_| ConvertError::found(EXPECTED, "an integer out of range"))
    }

    fn list_from_reply(value: Value) -> Result<Vec<u8>, ConvertError> {
        text(value, "a string").map(Vec::from)
    }
}

impl FromReply for f64 {
    fn from_reply(value: Value) -> Result<f64, ConvertError> {
        const EXPECTED: &str = "a floating-point number";
        match &value {
            Value::Double(number) => return Ok(*number),
            // Exact up to 2^53; beyond that the integer is not the double's.
            Value::Int(number) => {
                #[expect(clippy::cast_precision_loss, reason = "checked by the way back")]
                let double = *number as f64;
                #[expect(clippy::cast_possible_truncation, reason = "saturates, which the comparison sees")]
                let back = double as i64;
                if back == *number && *number != i64::MAX {
                    return Ok(double);
                }
                return Err(ConvertError::found(EXPECTED, "an integer that no double equals"));
            }
            _ => {}
        }
        let Some(bytes) = value.as_bytes() else { return Err(ConvertError::new(EXPECTED, value)) };
        super::number::double(bytes).ok_or_else(|| ConvertError::found(EXPECTED, "a string that is none"))
    }
}

impl<T: FromReply> FromReply for Option<T> {
    #[inline]
    fn from_reply(value: Value) -> Result<Option<T>, ConvertError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_reply(value).map(Some),
        }
    }
}

fn elements(value: Value, expected: &'static str) -> Result<Vec<Value>, ConvertError> {
    match value {
        Value::Array(values) | Value::Set(values) => Ok(values),
        other => Err(ConvertError::new(expected, other)),
    }
}

/// A list; a map is a list of pairs.
fn items<T: FromReply>(value: Value) -> Result<Vec<T>, ConvertError> {
    match value {
        Value::Map(pairs) => {
            pairs.into_iter().map(|(key, value)| T::from_reply(Value::Array(vec![key, value]))).collect()
        }
        value => elements(value, "a list")?.into_iter().map(T::from_reply).collect(),
    }
}

/// The pairs of a map, an array of pairs, or a flat array.
fn pairs(value: Value) -> Result<Vec<(Value, Value)>, ConvertError> {
    const EXPECTED: &str = "a map or a list of pairs";
    let values = match value {
        Value::Map(pairs) => return Ok(pairs),
        value => elements(value, EXPECTED)?,
    };
    if !values.is_empty() && values.iter().all(|value| matches!(value, Value::Array(pair) if pair.len() == 2))
    {
        return values.into_iter().map(pair).collect();
    }
    if values.len() % 2 != 0 {
        return Err(ConvertError::found(EXPECTED, "a list of odd length"));
    }
    let mut values = values.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    Ok(pairs)
}

fn pair(value: Value) -> Result<(Value, Value), ConvertError> {
    let values: [Value; 2] = elements(value, "a pair")?
        .try_into()
        .map_err(|_| ConvertError::found("a pair", "a list of another length"))?;
    let [first, second] = values;
    Ok((first, second))
}

impl<K: FromReply + Eq + Hash, V: FromReply, S: BuildHasher + Default> FromReply for HashMap<K, V, S> {
    fn from_reply(value: Value) -> Result<HashMap<K, V, S>, ConvertError> {
        pairs(value)?
            .into_iter()
            .map(|(key, value)| Ok((K::from_reply(key)?, V::from_reply(value)?)))
            .collect()
    }
}

impl<K: FromReply + Ord, V: FromReply> FromReply for BTreeMap<K, V> {
    fn from_reply(value: Value) -> Result<BTreeMap<K, V>, ConvertError> {
        pairs(value)?
            .into_iter()
            .map(|(key, value)| Ok((K::from_reply(key)?, V::from_reply(value)?)))
            .collect()
    }
}

impl<T: FromReply + Eq + Hash, S: BuildHasher + Default> FromReply for HashSet<T, S> {
    fn from_reply(value: Value) -> Result<HashSet<T, S>, ConvertError> {
        elements(value, "a set")?.into_iter().map(T::from_reply).collect()
    }
}

impl<T: FromReply + Ord> FromReply for BTreeSet<T> {
    fn from_reply(value: Value) -> Result<BTreeSet<T>, ConvertError> {
        elements(value, "a set")?.into_iter().map(T::from_reply).collect()
    }
}

macro_rules! tuples {
    ($expected:literal, $($name:ident),* $(; $list:item)?) => {
        impl<$($name: FromReply),*> FromReply for ($($name,)*) {
            fn from_reply(value: Value) -> Result<($($name,)*), ConvertError> {
                let values = elements(value, $expected)?;
                let mut values = values.into_iter();
                let short = || ConvertError::found($expected, "a shorter list");
                let tuple = ($($name::from_reply(values.next().ok_or_else(short)?)?,)*);
                if values.next().is_some() {
                    return Err(ConvertError::found($expected, "a longer list"));
                }
                Ok(tuple)
            }
            $($list)?
        }
    };
}

tuples!("a list of one", A);
tuples!("a pair", A, B;
    /// Lists of pairs come flat from RESP2, and from some commands of RESP3.
    fn list_from_reply(value: Value) -> Result<Vec<(A, B)>, ConvertError> {
        pairs(value)?.into_iter().map(|(first, second)| Ok((A::from_reply(first)?, B::from_reply(second)?))).collect()
    }
);
tuples!("a list of three", A, B, C);
tuples!("a list of four", A, B, C, D);
tuples!("a list of five", A, B, C, D, E);
tuples!("a list of six", A, B, C, D, E, F);
