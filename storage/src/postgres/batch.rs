//! Many statements in one go.

use std::fmt;

use postgres_types::ToSql;

/// Statements to execute together: they leave in one write, and the server commits, flushes and answers once for all of
/// them, which takes it far less work than one by one.
///
/// Outside a transaction a batch is one of its own: if a statement fails, those before it are undone and those after it are
/// not executed.
///
/// ```no_run
/// use corelane_storage::postgres::Batch;
/// # use corelane_storage::postgres::{Connection, PgError};
///
/// # async fn example(connection: Connection, ids: Vec<i32>) -> Result<(), PgError> {
/// let mut batch = Batch::with_capacity(ids.len());
/// for id in &ids {
///     batch.push("SELECT id, name FROM users WHERE id = $1", &[id]);
/// }
/// for rows in connection.batch(&batch).await?.iter() {
///     let row = rows.one()?;
///     println!("{}: {}", row.get::<i32>(0), row.get::<&str>(1));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Batch<'a> {
    items: Vec<Item<'a>>,
    /// Of all statements, one after the other.
    params: Vec<&'a dyn ToSql>,
}

#[derive(Clone, Copy)]
struct Item<'a> {
    sql: &'a str,
    /// Where its parameters end; they start where those of the one before end.
    params_end: usize,
}

impl<'a> Batch<'a> {
    /// An empty one.
    pub fn new() -> Batch<'a> {
        Batch::default()
    }

    /// An empty one with room for so many statements of one parameter each.
    pub fn with_capacity(statements: usize) -> Batch<'a> {
        Batch { items: Vec::with_capacity(statements), params: Vec::with_capacity(statements) }
    }

    /// Appends a statement. The list of parameters may be a temporary one, what it refers to may not.
    pub fn push(&mut self, sql: &'a str, params: &[&'a dyn ToSql]) {
        self.params.extend_from_slice(params);
        self.items.push(Item { sql, params_end: self.params.len() });
    }

    /// How many statements it has.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Each statement with its parameters.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &[&'a dyn ToSql])> {
        let mut start = 0;
        self.items.iter().map(move |item| {
            let params = &self.params[start..item.params_end];
            start = item.params_end;
            (item.sql, params)
        })
    }
}

impl fmt::Debug for Batch<'_> {
    /// The statements; the parameters may be nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.items.iter().map(|item| item.sql)).finish()
    }
}
