//! Migrations: numbered SQL files, applied once each and in order.
//!
//! ```no_run
//! use corelane_storage::postgres::{MigrateError, Migrations, Migrator, Postgres};
//!
//! # async fn example(postgres: Postgres) -> Result<(), MigrateError> {
//! let migrations = Migrations::from_folder("migrations")?;
//! for step in Migrator::new(&postgres, &migrations).up().await? {
//!     println!("applied {} {} in {} ms", step.version, step.name, step.took.as_millis());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What was applied is kept in the table `corelane_migrations`, with its checksum. Many instances may start at once: one
//! migrates, the others wait until it has done and find nothing left.

mod error;
mod files;
mod run;

pub use self::error::MigrateError;
pub use self::files::{Migration, Migrations};
pub use self::run::{Applied, Migrator, Standing, State};
