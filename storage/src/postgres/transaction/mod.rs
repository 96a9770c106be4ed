//! Transactions: begun, nested, committed, and rolled back when they are dropped.

mod advisory;
mod options;
mod savepoint;

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use corelane_runtime::{spawn, time};

pub use self::advisory::{AdvisoryKey, AdvisoryLock};
pub use self::options::{ATTEMPTS, Isolation, TransactionOptions};
pub use self::savepoint::Savepoint;
use super::client::{Checkout, Postgres};
use super::connection::Connection;
use super::error::{Kind, PgError};
use super::proto::Status;

/// Longest wait for a rollback that nobody awaits; then the connection is closed, which rolls back as well.
const ROLLBACK_MAX: Duration = Duration::from_secs(5);

/// A statement that was given up with its transaction has so long to end by itself before the server is asked to cancel it.
const LEFT_ALONE: Duration = Duration::from_millis(50);

/// # Transactions
impl Postgres {
    /// A transaction to be begun, with what it is to be like still to be said.
    pub fn transaction(&self) -> TransactionOptions {
        TransactionOptions::new(self.clone())
    }

    /// Begins a transaction as the database has them by default.
    ///
    /// ```no_run
    /// # use corelane_storage::postgres::{PgError, Postgres};
    /// # async fn example(postgres: Postgres) -> Result<(), PgError> {
    /// let tx = postgres.begin().await?;
    /// tx.execute("UPDATE accounts SET balance = balance - 10 WHERE id = $1", &[&1]).await?;
    /// tx.execute("UPDATE accounts SET balance = balance + 10 WHERE id = $1", &[&2]).await?;
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As the table of [`Postgres`] says.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn begin(&self) -> Result<Transaction, PgError> {
        self.transaction().begin().await
    }
}

/// An open transaction, on a connection of its own; it has all that [`Connection`] has.
///
/// Dropped without a [`commit`](Self::commit) it is rolled back in the background: the caller does not wait, and the
/// connection goes to the next only once the server has said that the transaction is over.
pub struct Transaction {
    /// `None` once it is over.
    checkout: Option<Checkout>,
    /// Serialization failures and deadlocks that the connection had seen before.
    met_before: u64,
}

impl Transaction {
    fn new(checkout: Checkout) -> Transaction {
        let met_before = checkout.stats().errors.rollback;
        Transaction { checkout: Some(checkout), met_before }
    }

    /// Makes what was done lasting.
    ///
    /// # Errors
    /// As [`Connection::query_one`]; [`is_rolled_back`](PgError::is_rolled_back) if a statement before had failed, so that there
    /// is nothing to commit. If the connection ends meanwhile it [may have been done](PgError::is_maybe_executed).
    ///
    /// # Cancellation
    /// May be dropped at any time: it may have been done.
    pub async fn commit(self) -> Result<(), PgError> {
        // What was issued and given up is part of the transaction, and may fail yet.
        self.idle().await;
        match self.status() {
            Status::Transaction => self.end("COMMIT").await,
            Status::Failed => {
                self.end("ROLLBACK").await?;
                Err(PgError::new(Kind::RolledBack))
            }
            Status::Idle if self.is_open() => {
                Err(PgError::new(Kind::Misuse("the transaction was ended by a statement of its own")))
            }
            Status::Idle => self.end("COMMIT").await,
        }
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// As [`Connection::query_one`]; also then nothing of it lasts.
    ///
    /// # Cancellation
    /// May be dropped at any time: it is rolled back all the same.
    pub async fn rollback(self) -> Result<(), PgError> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, sql: &'static str) -> Result<(), PgError> {
        self.batch_execute(sql).await?;
        // Given back by its own drop.
        drop(self.checkout.take());
        Ok(())
    }

    /// True if a statement of it has met another transaction: a serialization failure or a deadlock.
    fn met_another(&self) -> bool {
        self.stats().errors.rollback > self.met_before
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.checkout.as_ref().unwrap_or_else(|| unreachable!("it is there until the end"))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(checkout) = self.checkout.take() else { return };
        if checkout.is_open() && !checkout.is_clean() {
            undo(checkout, "ROLLBACK");
        }
    }
}

/// Ends what is open on a connection, in the background, and gives it back.
fn undo(checkout: Checkout, sql: &'static str) {
    let is_busy = checkout.in_flight() > 0;
    checkout.post(sql);
    drop(spawn(async move {
        if is_busy && time::timeout(LEFT_ALONE, checkout.idle()).await.is_err() {
            // If it does not arrive the wait below ends it.
            let _asked = checkout.cancel().await;
        }
        let _over = time::timeout(ROLLBACK_MAX, checkout.idle()).await;
        // The checkout's drop looks whether the connection is clean, and closes it if not.
        drop(checkout);
    }));
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("status", &self.status()).finish_non_exhaustive()
    }
}
