//! A row and its values.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use postgres_types::{FromSql, Type};

use super::error::{ConvertError, Kind, PgError};
use super::proto::Values;
use super::statement::Column;

/// A row. It shares the memory of the result it came with; values are read where they are.
///
/// ```no_run
/// # use corelane_storage::postgres::{Connection, PgError};
/// # async fn example(connection: Connection) -> Result<(), PgError> {
/// let row = connection.query_one("SELECT name, age FROM users WHERE id = $1", &[&17]).await?;
/// let name: &str = row.get("name");
/// let age: Option<i32> = row.get(1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Row {
    data: Rc<[u8]>,
    /// Where its values are in `data`. Invariant: `start <= end <= data.len()`.
    start: u32,
    end: u32,
    columns: Rc<[Column]>,
    /// A column and where its length is in `data`: columns asked for in order are found at once.
    place: Cell<(u32, u32)>,
}

impl Row {
    pub(super) fn new(data: Rc<[u8]>, start: u32, end: u32, columns: Rc<[Column]>) -> Row {
        Row { data, start, end, columns, place: Cell::new((0, start)) }
    }

    /// How many columns it has.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Its columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The value of a column, named by its number from zero or by its name.
    ///
    /// # Panics
    /// If there is no such column, or its value does not become a `T`; the message says which, and what it is. What depends
    /// on more than this program's text is read with [`try_get`](Self::try_get).
    #[inline]
    #[track_caller]
    pub fn get<'a, T: FromSql<'a>>(&'a self, column: impl ColumnIndex) -> T {
        match self.try_get(column) {
            Ok(value) => value,
            Err(error) => fail(&error),
        }
    }

    /// The value of a column, named by its number from zero or by its name. An `Option` takes a null as well.
    ///
    /// # Errors
    /// [`is_conversion`](PgError::is_conversion) if there is no such column, or its value does not become a `T`.
    #[inline]
    pub fn try_get<'a, T: FromSql<'a>>(&'a self, column: impl ColumnIndex) -> Result<T, PgError> {
        let Some(index) = column.index(&self.columns) else { return Err(self.no_column::<T>(&column)) };
        let about = &self.columns[index];
        if !T::accepts(&about.type_) || about.is_text {
            return Err(wrong_type::<T>(about));
        }
        let value = match self.value(index) {
            Some(bytes) => T::from_sql(&about.type_, bytes),
            None => T::from_sql_null(&about.type_),
        };
        value.map_err(|source| wrong_value::<T>(about, source))
    }

    /// A value as it came: in the binary format of its type, or as text from the [simple protocol](super::Connection::simple).
    /// `None` if it is null, or there is no such column.
    #[inline]
    pub fn raw(&self, column: impl ColumnIndex) -> Option<&[u8]> {
        self.value(column.index(&self.columns)?)
    }

    /// A value that came as text. `None` if it is null, is not text, or there is no such column.
    pub fn text(&self, column: impl ColumnIndex) -> Option<&str> {
        std::str::from_utf8(self.raw(column)?).ok()
    }

    /// The value of a column that there is.
    #[inline]
    fn value(&self, index: usize) -> Option<&[u8]> {
        let index = u32::try_from(index).ok()?;
        let (mut at, mut place) = self.place.get();
        if index < at {
            (at, place) = (0, self.start);
        }
        let row = &self.data[..self.end as usize];
        let mut values = Values::new(&row[place as usize..]);
        while at < index {
            values.next()?;
            at += 1;
        }
        let left = u32::try_from(values.rest().len()).ok()?;
        self.place.set((index, self.end - left));
        values.next()?
    }

    #[cold]
    fn no_column<T>(&self, column: &impl ColumnIndex) -> PgError {
        let names: Vec<&str> = self.columns.iter().map(Column::name).collect();
        PgError::new(Kind::Convert(Arc::new(ConvertError {
            column: column.describe(),
            found: format!("a row of the columns {names:?} has no such column and"),
            wanted: std::any::type_name::<T>(),
            source: None,
        })))
    }
}

#[cold]
#[track_caller]
fn fail(error: &PgError) -> ! {
    match std::error::Error::source(error) {
        Some(source) => panic!("{error}: {source}"),
        None => panic!("{error}"),
    }
}

#[cold]
fn wrong_type<T>(column: &Column) -> PgError {
    let found =
        if column.is_text { "text of the simple protocol".to_owned() } else { type_name(&column.type_) };
    PgError::new(Kind::Convert(Arc::new(ConvertError {
        column: format!("{:?}", column.name),
        found,
        wanted: std::any::type_name::<T>(),
        source: None,
    })))
}

#[cold]
fn wrong_value<T>(column: &Column, source: Box<dyn std::error::Error + Send + Sync>) -> PgError {
    let found = if source.is::<postgres_types::WasNull>() {
        format!("a null {}", column.type_.name())
    } else {
        type_name(&column.type_)
    };
    PgError::new(Kind::Convert(Arc::new(ConvertError {
        column: format!("{:?}", column.name),
        found,
        wanted: std::any::type_name::<T>(),
        source: Some(source),
    })))
}

fn type_name(type_: &Type) -> String {
    match type_.schema() {
        "pg_catalog" | "" => type_.name().to_owned(),
        schema => format!("{schema}.{}", type_.name()),
    }
}

impl fmt::Debug for Row {
    /// The names of the columns; the values may be nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns.iter().map(Column::name)).finish()
    }
}

/// What names a column: a `usize` from zero, or a name exactly as the server gives it. The first column of that name
/// counts.
pub trait ColumnIndex: sealed::Sealed {
    #[doc(hidden)]
    fn index(&self, columns: &[Column]) -> Option<usize>;
    #[doc(hidden)]
    fn describe(&self) -> String;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl Sealed for str {}
    impl Sealed for String {}
    impl<T: Sealed + ?Sized> Sealed for &T {}
}

impl ColumnIndex for usize {
    #[inline]
    fn index(&self, columns: &[Column]) -> Option<usize> {
        (*self < columns.len()).then_some(*self)
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl ColumnIndex for str {
    #[inline]
    fn index(&self, columns: &[Column]) -> Option<usize> {
        columns.iter().position(|column| &*column.name == self)
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}

impl ColumnIndex for String {
    fn index(&self, columns: &[Column]) -> Option<usize> {
        self.as_str().index(columns)
    }

    fn describe(&self) -> String {
        self.as_str().describe()
    }
}

impl<T: ColumnIndex + ?Sized> ColumnIndex for &T {
    #[inline]
    fn index(&self, columns: &[Column]) -> Option<usize> {
        (**self).index(columns)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}
