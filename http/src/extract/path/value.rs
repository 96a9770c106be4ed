//! One parameter as a value.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde::de::{self, Deserializer, EnumAccess, IntoDeserializer, Unexpected, VariantAccess, Visitor};

use super::{Kind, PathRejection};

/// The text of one parameter, as it stands in the path.
#[derive(Clone, Copy)]
pub(super) struct Value<'de>(pub(super) &'de [u8]);

impl<'de> Value<'de> {
    fn text(self) -> Result<Cow<'de, str>, PathRejection> {
        percent_decode(self.0).decode_utf8().map_err(|_| PathRejection::new(Kind::Expected("UTF-8")))
    }

    /// Parsed by the standard library, without the plus sign that it takes and a path should not.
    fn parse<T: std::str::FromStr>(self, expected: &'static str) -> Result<T, PathRejection> {
        let text = self.text()?;
        let parsed = if text.starts_with('+') { None } else { text.parse().ok() };
        parsed.ok_or_else(|| PathRejection::new(Kind::Expected(expected)))
    }
}

/// What the type wants is told by which function it calls.
macro_rules! parsed {
    ($($deserialize:ident $visit:ident $expected:literal;)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
            visitor.$visit(self.parse($expected)?)
        }
    )*};
}

macro_rules! unsupported {
    ($($deserialize:ident ($($arg:ident: $kind:ty),*) $what:literal;)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, $($arg: $kind,)* _: V) -> Result<V::Value, PathRejection> {
            $(let _ = $arg;)*
            Err(PathRejection::new(Kind::Unsupported($what)))
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = PathRejection;

    parsed! {
        deserialize_bool visit_bool "`true` or `false`";
        deserialize_i8 visit_i8 "a whole number from -128 to 127";
        deserialize_i16 visit_i16 "a whole number from -32768 to 32767";
        deserialize_i32 visit_i32 "a whole number from -2147483648 to 2147483647";
        deserialize_i64 visit_i64 "a whole number from -9223372036854775808 to 9223372036854775807";
        deserialize_i128 visit_i128 "a whole number of at most 128 bits";
        deserialize_u8 visit_u8 "a whole number from 0 to 255";
        deserialize_u16 visit_u16 "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 "a whole number from 0 to 4294967295";
        deserialize_u64 visit_u64 "a whole number from 0 to 18446744073709551615";
        deserialize_u128 visit_u128 "a whole number of at most 128 bits, without a sign";
        deserialize_f32 visit_f32 "a number";
        deserialize_f64 visit_f64 "a number";
        deserialize_char visit_char "one character";
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        self.deserialize_str(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        match Cow::from(percent_decode(self.0)) {
            Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
            Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        self.deserialize_bytes(visitor)
    }

    /// A parameter that is there is never `None`.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, PathRejection> {
        visitor.visit_newtype_struct(self)
    }

    /// A variant without fields, by its name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PathRejection> {
        visitor.visit_enum(Variant(self.text()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PathRejection> {
        visitor.visit_unit()
    }

    unsupported! {
        deserialize_unit() "a unit";
        deserialize_unit_struct(name: &'static str) "a unit";
        deserialize_seq() "a list";
        deserialize_tuple(len: usize) "a tuple";
        deserialize_tuple_struct(name: &'static str, len: usize) "a tuple";
        deserialize_map() "a map";
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) "a struct";
    }
}

struct Variant<'de>(Cow<'de, str>);

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = PathRejection;
    type Variant = Unit;

    fn variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Unit), PathRejection> {
        let name: de::value::CowStrDeserializer<'de, PathRejection> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, Unit))
    }
}

struct Unit;

impl<'de> VariantAccess<'de> for Unit {
    type Error = PathRejection;

    fn unit_variant(self) -> Result<(), PathRejection> {
        Ok(())
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, PathRejection> {
        Err(PathRejection::new(Kind::Unsupported("a variant with a value")))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, PathRejection> {
        Err(PathRejection::new(Kind::Unsupported("a variant with values")))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, PathRejection> {
        Err(PathRejection::new(Kind::Unsupported("a variant with fields")))
    }
}

impl de::Error for PathRejection {
    #[cold]
    fn custom<M: std::fmt::Display>(message: M) -> Self {
        PathRejection::new(Kind::Refused(message.to_string().into()))
    }

    #[cold]
    fn missing_field(name: &'static str) -> Self {
        PathRejection::new(Kind::Missing(name))
    }

    /// The type has been asked for text or a number and takes neither: no path can fit.
    #[cold]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("{unexpected} where {expected} is wanted"))
    }
}
