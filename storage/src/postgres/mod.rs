//! A PostgreSQL client that belongs to a core.

mod db_error;
mod error;

use corelane_storage_proto::pg as proto;

pub use self::db_error::DbError;
pub use self::error::PgError;
