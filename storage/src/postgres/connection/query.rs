//! A statement, with how long it may take and what is wanted of it.

use std::time::Duration;

use postgres_types::ToSql;

use super::{Connection, call};
use crate::postgres::error::PgError;
use crate::postgres::row::Row;
use crate::postgres::rows::Rows;

/// A statement to execute. Nothing is sent before its result is awaited.
///
/// ```no_run
/// # use corelane_storage::postgres::{Connection, PgError};
/// # use std::time::Duration;
/// # async fn example(connection: Connection) -> Result<(), PgError> {
/// let report = connection.query("SELECT * FROM report($1)", &[&2026]).deadline(Duration::from_secs(60)).all().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
#[must_use = "a statement is sent when its result is awaited"]
pub struct Query<'a> {
    connection: &'a Connection,
    sql: &'a str,
    params: &'a [&'a dyn ToSql],
    patience: Option<Duration>,
}

impl<'a> Query<'a> {
    pub(super) fn new(connection: &'a Connection, sql: &'a str, params: &'a [&'a dyn ToSql]) -> Query<'a> {
        Query { connection, sql, params, patience: connection.patience() }
    }

    /// The longest wait for the answer. Default [`Options::deadline`](crate::postgres::Options::deadline).
    pub fn deadline(mut self, patience: Duration) -> Query<'a> {
        self.patience = Some(patience);
        self
    }

    /// Waits for as long as the connection lives.
    pub fn no_deadline(mut self) -> Query<'a> {
        self.patience = None;
        self
    }

    /// Executes it; the only row.
    ///
    /// # Errors
    /// As [`Connection::query_one`].
    ///
    /// # Cancellation
    /// As [`Connection::query_one`].
    pub async fn one(self) -> Result<Row, PgError> {
        self.all().await?.one()
    }

    /// Executes it; the only row, if there is one.
    ///
    /// # Errors
    /// As [`Connection::query_opt`].
    ///
    /// # Cancellation
    /// As [`Connection::query_one`].
    pub async fn opt(self) -> Result<Option<Row>, PgError> {
        self.all().await?.opt()
    }

    /// Executes it; all rows.
    ///
    /// # Errors
    /// As [`Connection::query_all`].
    ///
    /// # Cancellation
    /// As [`Connection::query_one`].
    pub async fn all(self) -> Result<Rows, PgError> {
        call::single(self.connection, self.sql, self.params, self.patience).await
    }

    /// Executes it; how many rows it was about.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    ///
    /// # Cancellation
    /// As [`Connection::query_one`].
    pub async fn execute(self) -> Result<u64, PgError> {
        Ok(self.all().await?.affected())
    }
}

impl std::fmt::Debug for Query<'_> {
    /// The statement; the parameters may be nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("sql", &self.sql)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
