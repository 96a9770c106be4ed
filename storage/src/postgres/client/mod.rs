//! The client that applications hold: a pool of this core, with the statements of [`Connection`].

mod checkout;
mod query;
pub(super) mod session;
mod source;

use std::fmt;
use std::rc::Rc;

use postgres_types::ToSql;

pub use self::checkout::Checkout;
pub use self::query::PoolQuery;
pub(super) use self::source::PgSource;
use super::batch::Batch;
use super::config::Config;
use super::connection::Connection;
use super::error::{Kind, PgError};
use super::pool::{Lent, PoolHandle, PoolStats, Want};
use super::row::Row;
use super::rows::{BatchRows, Rows};
use super::stats::Stats;

/// A client: the connections of this core. Clones share them; the last one closes them.
///
/// Single statements go out on shared connections: what many callers issue in one turn of the core leaves in one write, each
/// with its own answer and its own error. Transactions and [checkouts](Self::checkout) have a connection for themselves.
///
/// ```no_run
/// use corelane_storage::postgres::{Config, PgError, Postgres};
///
/// # async fn example() -> Result<(), PgError> {
/// let mut config = Config::parse("postgres://app@127.0.0.1/shop")?;
/// config.pool.max = 16;
/// let postgres = Postgres::connect_with(config).await?;
/// let orders = postgres.query_one("SELECT count(*) FROM orders WHERE customer = $1", &[&17]).await?;
/// println!("{} orders", orders.get::<i64>(0));
/// # Ok(())
/// # }
/// ```
///
/// # When things go wrong
///
/// | what happens | what a caller sees |
/// | --- | --- |
/// | the server answers with an error | that error, see [`PgError::db`] |
/// | no connection within [`acquire_timeout`](super::PoolConfig::acquire_timeout), no answer within [`deadline`](super::Options::deadline) | [`is_deadline`](PgError::is_deadline) |
/// | the connection ends | a single statement that was not sent is sent once more on another; others fail and say whether they [may have been executed](PgError::is_maybe_executed) |
/// | the server cannot be reached, and no connection is left | [`is_unavailable`](PgError::is_unavailable), at once, until it is back |
/// | all connections are in use | it waits for its turn; at most [`waiting_max`](super::PoolConfig::waiting_max) do, further ones get [`is_overloaded`](PgError::is_overloaded) |
#[derive(Clone)]
pub struct Postgres {
    pool: Rc<PoolHandle<PgSource>>,
}

impl Postgres {
    /// Connects to a [URL](Config::parse).
    ///
    /// # Errors
    /// If the URL is wrong, or no server lets us in within [`Config::connect_timeout`].
    ///
    /// # Panics
    /// If the caller is not on a core.
    ///
    /// # Cancellation
    /// May be dropped at any time; the connection is closed.
    pub async fn connect(url: &str) -> Result<Postgres, PgError> {
        Postgres::connect_with(Config::parse(url)?).await
    }

    /// Connects as `config` says. The first connection is waited for, those up to [`min`](super::PoolConfig::min) are opened
    /// in the background.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancellation
    /// As [`connect`](Self::connect).
    pub async fn connect_with(config: Config) -> Result<Postgres, PgError> {
        let connection = Connection::connect(&config).await?;
        Ok(Postgres::start(config, Some(connection)))
    }

    /// A client that connects in the background, so that a program can start while its database is away. Statements wait
    /// for the first try to end; if it fails they fail at once until the database is there.
    ///
    /// # Panics
    /// If the caller is not on a core.
    pub fn lazy(config: Config) -> Postgres {
        Postgres::start(config, None)
    }

    fn start(config: Config, ready: Option<Connection>) -> Postgres {
        let pool = config.pool.clone();
        let source = PgSource::new(Rc::new(config));
        let ready = ready.map(|connection| source.link(connection));
        Postgres { pool: Rc::new(PoolHandle::start(source, pool, ready)) }
    }

    /// A statement to execute, with how long it may take and what is wanted of it still to be said.
    pub fn query<'a>(&'a self, sql: &'a str, params: &'a [&'a dyn ToSql]) -> PoolQuery<'a> {
        PoolQuery::new(self, sql, params)
    }

    /// Executes a statement that gives exactly one row. `$1`, `$2` in it stand for `params`.
    ///
    /// # Errors
    /// [`PgError`]: as the table of [`Postgres`] says, as [`Connection::query_one`], and for statements that belong to a
    /// transaction or change the session, which others would suffer from.
    ///
    /// # Cancellation
    /// May be dropped at any time. Before it has a connection nothing was sent; after that the server may execute it, and its
    /// answer is thrown away.
    pub async fn query_one(&self, sql: &str, params: &[&dyn ToSql]) -> Result<Row, PgError> {
        self.query(sql, params).one().await
    }

    /// Executes a statement that gives one row or none.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn query_opt(&self, sql: &str, params: &[&dyn ToSql]) -> Result<Option<Row>, PgError> {
        self.query(sql, params).opt().await
    }

    /// Executes a statement; all rows that it gives.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn query_all(&self, sql: &str, params: &[&dyn ToSql]) -> Result<Rows, PgError> {
        self.query(sql, params).all().await
    }

    /// Executes a statement; how many rows it was about.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn execute(&self, sql: &str, params: &[&dyn ToSql]) -> Result<u64, PgError> {
        self.query(sql, params).execute().await
    }

    /// Executes many statements, for which the server answers once; all of them are done, or none: see [`Batch`].
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// As [`query_one`](Self::query_one).
    pub async fn batch(&self, batch: &Batch<'_>) -> Result<BatchRows, PgError> {
        for (sql, _) in batch.iter() {
            fit_to_share(sql)?;
        }
        self.on_shared(async |connection| connection.batch(batch).await).await
    }

    /// Executes statements without parameters, divided by semicolons, on a connection of their own: a script.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    ///
    /// # Cancellation
    /// May be dropped at any time; then the connection is closed, and the script may have been executed.
    pub async fn batch_execute(&self, sql: &str) -> Result<(), PgError> {
        self.checkout().await?.batch_execute(sql).await
    }

    /// A connection that nobody else uses until it is dropped.
    ///
    /// # Errors
    /// As the table of [`Postgres`] says.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn checkout(&self) -> Result<Checkout, PgError> {
        Ok(Checkout { lent: self.pool.take(Want::Exclusive).await? })
    }

    /// How the pool is, and what it has done.
    pub fn pool_stats(&self) -> PoolStats {
        self.pool.stats()
    }

    /// What the connections of this pool have done together: statements, errors by the class of their SQLSTATE, bytes.
    pub fn stats(&self) -> Stats {
        let mut sum = self.pool.source().past();
        self.pool.each_link(|link| sum.add(&link.connection.stats()));
        sum
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.pool.source().config
    }

    /// Runs one statement, or a batch. If the connection ends before it was sent, it runs on another one.
    async fn on_shared<T>(
        &self,
        mut run: impl AsyncFnMut(&Connection) -> Result<T, PgError>,
    ) -> Result<T, PgError> {
        let lent = self.pool.take(Want::Statement).await?;
        match run(&lent.link().connection).await {
            Err(error) if error.is_connection_lost() && !error.is_maybe_executed() => {
                drop(lent);
                let lent: Lent<PgSource> = self.pool.take(Want::Statement).await?;
                run(&lent.link().connection).await
            }
            outcome => outcome,
        }
    }
}

/// # Errors
/// If others who use the connection would suffer from the statement.
fn fit_to_share(sql: &str) -> Result<(), PgError> {
    match session::refusal(sql) {
        None => Ok(()),
        Some(why) => Err(PgError::new(Kind::Misuse(why))),
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config();
        f.debug_struct("Postgres")
            .field("hosts", &config.hosts)
            .field("database", &config.database)
            .field("pool", &self.pool_stats())
            .finish()
    }
}
