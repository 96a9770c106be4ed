//! The answer to a statement, and to a batch of them.

use std::rc::Rc;

use smallvec::SmallVec;

use super::error::{Kind, PgError};
use super::row::Row;
use super::statement::{Column, Statement};

/// Bytes before a row: how many it has.
const ROW_HEADER: u32 = 4;

/// The rows that a statement gave, in one piece of memory, and how many it changed.
///
/// ```no_run
/// # use corelane_storage::postgres::{Connection, PgError};
/// # async fn example(connection: Connection) -> Result<(), PgError> {
/// for row in &connection.query_all("SELECT name FROM users", &[]).await? {
///     println!("{}", row.get::<&str>(0));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Rows {
    /// `None` if there are no rows.
    data: Option<Rc<[u8]>>,
    columns: Rc<[Column]>,
    /// Where the rows begin in `data`, each with its length before it.
    start: u32,
    len: usize,
    affected: u64,
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many rows the statement says that it inserted, changed, deleted, found or copied.
    pub fn affected(&self) -> u64 {
        self.affected
    }

    /// The columns; none if the statement gives no rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The first row.
    pub fn first(&self) -> Option<Row> {
        self.iter().next()
    }

    /// A row by its number. Walks over those before it: to take many in any order, collect them into a `Vec`.
    pub fn get(&self, index: usize) -> Option<Row> {
        self.iter().nth(index)
    }

    /// The rows, in order.
    pub fn iter(&self) -> RowIter<'_> {
        RowIter { rows: self, at: self.start, left: self.len }
    }

    /// The only row.
    ///
    /// # Errors
    /// [`is_row_count`](PgError::is_row_count) if there is none, or more than one.
    pub fn one(&self) -> Result<Row, PgError> {
        match self.first() {
            Some(row) if self.len == 1 => Ok(row),
            _ => Err(PgError::new(Kind::RowCount { exactly: true, got: self.len })),
        }
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    /// [`is_row_count`](PgError::is_row_count) if there are more.
    pub fn opt(&self) -> Result<Option<Row>, PgError> {
        if self.len > 1 {
            return Err(PgError::new(Kind::RowCount { exactly: false, got: self.len }));
        }
        Ok(self.first())
    }

    /// The row at `at`, and where the next one is.
    #[inline]
    fn row_at(&self, at: u32) -> Option<(Row, u32)> {
        let data = self.data.as_ref()?;
        let length = data.get(at as usize..)?.first_chunk().map(|length| u32::from_ne_bytes(*length))?;
        let start = at + ROW_HEADER;
        let end = start + length;
        Some((Row::new(Rc::clone(data), start, end, Rc::clone(&self.columns)), end))
    }
}

/// Goes through [`Rows`].
#[derive(Debug, Clone)]
pub struct RowIter<'a> {
    rows: &'a Rows,
    at: u32,
    left: usize,
}

impl Iterator for RowIter<'_> {
    type Item = Row;

    #[inline]
    fn next(&mut self) -> Option<Row> {
        self.left = self.left.checked_sub(1)?;
        let (row, next) = self.rows.row_at(self.at)?;
        self.at = next;
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for RowIter<'_> {}

/// Goes through [`Rows`] that it owns.
#[derive(Debug, Clone)]
pub struct IntoRows {
    rows: Rows,
    at: u32,
    left: usize,
}

impl Iterator for IntoRows {
    type Item = Row;

    #[inline]
    fn next(&mut self) -> Option<Row> {
        self.left = self.left.checked_sub(1)?;
        let (row, next) = self.rows.row_at(self.at)?;
        self.at = next;
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for IntoRows {}

impl<'a> IntoIterator for &'a Rows {
    type Item = Row;
    type IntoIter = RowIter<'a>;

    fn into_iter(self) -> RowIter<'a> {
        self.iter()
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = IntoRows;

    fn into_iter(self) -> IntoRows {
        IntoRows { at: self.start, left: self.len, rows: self }
    }
}

/// A statement, executed so many times in a row.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) statement: Rc<Statement>,
    pub(super) times: u32,
}

/// The statements of a call, in order.
pub(super) type Runs = SmallVec<[Run; 1]>;

/// What one execution gave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Executed {
    /// Where its rows end in the answer's data; they start where those of the one before end.
    pub(super) end: u32,
    pub(super) rows: u32,
    pub(super) affected: u64,
}

/// The answers to the statements of a [`Batch`](super::Batch), in its order.
///
/// All rows of all statements are in one piece of memory.
#[derive(Debug, Clone)]
pub struct BatchRows {
    pub(super) data: Option<Rc<[u8]>>,
    pub(super) runs: Runs,
    pub(super) executed: SmallVec<[Executed; 1]>,
    /// Descriptions that came with the rows, in place of those known before: one per execution, or none at all.
    pub(super) fresh: Vec<Option<Rc<[Column]>>>,
}

impl BatchRows {
    /// How many statements were executed.
    pub fn len(&self) -> usize {
        self.executed.len()
    }

    /// True if the batch was empty.
    pub fn is_empty(&self) -> bool {
        self.executed.is_empty()
    }

    /// The answer to a statement by its place in the batch.
    pub fn get(&self, index: usize) -> Option<Rows> {
        let executed = self.executed.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.executed[before].end,
            None => 0,
        };
        let columns = match self.fresh.get(index) {
            Some(Some(fresh)) => Rc::clone(fresh),
            _ => Rc::clone(&self.statement(index)?.columns),
        };
        let data = if executed.rows == 0 { None } else { self.data.clone() };
        let (len, affected) = (executed.rows as usize, executed.affected);
        Some(Rows { data, columns, start, len, affected })
    }

    fn statement(&self, index: usize) -> Option<&Statement> {
        let mut before = 0;
        for run in &self.runs {
            before += run.times as usize;
            if index < before {
                return Some(&run.statement);
            }
        }
        None
    }

    /// The answers, in the order of the statements.
    pub fn iter(&self) -> impl Iterator<Item = Rows> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The answer to the only statement.
    #[inline]
    pub(super) fn into_single(mut self) -> Rows {
        let executed = self.executed.first().copied();
        let columns = match (self.fresh.pop().flatten(), self.runs.pop()) {
            (Some(fresh), _) => fresh,
            (None, Some(run)) => Rc::clone(&run.statement.columns),
            (None, None) => unreachable!("a call has a statement"),
        };
        let (rows, affected) = executed.map_or((0, 0), |executed| (executed.rows, executed.affected));
        Rows { data: self.data, columns, start: 0, len: rows as usize, affected }
    }
}

impl Rows {
    /// Rows of the simple protocol or of a stream.
    pub(super) fn from_parts(data: &[u8], columns: Rc<[Column]>, len: usize, affected: u64) -> Rows {
        let data = if len == 0 { None } else { Some(Rc::from(data)) };
        Rows { data, columns, start: 0, len, affected }
    }
}

/// Appends a row as [`Rows`] has it.
#[inline]
pub(super) fn push_row(data: &mut Vec<u8>, values: &[u8]) {
    let length = u32::try_from(values.len()).unwrap_or(u32::MAX);
    data.extend_from_slice(&length.to_ne_bytes());
    data.extend_from_slice(values);
}
