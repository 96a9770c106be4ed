//! Transactions within transactions.

use std::fmt;
use std::ops::Deref;

use super::Transaction;
use crate::postgres::connection::Connection;
use crate::postgres::error::PgError;

/// A part of a transaction that can be undone by itself: a [savepoint](https://www.postgresql.org/docs/15/sql-savepoint.html).
///
/// Dropped without a [`release`](Self::release) it is rolled back; the caller does not wait for that, and what the
/// transaction issues next comes after it.
pub struct Savepoint<'a> {
    connection: &'a Connection,
    depth: u32,
    is_over: bool,
}

impl Transaction {
    /// Begins a part that can be undone by itself.
    ///
    /// # Errors
    /// As [`Connection::query_one`].
    ///
    /// # Cancellation
    /// May be dropped at any time. The savepoint may be there then, which does no harm.
    pub async fn savepoint(&mut self) -> Result<Savepoint<'_>, PgError> {
        Savepoint::begin(self, 1).await
    }

    /// Calls `work` in a part of its own, keeps what it did if it gives `Ok`, and undoes it if not.
    ///
    /// ```no_run
    /// # use corelane_storage::postgres::{PgError, Transaction};
    /// # async fn example(mut tx: Transaction) -> Result<(), PgError> {
    /// let known = tx
    ///     .nested(async |part| part.execute("INSERT INTO tags VALUES ($1)", &[&"new"]).await)
    ///     .await
    ///     .is_err_and(|error| error.is_unique_violation());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `work`, and of the savepoint.
    ///
    /// # Cancellation
    /// May be dropped at any time; the part is undone.
    pub async fn nested<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        E: From<PgError>,
        F: AsyncFnOnce(&mut Savepoint<'_>) -> Result<T, E>,
    {
        let mut savepoint = self.savepoint().await?;
        let value = work(&mut savepoint).await?;
        savepoint.release().await?;
        Ok(value)
    }
}

impl Savepoint<'_> {
    async fn begin(connection: &Connection, depth: u32) -> Result<Savepoint<'_>, PgError> {
        connection.batch_execute(&format!("SAVEPOINT corelane_{depth}")).await?;
        Ok(Savepoint { connection, depth, is_over: false })
    }

    /// Begins a part of this part.
    ///
    /// # Errors
    /// As [`Connection::query_one`].
    ///
    /// # Cancellation
    /// As [`Transaction::savepoint`].
    pub async fn savepoint(&mut self) -> Result<Savepoint<'_>, PgError> {
        Savepoint::begin(self.connection, self.depth + 1).await
    }

    /// Keeps what was done, as a part of the transaction.
    ///
    /// # Errors
    /// As [`Connection::query_one`]; the server's, if a statement before had failed. Then the part is undone.
    ///
    /// # Cancellation
    /// May be dropped at any time; the part is undone, unless it was kept already.
    pub async fn release(mut self) -> Result<(), PgError> {
        self.connection.batch_execute(&format!("RELEASE SAVEPOINT corelane_{}", self.depth)).await?;
        self.is_over = true;
        Ok(())
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// As [`Connection::query_one`].
    ///
    /// # Cancellation
    /// May be dropped at any time; it is undone all the same.
    pub async fn rollback(mut self) -> Result<(), PgError> {
        self.connection.batch_execute(&self.undo()).await?;
        self.is_over = true;
        Ok(())
    }

    fn undo(&self) -> String {
        let depth = self.depth;
        format!("ROLLBACK TO SAVEPOINT corelane_{depth}; RELEASE SAVEPOINT corelane_{depth}")
    }
}

impl Deref for Savepoint<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.post(&self.undo());
        }
    }
}

impl fmt::Debug for Savepoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("depth", &self.depth).finish_non_exhaustive()
    }
}
