//! All parameters of a path as one value.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::value::Value;
use super::{Kind, PathRejection};
use crate::request;

/// The parameters of a request: alone if the type takes one value, in order if it takes several, by name if it
/// takes fields.
pub(super) struct Params<'de>(pub(super) request::Params<'de>);

impl<'de> Params<'de> {
    /// The only parameter, for a type that takes one value.
    fn only<R>(&self, read: impl FnOnce(Value<'de>) -> Result<R, PathRejection>) -> Result<R, PathRejection> {
        let mut all = self.0.iter();
        match (all.next(), all.next()) {
            (Some((name, raw)), None) => read(Value(raw)).map_err(|error| error.of(name)),
            _ => Err(self.count(1)),
        }
    }

    fn count(&self, wanted: usize) -> PathRejection {
        PathRejection::new(Kind::Count { wanted, there: self.0.len() })
    }

    fn in_order<V: Visitor<'de>>(self, wanted: usize, visitor: V) -> Result<V::Value, PathRejection> {
        if wanted != self.0.len() {
            return Err(self.count(wanted));
        }
        visitor.visit_seq(InOrder { rest: self.0.iter() })
    }

    fn by_name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        visitor.visit_map(ByName { rest: self.0.iter(), value: None })
    }
}

macro_rules! only {
    ($($deserialize:ident)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
            self.only(|value| value.$deserialize(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for Params<'de> {
    type Error = PathRejection;

    only! {
        deserialize_bool deserialize_char
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        self.by_name(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        self.by_name(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathRejection> {
        self.by_name(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        let there = self.0.len();
        self.in_order(there, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, PathRejection> {
        self.in_order(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, PathRejection> {
        self.in_order(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathRejection> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathRejection> {
        self.only(|value| value.deserialize_enum(name, variants, visitor))
    }

    /// A route without parameters is `None`: one handler for two routes may take `Path<Option<T>>`.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        if self.0.is_empty() { visitor.visit_unit() } else { Err(self.count(0)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathRejection> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        visitor.visit_unit()
    }
}

struct InOrder<I> {
    rest: I,
}

impl<'de, I: Iterator<Item = (&'de str, &'de [u8])>> SeqAccess<'de> for InOrder<I> {
    type Error = PathRejection;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, PathRejection> {
        let Some((name, raw)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Value(raw)).map(Some).map_err(|error| error.of(name))
    }
}

struct ByName<'de, I> {
    rest: I,
    /// The parameter whose name was given out.
    value: Option<(&'de str, &'de [u8])>,
}

impl<'de, I: Iterator<Item = (&'de str, &'de [u8])>> MapAccess<'de> for ByName<'de, I> {
    type Error = PathRejection;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, PathRejection> {
        self.value = self.rest.next();
        let Some((name, _)) = self.value else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, PathRejection> {
        let Some((name, raw)) = self.value.take() else { unreachable!("serde asks for the key first") };
        seed.deserialize(Value(raw)).map_err(|error| error.of(name))
    }
}
