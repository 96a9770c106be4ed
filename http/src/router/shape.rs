//! How many values, or which fields, a type is made of, without a value of it.

use std::cell::Cell;

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};

/// What a type takes when it is read from the parameters of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// This many, in order.
    Values(usize),
    /// Those of these names.
    Fields(&'static [&'static str]),
    /// As many as there are, or what cannot be told.
    Any,
}

impl Shape {
    /// Asks the type's `Deserialize` what it wants, and gives it nothing.
    pub(crate) fn of<T: DeserializeOwned>() -> Shape {
        let shape = Cell::new(Shape::Any);
        // Whether it takes nothing for a value or not does not matter.
        let _ = T::deserialize(Probe(&shape));
        shape.get()
    }
}

struct Probe<'s>(&'s Cell<Shape>);

impl Probe<'_> {
    fn found<T>(self, shape: Shape) -> Result<T, Error> {
        self.0.set(shape);
        Err(Error::custom("only asked what is wanted"))
    }
}

macro_rules! one_value {
    ($($deserialize:ident)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            self.found(Shape::Values(1))
        }
    )*};
}

macro_rules! any_value {
    ($($deserialize:ident)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            self.found(Shape::Any)
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    one_value! {
        deserialize_bool deserialize_char
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    any_value! { deserialize_any deserialize_option deserialize_seq deserialize_map deserialize_ignored_any }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.found(Shape::Values(0))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Error> {
        self.found(Shape::Values(0))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, _: V) -> Result<V::Value, Error> {
        self.found(Shape::Values(len))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        _: V,
    ) -> Result<V::Value, Error> {
        self.found(Shape::Values(len))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.found(Shape::Fields(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.found(Shape::Values(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[test]
    #[expect(dead_code, reason = "their fields are only asked for")]
    fn types_tell_what_they_are_made_of() {
        #[derive(Deserialize)]
        struct Id(u64);
        #[derive(Deserialize)]
        struct Pair(u8, String);
        #[derive(Deserialize)]
        struct Fields {
            a: u8,
            #[serde(rename = "c")]
            b: u8,
        }
        #[derive(Deserialize)]
        enum Kind {
            A,
        }
        assert_eq!(Shape::of::<u64>(), Shape::Values(1));
        assert_eq!(Shape::of::<String>(), Shape::Values(1));
        assert_eq!(Shape::of::<Id>(), Shape::Values(1));
        assert_eq!(Shape::of::<Kind>(), Shape::Values(1));
        assert_eq!(Shape::of::<()>(), Shape::Values(0));
        assert_eq!(Shape::of::<(u8,)>(), Shape::Values(1));
        assert_eq!(Shape::of::<(u8, Id, String)>(), Shape::Values(3));
        assert_eq!(Shape::of::<Pair>(), Shape::Values(2));
        assert_eq!(Shape::of::<Fields>(), Shape::Fields(&["a", "c"]));
        assert_eq!(Shape::of::<Vec<String>>(), Shape::Any);
        assert_eq!(Shape::of::<HashMap<String, String>>(), Shape::Any);
    }
}
