//! Prepared statements and what they give.

use std::rc::Rc;

use postgres_types::Type;

/// A statement that a connection has prepared.
#[derive(Debug)]
pub struct Statement {
    /// On its connection. Empty if it is sent anew each time.
    pub(super) name: Box<str>,
    pub(super) params: Box<[Type]>,
    pub(super) columns: Rc<[Column]>,
}

impl Statement {
    /// The types of its parameters, `$1` first.
    pub fn params(&self) -> &[Type] {
        &self.params
    }

    /// The columns of the rows it gives; none if it gives no rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub(super) name: Box<str>,
    pub(super) type_: Type,
    pub(super) table_oid: u32,
    pub(super) table_column: i16,
    pub(super) type_modifier: i32,
    /// Values are text: the result of the simple protocol.
    pub(super) is_text: bool,
}

impl Column {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its values.
    pub fn type_(&self) -> &Type {
        &self.type_
    }

    /// The table it comes from and its number there, if it is a column of a table as it is.
    pub fn table(&self) -> Option<(u32, i16)> {
        (self.table_oid != 0).then_some((self.table_oid, self.table_column))
    }

    /// The [modifier](https://www.postgresql.org/docs/current/catalog-pg-attribute.html) of its type: the length of a
    /// `varchar` plus four, for instance; -1 if it has none.
    pub fn type_modifier(&self) -> i32 {
        self.type_modifier
    }
}
