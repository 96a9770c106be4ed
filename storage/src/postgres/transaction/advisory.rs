//! Locks that mean what the program says they mean.

use std::fmt;
use std::time::Duration;

use super::{Transaction, undo};
use crate::postgres::client::{Checkout, Postgres};
use crate::postgres::error::PgError;

/// What an [advisory lock](https://www.postgresql.org/docs/15/explicit-locking.html#ADVISORY-LOCKS) is on: a number that the
/// programs which use a database agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdvisoryKey(i64);

impl AdvisoryKey {
    /// This number.
    pub const fn new(key: i64) -> AdvisoryKey {
        AdvisoryKey(key)
    }

    /// A number for a name: its FNV-1a hash of 64 bits, which stays the same for all time.
    ///
    /// ```
    /// use corelane_storage::postgres::AdvisoryKey;
    ///
    /// const NIGHTLY: AdvisoryKey = AdvisoryKey::named("nightly report");
    /// assert_ne!(NIGHTLY, AdvisoryKey::named("hourly report"));
    /// ```
    pub const fn named(name: &str) -> AdvisoryKey {
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            at += 1;
        }
        AdvisoryKey(hash.cast_signed())
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// A lock that is held until this is dropped or [released](Self::release), on a connection of its own. If that ends, the
/// lock is gone.
pub struct AdvisoryLock {
    /// `None` once it is over.
    checkout: Option<Checkout>,
}

/// # Advisory locks
impl Postgres {
    /// Takes a lock, which nobody else in the database has then, waiting up to `wait` for it.
    ///
    /// # Errors
    /// As the table of [`Postgres`] says; [`is_deadline`](PgError::is_deadline) if it was not to be had within `wait`.
    ///
    /// # Cancellation
    /// May be dropped at any time; the lock is not held then.
    pub async fn advisory_lock(&self, key: AdvisoryKey, wait: Duration) -> Result<AdvisoryLock, PgError> {
        let lock = AdvisoryLock { checkout: Some(self.checkout().await?) };
        lock.connection().query("SELECT pg_advisory_lock($1)", &[&key.0]).deadline(wait).one().await?;
        Ok(lock)
    }

    /// Takes a lock if nobody has it.
    ///
    /// # Errors
    /// As the table of [`Postgres`] says.
    ///
    /// # Cancellation
    /// As [`advisory_lock`](Self::advisory_lock).
    pub async fn try_advisory_lock(&self, key: AdvisoryKey) -> Result<Option<AdvisoryLock>, PgError> {
        let lock = AdvisoryLock { checkout: Some(self.checkout().await?) };
        let row = lock.connection().query_one("SELECT pg_try_advisory_lock($1)", &[&key.0]).await?;
        Ok(row.try_get::<bool>(0)?.then_some(lock))
    }
}

impl Transaction {
    /// Takes a lock that is held until the transaction is over. It waits for as long as a statement may take.
    ///
    /// # Errors
    /// As [`Connection::query_one`](crate::postgres::Connection::query_one).
    ///
    /// # Cancellation
    /// May be dropped at any time; the lock may be held then.
    pub async fn advisory_lock(&self, key: AdvisoryKey) -> Result<(), PgError> {
        self.query_one("SELECT pg_advisory_xact_lock($1)", &[&key.0]).await.map(drop)
    }

    /// Takes a lock that is held until the transaction is over, if nobody has it.
    ///
    /// # Errors
    /// As [`advisory_lock`](Self::advisory_lock).
    ///
    /// # Cancellation
    /// As [`advisory_lock`](Self::advisory_lock).
    pub async fn try_advisory_lock(&self, key: AdvisoryKey) -> Result<bool, PgError> {
        self.query_one("SELECT pg_try_advisory_xact_lock($1)", &[&key.0]).await?.try_get(0)
    }
}

impl AdvisoryLock {
    /// False once its connection has ended, as far as is known, and the lock with it.
    pub fn is_held(&self) -> bool {
        self.connection().is_open()
    }

    /// The connection that holds it.
    pub fn connection(&self) -> &Checkout {
        self.checkout.as_ref().unwrap_or_else(|| unreachable!("it is there until the end"))
    }

    /// Gives the lock up, and waits until it is.
    ///
    /// # Errors
    /// As [`Connection::query_one`](crate::postgres::Connection::query_one). The connection is closed then, which gives it up
    /// as well.
    ///
    /// # Cancellation
    /// May be dropped at any time; it is given up all the same.
    pub async fn release(mut self) -> Result<(), PgError> {
        self.connection().batch_execute("SELECT pg_advisory_unlock_all()").await?;
        drop(self.checkout.take());
        Ok(())
    }
}

impl Drop for AdvisoryLock {
    fn drop(&mut self) {
        if let Some(checkout) = self.checkout.take().filter(|checkout| checkout.is_open()) {
            undo(checkout, "SELECT pg_advisory_unlock_all()");
        }
    }
}

impl fmt::Debug for AdvisoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdvisoryLock").field("is_held", &self.is_held()).finish_non_exhaustive()
    }
}
