//! A PostgreSQL client that belongs to a core.

mod config;
mod connect;
mod db_error;
mod error;

use corelane_storage_proto::pg as proto;

pub use self::config::{
    AuthMethods, ChannelBinding, Config, ConfigError, Environment, Host, HostName, LoadBalance, Roots,
    SslMode, SslNegotiation, TargetSession,
};
pub use self::db_error::DbError;
pub use self::error::PgError;
