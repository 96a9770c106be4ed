//! A PostgreSQL client that belongs to a core.

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
