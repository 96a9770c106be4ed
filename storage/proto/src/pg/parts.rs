//! What messages are made of. All of it was checked to its end when the message was decoded.

use super::error::DecodeError;
use super::read::Reader;

/// The values of a row, each with its length before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowBody<'a> {
    body: &'a [u8],
}

impl<'a> RowBody<'a> {
    #[inline]
    pub(super) fn parse(body: &'a [u8]) -> Result<RowBody<'a>, DecodeError> {
        let mut reader = Reader::new(b'D', body);
        for _ in 0..reader.u16()? {
            let length = reader.i32()?;
            if length >= 0 {
                // Not negative.
                reader.bytes(length.unsigned_abs() as usize)?;
            } else if length != -1 {
                return Err(reader.wrong("a value has a negative length"));
            }
        }
        reader.end()?;
        Ok(RowBody { body })
    }

    /// How many values it has.
    #[inline]
    pub fn len(&self) -> usize {
        self.body.first_chunk().map_or(0, |count| usize::from(u16::from_be_bytes(*count)))
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values, `None` for a null.
    #[inline]
    pub fn values(&self) -> Values<'a> {
        Values::new(self.values_bytes())
    }

    /// The values as they came: four bytes of length, big-endian, and so many bytes, or a length of -1 for a null.
    #[inline]
    pub fn values_bytes(&self) -> &'a [u8] {
        self.body.get(2..).unwrap_or_default()
    }
}

/// The values of a row, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    /// Goes through what [`RowBody::values_bytes`] gave, or a tail of it that begins with a length. Ends where the bytes
    /// are not that.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Values<'a> {
        Values { rest: bytes }
    }

    /// Bytes that were not gone through.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<&'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, rest) = rest.split_at_checked(length)?;
                self.rest = rest;
                Some(Some(value))
            }
            Err(_) => {
                self.rest = rest;
                Some(None)
            }
        }
    }
}

/// The columns of a result.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    body: &'a [u8],
    left: u16,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
    /// The table it comes from; zero if none.
    pub table_oid: u32,
    /// Its number in that table; zero if none.
    pub table_column: i16,
    /// Its type.
    pub type_oid: u32,
    /// The type's modifier.
    pub type_modifier: i32,
    /// Values come in the binary format.
    pub is_binary: bool,
}

impl<'a> Columns<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Columns<'a>, DecodeError> {
        let mut reader = Reader::new(b'T', body);
        let left = reader.u16()?;
        let columns = Columns { body: reader.rest(), left };
        for _ in 0..left {
            Columns::column(&mut reader)?;
        }
        reader.end()?;
        Ok(columns)
    }

    fn column(reader: &mut Reader<'a>) -> Result<Column<'a>, DecodeError> {
        let name = reader.text()?;
        let (table_oid, table_column, type_oid) = (reader.u32()?, reader.i16()?, reader.u32()?);
        let _type_size = reader.i16()?;
        let type_modifier = reader.i32()?;
        let is_binary = match reader.i16()? {
            0 => false,
            1 => true,
            _ => return Err(reader.wrong("a column is neither text nor binary")),
        };
        Ok(Column { name, table_oid, table_column, type_oid, type_modifier, is_binary })
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = Column<'a>;

    fn next(&mut self) -> Option<Column<'a>> {
        self.left = self.left.checked_sub(1)?;
        let mut reader = Reader::new(b'T', self.body);
        // All were read once when the message was decoded.
        let column = Columns::column(&mut reader).ok()?;
        self.body = reader.rest();
        Some(column)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

/// The types of parameters.
#[derive(Clone, Copy, Debug)]
pub struct Oids<'a> {
    body: &'a [u8],
}

impl<'a> Oids<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Oids<'a>, DecodeError> {
        let mut reader = Reader::new(b't', body);
        let count = usize::from(reader.u16()?);
        let body = reader.bytes(count * 4)?;
        reader.end()?;
        Ok(Oids { body })
    }
}

impl Iterator for Oids<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (oid, rest) = self.body.split_first_chunk()?;
        self.body = rest;
        Some(u32::from_be_bytes(*oid))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.body.len() / 4, Some(self.body.len() / 4))
    }
}

/// The fields of an error or notice.
///
/// See [Error and Notice Message Fields](https://www.postgresql.org/docs/current/protocol-error-fields.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Without the zero byte at its end. Invariant: every field is a byte other than zero, and a text that a zero ends.
    body: &'a [u8],
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Which: `S` for the severity, `C` for the SQLSTATE, `M` for the message.
    pub kind: u8,
    /// What it says. Usually UTF-8, but for errors of the time before an encoding was agreed on.
    pub text: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn parse(tag: u8, body: &'a [u8]) -> Result<Fields<'a>, DecodeError> {
        let mut reader = Reader::new(tag, body);
        loop {
            let before = reader.rest().len();
            if reader.u8()? == 0 {
                reader.end()?;
                return Ok(Fields { body: &body[..body.len() - before] });
            }
            reader.text_bytes()?;
        }
    }

    /// The fields as they came: a byte that says which, a text, a zero byte, and so on.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.body
    }

    /// The text of one field.
    pub fn get(&self, kind: u8) -> Option<&'a [u8]> {
        let mut fields = *self;
        fields.find(|field| field.kind == kind).map(|field| field.text)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let (&kind, rest) = self.body.split_first()?;
        let end = memchr::memchr(0, rest)?;
        self.body = &rest[end + 1..];
        Some(Field { kind, text: &rest[..end] })
    }
}

/// The names of SASL mechanisms.
#[derive(Clone, Copy, Debug)]
pub struct Mechanisms<'a> {
    body: &'a [u8],
}

impl<'a> Mechanisms<'a> {
    pub(super) fn parse(mut reader: Reader<'a>) -> Result<Mechanisms<'a>, DecodeError> {
        let body = reader.rest();
        while !reader.text()?.is_empty() {}
        reader.end()?;
        Ok(Mechanisms { body })
    }
}

impl<'a> Iterator for Mechanisms<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = memchr::memchr(0, self.body)?;
        let name = std::str::from_utf8(&self.body[..end]).ok()?;
        self.body = &self.body[end + 1..];
        (!name.is_empty()).then_some(name)
    }
}
