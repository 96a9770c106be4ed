//! From the tree to types, with every mistake told and not only the first.
//!
//! serde stops at the first error. So what is wrong is noted, taken out of the tree, and the type is read again,
//! until it is whole or nothing is left to take out. Unknown keys are noted where a struct says which it knows.

use std::cell::RefCell;
use std::collections::btree_map;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::error::Problem;
use super::file;
use super::hint::nearest;
use super::value::{Node, Value, below};

/// Reads a type from the node at `key`; what is wrong goes to `problems`. `None` if it cannot be read at all.
pub(super) fn read<T: DeserializeOwned>(
    root: &mut Node,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    loop {
        let unknown = RefCell::new(Vec::new());
        let read = match root.find(key) {
            Some(node) => T::deserialize(Reader { node, path: key.to_owned(), unknown: &unknown }),
            None => return None,
        };
        for problem in unknown.into_inner() {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        let error = match read {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let mut path = error.path.unwrap_or_else(|| key.to_owned());
        match error.kind {
            // Follows from something that is told about already.
            Kind::Removed => {}
            Kind::Missing(field) if root.find(&below(&path, field)).is_some_and(Node::is_removed) => {}
            Kind::Missing(field) => {
                let path = below(&path, field);
                problems.push(Problem::new(&*path, root.origin_of(&path), missing(&path)));
            }
            Kind::Other(message) => problems.push(Problem::new(&*path, root.origin_of(&path), message)),
        }
        // A list written as text has no nodes of its own: then all of it goes, as a variant does without its content.
        while root.find(&path).is_none_or(Node::is_removed) && !path.is_empty() {
            path.truncate(path.rfind(['.', '[']).unwrap_or(0));
        }
        match root.find_mut(&path) {
            Some(node) if path.len() > key.len() => node.value = Value::Removed,
            _ => return None,
        }
    }
}

fn missing(path: &str) -> String {
    let variable = path.to_ascii_uppercase().replace('.', "__");
    format!("is missing: give it in a file, by CORELANE_{variable}, or by --set {path}=…")
}

/// An error and the path of the value that it is about.
#[derive(Debug)]
pub(super) struct ReadError {
    kind: Kind,
    /// `None` until the reader of the value adds it.
    path: Option<String>,
}

#[derive(Debug)]
enum Kind {
    Missing(&'static str),
    /// What it is read from is told about already.
    Removed,
    Other(String),
}

impl ReadError {
    fn at(mut self, path: &str) -> ReadError {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Missing(field) => write!(f, "`{field}` is missing"),
            Kind::Removed => f.write_str("is not valid"),
            Kind::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        ReadError { kind: Kind::Other(message.to_string()), path: None }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        Self::custom(format_args!("has to be {}, but is {found}", in_words(expected)))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> ReadError {
        Self::custom(unknown("value", variant, expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> ReadError {
        Self::custom(unknown("key", field, expected))
    }

    fn missing_field(field: &'static str) -> ReadError {
        ReadError { kind: Kind::Missing(field), path: None }
    }
}

/// What is expected, for somebody who does not write Rust.
fn in_words(expected: &dyn de::Expected) -> String {
    let expected = expected.to_string();
    let (least, most) = match expected.as_str() {
        "u8" => (0, i128::from(u8::MAX)),
        "u16" => (0, i128::from(u16::MAX)),
        "u32" => (0, i128::from(u32::MAX)),
        "u64" | "usize" => (0, i128::from(u64::MAX)),
        "i8" => (i128::from(i8::MIN), i128::from(i8::MAX)),
        "i16" => (i128::from(i16::MIN), i128::from(i16::MAX)),
        "i32" => (i128::from(i32::MIN), i128::from(i32::MAX)),
        "i64" | "isize" => (i128::from(i64::MIN), i128::from(i64::MAX)),
        "a boolean" => return "true or false".to_owned(),
        _ => return expected,
    };
    format!("a whole number from {least} to {most}")
}

fn unknown(what: &str, name: &str, known: &'static [&'static str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("there is no {what} `{name}`; did you mean `{meant}`?"),
        None if known.is_empty() => format!("there is no {what} `{name}` here, and no other"),
        None => format!("there is no {what} `{name}`; there are {}", known.join(", ")),
    }
}

/// Reads one node.
struct Reader<'t> {
    node: &'t Node,
    path: String,
    unknown: &'t RefCell<Vec<Problem>>,
}

impl<'t> Reader<'t> {
    fn child(&self, node: &'t Node, path: String) -> Reader<'t> {
        Reader { node, path, unknown: self.unknown }
    }

    /// Says where the error is.
    fn located<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|error| error.at(&self.path))
    }

    /// The text of an environment variable or override, if the node is one.
    fn text(&self) -> Option<&'t str> {
        match &self.node.value {
            Value::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    fn table<'de, V: Visitor<'de>>(
        self,
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let Value::Table(table) = &self.node.value else { return self.deserialize_any(visitor) };
        let is_known = |key: &str| known.is_none_or(|known| known.contains(&key));
        for (key, node) in table.iter().filter(|(key, _)| !is_known(key)) {
            let message = unknown("key", key, known.unwrap_or_default());
            self.unknown.borrow_mut().push(Problem::new(
                below(&self.path, key),
                node.origin.clone(),
                message,
            ));
        }
        let entries = Entries { reader: &self, entries: table.iter(), known, value: None };
        self.located(visitor.visit_map(entries))
    }

    fn elements<'de, V: Visitor<'de>>(&self, items: &'t [Node], visitor: V) -> Result<V::Value, ReadError> {
        self.located(visitor.visit_seq(Elements { reader: self, items: items.iter().enumerate() }))
    }
}

/// Numbers: those of a file as they are, text by what is wanted.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $wanted:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            let Some(text) = self.text() else { return self.deserialize_any(visitor) };
            let read = match text.parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(de::Error::invalid_value(de::Unexpected::Str(text), &$wanted)),
            };
            self.located(read)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let read = match &self.node.value {
            Value::Table(_) => return self.table(None, visitor),
            Value::Array(items) => return self.elements(items, visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Text(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Bool(value) => visitor.visit_bool(*value),
            // The content of a variant; what else is removed, the reader around it skips.
            Value::Removed => Err(ReadError { kind: Kind::Removed, path: None }),
        };
        self.located(read)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Some(text) = self.text() else { return self.deserialize_any(visitor) };
        let read = match text {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            text => Err(de::Error::invalid_value(de::Unexpected::Str(text), &"true or false")),
        };
        self.located(read)
    }

    numbers! {
        deserialize_i8 visit_i64 i64, "a whole number";
        deserialize_i16 visit_i64 i64, "a whole number";
        deserialize_i32 visit_i64 i64, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_u8 visit_u64 u64, "a whole number of at least 0";
        deserialize_u16 visit_u64 u64, "a whole number of at least 0";
        deserialize_u32 visit_u64 u64, "a whole number of at least 0";
        deserialize_u64 visit_u64 u64, "a whole number of at least 0";
        deserialize_f32 visit_f64 f64, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Some(text) = self.text() else { return self.deserialize_any(visitor) };
        // A list in brackets is one as in TOML; without, what stands between commas.
        if text.starts_with('[') {
            let parsed = file::value(text, &self.node.origin);
            let Some(Node { value: Value::Array(items), .. }) = &parsed else {
                let error =
                    de::Error::invalid_value(de::Unexpected::Str(text), &"a list such as [\"a\", \"b\"]");
                return self.located(Err(error));
            };
            let list = Reader { node: self.node, path: self.path.clone(), unknown: self.unknown };
            return list.elements(items, visitor);
        }
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let items: Vec<Node> = parts
            .map(|part| Node { value: Value::Text(part.to_owned()), origin: self.node.origin.clone() })
            .collect();
        let list = Reader { node: self.node, path: self.path.clone(), unknown: self.unknown };
        list.elements(&items, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.table(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let read = match &self.node.value {
            Value::String(text) | Value::Text(text) => {
                let name: StrDeserializer<'_, ReadError> = text.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            Value::Table(table) if table.len() == 1 => visitor.visit_enum(Variant(&self)),
            Value::Table(_) => Err(de::Error::custom("has to have exactly one key, the name of the variant")),
            _ => return self.deserialize_any(visitor),
        };
        self.located(read)
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct map identifier ignored_any
    }
}

/// The entries of a table that are known.
struct Entries<'r, 't> {
    reader: &'r Reader<'t>,
    entries: btree_map::Iter<'t, String, Node>,
    known: Option<&'static [&'static str]>,
    value: Option<(&'t Node, String)>,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let is_known = |key: &str| self.known.is_none_or(|known| known.contains(&key));
        let Some((key, node)) = self.entries.find(|(key, node)| is_known(key) && !node.is_removed()) else {
            return Ok(None);
        };
        let path = below(&self.reader.path, key);
        let name: StrDeserializer<'_, ReadError> = key.as_str().into_deserializer();
        let read = seed.deserialize(name).map_err(|error| error.at(&path))?;
        self.value = Some((node, path));
        Ok(Some(read))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        let Some((node, path)) = self.value.take() else { unreachable!("a value follows its key") };
        let child = self.reader.child(node, path.clone());
        seed.deserialize(child).map_err(|error| error.at(&path))
    }
}

/// The elements of an array.
struct Elements<'r, 't, 'i> {
    reader: &'r Reader<'t>,
    items: std::iter::Enumerate<std::slice::Iter<'i, Node>>,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_, '_> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        let Some((at, node)) = self.items.find(|(_, node)| !node.is_removed()) else { return Ok(None) };
        let path = format!("{}[{at}]", self.reader.path);
        let element = Reader { node, path: path.clone(), unknown: self.reader.unknown };
        seed.deserialize(element).map(Some).map_err(|error| error.at(&path))
    }
}

/// A variant with content: a table with one key.
struct Variant<'r, 't>(&'r Reader<'t>);

impl<'de, 't> EnumAccess<'de> for Variant<'_, 't> {
    type Error = ReadError;
    type Variant = Content<'t>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'t>), ReadError> {
        let Value::Table(table) = &self.0.node.value else { unreachable!("made of tables only") };
        let Some((name, node)) = table.iter().next() else { unreachable!("made of tables with one key") };
        let key: StrDeserializer<'_, ReadError> = name.as_str().into_deserializer();
        let variant = seed.deserialize(key)?;
        Ok((variant, Content(self.0.child(node, below(&self.0.path, name)))))
    }
}

struct Content<'t>(Reader<'t>);

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Err(ReadError { kind: Kind::Other("takes no value".to_owned()), path: Some(self.0.path) })
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.0.table(Some(fields), visitor)
    }
}
