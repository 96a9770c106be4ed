//! A PostgreSQL client that belongs to a core.
//!
//! [`Postgres`] is what applications hold: the pool of this core. [`Connection`] is one connection of it, or one of your own. On
//! either, statements issued in one turn of the core leave in one write, whoever issues them, and their answers are told apart
//! by their order: this pipelining needs no help from the caller. A statement is prepared once per connection, values
//! travel in the binary format, and a statement that gives one row allocates once in steady state: the row.
//!
//! ```no_run
//! use corelane_storage::postgres::{Batch, Config, Connection};
//!
//! # async fn example() -> Result<(), corelane_storage::postgres::PgError> {
//! let config = Config::parse("postgres://app@127.0.0.1/shop")?;
//! let connection = Connection::connect(&config).await?;
//! let row = connection.query_one("SELECT name, price FROM items WHERE id = $1", &[&17]).await?;
//! let (name, price): (&str, i64) = (row.get("name"), row.get(1));
//! println!("{name} costs {price}");
//!
//! // Many statements, one answer of the server: all of them are executed, or none.
//! let mut batch = Batch::new();
//! batch.push("UPDATE items SET stock = stock - 1 WHERE id = $1", &[&17]);
//! batch.push("INSERT INTO sales (item, price) VALUES ($1, $2)", &[&17, &price]);
//! connection.batch(&batch).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # When things go wrong
//!
//! What [`Postgres`] adds is said there. On a connection:
//!
//! | what happens | what a caller sees |
//! | --- | --- |
//! | the server answers with an error | that error, see [`PgError::db`]; other callers' statements are not touched by it |
//! | no answer by the deadline (5 s unless told) | [`is_deadline`](PgError::is_deadline); the statement is cancelled, a late answer is thrown away, and a connection that stays busy is closed |
//! | a cancel meets the statement of somebody else | nothing outside a transaction: the server has undone it, and it is issued again, once |
//! | a future is dropped | its answer is thrown away; nobody else gets it |
//! | the schema changed under a prepared statement | nothing outside a transaction: it is prepared and issued again, once; in one the error 0A000, and the next try works |
//! | the connection ends | [`is_connection_lost`](PgError::is_connection_lost), and whether the statement [may have been executed](PgError::is_maybe_executed) |
//! | PostgreSQL cannot be reached | [`is_unavailable`](PgError::is_unavailable) |
//! | more in flight than [`Options::in_flight_max`] | they wait, up to their deadline |
//! | more waiting than [`Options::waiting_max`] | [`is_overloaded`](PgError::is_overloaded), at once |
//! | more rows than [`Options::rows_bytes_max`] | an error that says so; the rest is thrown away, the connection goes on |
//! | a value is of another type | [`is_conversion`](PgError::is_conversion), with the column and both types |
//! | the server sends what is not its protocol | the connection ends; nobody gets an answer that may not be theirs |

mod batch;
mod cache;
mod client;
mod config;
mod connect;
mod connection;
mod db_error;
mod encode;
mod error;
mod migrate;
mod notification;
mod options;
mod pool;
mod row;
mod rows;
mod statement;
mod stats;
mod transaction;
pub mod types;
mod wire;

use corelane_storage_proto::pg as proto;

pub use self::batch::Batch;
pub use self::client::{Checkout, PoolQuery, Postgres};
pub use self::config::{
    AuthMethods, ChannelBinding, Config, ConfigError, Environment, Host, HostName, LoadBalance, Roots,
    SslMode, SslNegotiation, TargetSession,
};
pub use self::connection::{Connection, Query, RowStream};
pub use self::db_error::DbError;
pub use self::error::PgError;
pub use self::migrate::{Applied, MigrateError, Migration, Migrations, Migrator, Standing, State};
pub use self::notification::Notification;
pub use self::options::{Options, StatementMode};
pub use self::pool::{Budget, PoolConfig, PoolStats, Reset};
pub use self::proto::{Limits, Status};
pub use self::row::{ColumnIndex, Row};
pub use self::rows::{BatchRows, IntoRows, RowIter, Rows};
pub use self::statement::{Column, Statement};
pub use self::stats::{ErrorCounts, Stats};
pub use self::transaction::{
    ATTEMPTS, AdvisoryKey, AdvisoryLock, Isolation, Savepoint, Transaction, TransactionOptions,
};
