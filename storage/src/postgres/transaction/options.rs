//! What a transaction is to be like.

use std::time::Duration;

use corelane_runtime::time;

use super::Transaction;
use crate::backoff::Backoff;
use crate::postgres::client::Postgres;
use crate::postgres::error::PgError;

/// How often the work of a transaction is tried, unless told otherwise, when it meets others: see [`TransactionOptions::run`].
pub const ATTEMPTS: u32 = 8;

/// What of other transactions a transaction sees: PostgreSQL's
/// [isolation levels](https://www.postgresql.org/docs/15/transaction-iso.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All see what was committed before the first began.
    RepeatableRead,
    /// As if transactions were executed one after the other; what cannot be put in order fails, to be repeated.
    Serializable,
}

/// A transaction to be begun. From [`Postgres::transaction`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before it is begun"]
pub struct TransactionOptions {
    postgres: Postgres,
    isolation: Option<Isolation>,
    read_only: Option<bool>,
    deferrable: bool,
    attempts: u32,
}

impl TransactionOptions {
    pub(super) fn new(postgres: Postgres) -> TransactionOptions {
        TransactionOptions {
            postgres,
            isolation: None,
            read_only: None,
            deferrable: false,
            attempts: ATTEMPTS,
        }
    }

    /// The isolation level. Default: what the database has as default, mostly read committed.
    pub fn isolation(mut self, isolation: Isolation) -> TransactionOptions {
        self.isolation = Some(isolation);
        self
    }

    /// Nothing may be written.
    pub fn read_only(mut self) -> TransactionOptions {
        self.read_only = Some(true);
        self
    }

    /// Something may be written, even if the default says otherwise.
    pub fn read_write(mut self) -> TransactionOptions {
        self.read_only = Some(false);
        self
    }

    /// A serializable transaction that only reads waits until it can neither fail nor make others fail.
    pub fn deferrable(mut self) -> TransactionOptions {
        self.deferrable = true;
        self
    }

    /// How often [`run`](Self::run) tries. Default [`ATTEMPTS`]; at least once.
    pub fn attempts(mut self, attempts: u32) -> TransactionOptions {
        self.attempts = attempts.max(1);
        self
    }

    fn sql(&self) -> String {
        let mut sql = "BEGIN".to_owned();
        sql.push_str(match self.isolation {
            None => "",
            Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
            Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
            Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
        });
        sql.push_str(match self.read_only {
            None => "",
            Some(true) => " READ ONLY",
            Some(false) => " READ WRITE",
        });
        if self.deferrable {
            sql.push_str(" DEFERRABLE");
        }
        sql
    }

    /// Takes a connection and begins.
    ///
    /// # Errors
    /// As the table of [`Postgres`] says; the server's, if it has no such transactions (a standby is never
    /// serializable).
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn begin(&self) -> Result<Transaction, PgError> {
        let checkout = self.postgres.checkout().await?;
        let transaction = Transaction::new(checkout);
        transaction.batch_execute(&self.sql()).await?;
        Ok(transaction)
    }

    /// Begins, calls `work`, and commits if it gives `Ok`, else rolls back. If it met another transaction (a serialization
    /// failure or a deadlock, in a statement or in the commit), all of it is done again from the beginning, up to
    /// [`attempts`](Self::attempts) times with growing pauses: what `work` does besides must do no harm twice.
    ///
    /// ```no_run
    /// # use corelane_storage::postgres::{Isolation, PgError, Postgres};
    /// # async fn example(postgres: Postgres) -> Result<(), PgError> {
    /// let left: i64 = postgres
    ///     .transaction()
    ///     .isolation(Isolation::Serializable)
    ///     .run(async |tx| {
    ///         let row = tx.query_one("SELECT stock FROM goods WHERE id = $1", &[&7]).await?;
    ///         let left = row.get::<i64>(0) - 1;
    ///         tx.execute("UPDATE goods SET stock = $2 WHERE id = $1", &[&7, &left]).await?;
    ///         Ok::<_, PgError>(left)
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `work`, and of the transaction's begin and commit.
    ///
    /// # Cancellation
    /// May be dropped at any time: the transaction is rolled back, unless its commit was under way, which may have been done.
    pub async fn run<T, E, F>(&self, mut work: F) -> Result<T, E>
    where
        E: From<PgError>,
        F: AsyncFnMut(&mut Transaction) -> Result<T, E>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(250));
        let mut attempt = 1;
        loop {
            let mut transaction = self.begin().await?;
            let (error, repeat) = match work(&mut transaction).await {
                Ok(value) => match transaction.commit().await {
                    Ok(()) => return Ok(value),
                    Err(error) => {
                        let repeat = error.is_serialization_failure() || error.is_deadlock();
                        (E::from(error), repeat)
                    }
                },
                Err(error) => {
                    let repeat = transaction.met_another();
                    drop(transaction);
                    (error, repeat)
                }
            };
            if !repeat || attempt >= self.attempts {
                return Err(error);
            }
            attempt += 1;
            time::sleep(backoff.next_wait()).await;
        }
    }
}
