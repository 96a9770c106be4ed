//! A statement of the pool, with how long it may take and what is wanted of it.

use std::fmt;
use std::time::Duration;

use postgres_types::ToSql;

use super::Postgres;
use crate::postgres::error::PgError;
use crate::postgres::row::Row;
use crate::postgres::rows::Rows;

/// A statement to execute on one of a pool's shared connections. Nothing is sent before its result is awaited.
#[derive(Clone, Copy)]
#[must_use = "a statement is sent when its result is awaited"]
pub struct PoolQuery<'a> {
    postgres: &'a Postgres,
    sql: &'a str,
    params: &'a [&'a dyn ToSql],
    patience: Option<Duration>,
}

impl<'a> PoolQuery<'a> {
    pub(super) fn new(postgres: &'a Postgres, sql: &'a str, params: &'a [&'a dyn ToSql]) -> PoolQuery<'a> {
        let patience = postgres.config().connection.deadline;
        PoolQuery { postgres, sql, params, patience }
    }

    /// The longest wait for the answer, once there is a connection. Default
    /// [`Options::deadline`](crate::postgres::Options::deadline).
    pub fn deadline(mut self, patience: Duration) -> PoolQuery<'a> {
        self.patience = Some(patience);
        self
    }

    /// Executes it; the only row.
    ///
    /// # Errors
    /// As [`Postgres::query_one`].
    ///
    /// # Cancellation
    /// As [`Postgres::query_one`].
    pub async fn one(self) -> Result<Row, PgError> {
        self.all().await?.one()
    }

    /// Executes it; the only row, if there is one.
    ///
    /// # Errors
    /// As [`Postgres::query_one`].
    ///
    /// # Cancellation
    /// As [`Postgres::query_one`].
    pub async fn opt(self) -> Result<Option<Row>, PgError> {
        self.all().await?.opt()
    }

    /// Executes it; how many rows it was about.
    ///
    /// # Errors
    /// As [`Postgres::query_one`].
    ///
    /// # Cancellation
    /// As [`Postgres::query_one`].
    pub async fn execute(self) -> Result<u64, PgError> {
        Ok(self.all().await?.affected())
    }

    /// Executes it; all rows.
    ///
    /// # Errors
    /// As [`Postgres::query_one`].
    ///
    /// # Cancellation
    /// As [`Postgres::query_one`].
    pub async fn all(self) -> Result<Rows, PgError> {
        let PoolQuery { postgres, sql, params, patience } = self;
        super::fit_to_share(sql)?;
        postgres
            .on_shared(async |connection| {
                let query = connection.query(sql, params);
                match patience {
                    Some(patience) => query.deadline(patience).all().await,
                    None => query.no_deadline().all().await,
                }
            })
            .await
    }
}

impl fmt::Debug for PoolQuery<'_> {
    /// The statement; the parameters may be nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolQuery")
            .field("sql", &self.sql)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
