//! Applying migrations, and undoing them.

use std::time::{Duration, Instant};

use corelane_runtime::time;

use super::error::{Kind, MigrateError};
use super::files::{Migration, Migrations, is_outside_transaction};
use crate::postgres::client::{Checkout, Postgres};
use crate::postgres::error::PgError;
use crate::postgres::transaction::AdvisoryKey;

/// Whoever migrates a database holds this lock in it.
const LOCK: AdvisoryKey = AdvisoryKey::named("corelane_migrations");

/// Time from one look at the lock to the next. Waiting within the server would hold a snapshot there, which the
/// `CREATE INDEX CONCURRENTLY` of the one that has the lock would wait for in turn.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS corelane_migrations (
    version bigint PRIMARY KEY,
    name text NOT NULL,
    checksum bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    took_ms bigint NOT NULL
)";

/// A migration that was applied or undone; with [`dry_run`](Migrator::dry_run), one that would be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// How long it took; nothing if it was not done.
    pub took: Duration,
}

/// How a migration and the database stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// When it was applied, as the server writes it, in its time zone.
    pub applied_at: Option<String>,
}

/// Whether a migration was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// As it is.
    Applied,
    /// Not yet.
    Pending,
    /// As it was before its file was changed.
    Changed,
    /// Its file is not there any more.
    Unknown,
}

/// Brings a database to where the files are, or back.
#[derive(Debug)]
pub struct Migrator<'a> {
    postgres: &'a Postgres,
    migrations: &'a Migrations,
    wait: Duration,
    is_dry: bool,
}

/// What the table says of a migration.
struct Record {
    version: i64,
    name: String,
    checksum: Vec<u8>,
    applied_at: String,
}

impl<'a> Migrator<'a> {
    /// For this database and these files.
    pub fn new(postgres: &'a Postgres, migrations: &'a Migrations) -> Migrator<'a> {
        Migrator { postgres, migrations, wait: Duration::from_secs(60), is_dry: false }
    }

    /// Longest wait for another instance that is migrating. Default 60 s.
    pub fn wait(mut self, wait: Duration) -> Migrator<'a> {
        self.wait = wait;
        self
    }

    /// Says what would be done, and does nothing: not even the table is created.
    pub fn dry_run(mut self, is_dry: bool) -> Migrator<'a> {
        self.is_dry = is_dry;
        self
    }

    /// Applies what was not applied yet, in order.
    ///
    /// # Errors
    /// [`is_mismatch`](MigrateError::is_mismatch), before anything is done, if an applied one was changed, its file is not
    /// there, or one that was not applied comes before one that was; the server's error, which leaves those before applied;
    /// [`is_locked`](MigrateError::is_locked).
    ///
    /// # Cancellation
    /// May be dropped at any time: the one under way is rolled back, unless it is outside a transaction.
    pub async fn up(&self) -> Result<Vec<Applied>, MigrateError> {
        let connection = self.begin().await?;
        let records = self.records(&connection).await?;
        self.compare(&records)?;
        let last = records.last().map_or(i64::MIN, |record| record.version);
        let mut done = Vec::new();
        for step in self.migrations.iter().filter(|step| step.version() > last) {
            let took = if self.is_dry { Duration::ZERO } else { apply(&connection, step).await? };
            done.push(Applied { version: step.version(), name: step.name().to_owned(), took });
        }
        self.end(connection).await?;
        Ok(done)
    }

    /// Undoes the last `steps` that were applied, the last one first.
    ///
    /// # Errors
    /// As [`up`](Self::up), and if one of them has no way back: before anything is done.
    ///
    /// # Cancellation
    /// As [`up`](Self::up).
    pub async fn down(&self, steps: usize) -> Result<Vec<Applied>, MigrateError> {
        let connection = self.begin().await?;
        let records = self.records(&connection).await?;
        self.compare(&records)?;
        let mut undone = Vec::new();
        for record in records.iter().rev().take(steps) {
            let step = self.migrations.get(record.version).filter(|step| step.down().is_some());
            let Some(step) = step else {
                let (version, name) = (record.version, record.name.clone());
                return Err(MigrateError::new(Kind::NoDown { version, name }));
            };
            undone.push(step);
        }
        let mut done = Vec::new();
        for step in undone {
            let took = if self.is_dry { Duration::ZERO } else { undo(&connection, step).await? };
            done.push(Applied { version: step.version(), name: step.name().to_owned(), took });
        }
        self.end(connection).await?;
        Ok(done)
    }

    /// How each migration stands, those included that are known to the database only. It changes nothing and takes no
    /// lock.
    ///
    /// # Errors
    /// The server's.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn status(&self) -> Result<Vec<Standing>, MigrateError> {
        let connection = self.postgres.checkout().await?;
        let records = self.records(&connection).await?;
        let mut standings: Vec<Standing> = records
            .iter()
            .map(|record| {
                let state = match self.migrations.get(record.version) {
                    None => State::Unknown,
                    Some(step) if step.checksum() != *record.checksum => State::Changed,
                    Some(_) => State::Applied,
                };
                Standing {
                    version: record.version,
                    name: record.name.clone(),
                    state,
                    applied_at: Some(record.applied_at.clone()),
                }
            })
            .collect();
        for step in self.migrations.iter() {
            if !records.iter().any(|record| record.version == step.version()) {
                standings.push(Standing {
                    version: step.version(),
                    name: step.name().to_owned(),
                    state: State::Pending,
                    applied_at: None,
                });
            }
        }
        standings.sort_by_key(|standing| standing.version);
        Ok(standings)
    }

    /// A connection that has the lock, and the table; if it is dry, neither.
    async fn begin(&self) -> Result<Checkout, MigrateError> {
        let connection = self.postgres.checkout().await?;
        if self.is_dry {
            return Ok(connection);
        }
        let until = Instant::now() + self.wait;
        loop {
            let row = connection.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK.get()]).await?;
            if row.try_get::<bool>(0)? {
                break;
            }
            if Instant::now() >= until {
                return Err(MigrateError::new(Kind::Locked { waited: self.wait }));
            }
            time::sleep(LOOK_AGAIN).await;
        }
        connection.batch_execute(CREATE_TABLE).await?;
        Ok(connection)
    }

    /// Gives the lock up. On the other ways out the connection's session is made like new, or ends.
    async fn end(&self, connection: Checkout) -> Result<(), MigrateError> {
        if !self.is_dry {
            connection.execute("SELECT pg_advisory_unlock($1)", &[&LOCK.get()]).await?;
        }
        Ok(())
    }

    /// What was applied, lowest number first.
    async fn records(&self, connection: &Checkout) -> Result<Vec<Record>, MigrateError> {
        let exists =
            connection.query_one("SELECT to_regclass('corelane_migrations') IS NOT NULL", &[]).await?;
        if !exists.try_get::<bool>(0)? {
            return Ok(Vec::new());
        }
        let sql =
            "SELECT version, name, checksum, applied_at::text FROM corelane_migrations ORDER BY version";
        let rows = connection.query_all(sql, &[]).await?;
        let records = rows.iter().map(|row| {
            Ok(Record {
                version: row.try_get(0)?,
                name: row.try_get(1)?,
                checksum: row.try_get(2)?,
                applied_at: row.try_get(3)?,
            })
        });
        records.collect::<Result<_, PgError>>().map_err(MigrateError::from)
    }

    /// # Errors
    /// The first thing that does not fit.
    fn compare(&self, records: &[Record]) -> Result<(), MigrateError> {
        for Record { version, name, checksum, .. } in records {
            let (version, name) = (*version, name.clone());
            match self.migrations.get(version) {
                None => return Err(MigrateError::new(Kind::Unknown { version, name })),
                Some(step) if step.checksum() != **checksum => {
                    return Err(MigrateError::new(Kind::Changed { version, name }));
                }
                Some(_) => {}
            }
        }
        let Some(last) = records.last().map(|record| record.version) else { return Ok(()) };
        let is_applied = |version| records.binary_search_by_key(&version, |record| record.version).is_ok();
        let late = self.migrations.iter().find(|step| step.version() < last && !is_applied(step.version()));
        match late {
            None => Ok(()),
            Some(step) => {
                let (version, name) = (step.version(), step.name().to_owned());
                Err(MigrateError::new(Kind::OutOfOrder { version, name, last }))
            }
        }
    }
}

async fn apply(connection: &Checkout, step: &Migration) -> Result<Duration, MigrateError> {
    let began = Instant::now();
    let checksum = &step.checksum()[..];
    perform(connection, step, step.up(), async |took: i64| {
        let sql =
            "INSERT INTO corelane_migrations (version, name, checksum, took_ms) VALUES ($1, $2, $3, $4)";
        connection.execute(sql, &[&step.version(), &step.name(), &checksum, &took]).await
    })
    .await?;
    Ok(began.elapsed())
}

async fn undo(connection: &Checkout, step: &Migration) -> Result<Duration, MigrateError> {
    let began = Instant::now();
    perform(connection, step, step.down().unwrap_or_default(), async |_| {
        connection.execute("DELETE FROM corelane_migrations WHERE version = $1", &[&step.version()]).await
    })
    .await?;
    Ok(began.elapsed())
}

/// Executes a script and notes it, both or neither. A script outside a transaction may have been executed without being
/// noted, if the connection ends just then.
async fn perform(
    connection: &Checkout,
    step: &Migration,
    sql: &str,
    note: impl AsyncFnOnce(i64) -> Result<u64, PgError>,
) -> Result<(), MigrateError> {
    let fail = |source: PgError| {
        let line =
            source.db().and_then(|error| error.position()).map(|position| line_of(sql, position as usize));
        MigrateError::new(Kind::Failed {
            version: step.version(),
            name: step.name().to_owned(),
            line,
            source,
        })
    };
    let began = Instant::now();
    let is_outside = is_outside_transaction(sql);
    if !is_outside {
        connection.batch_execute("BEGIN").await?;
    }
    let done = match connection.batch_execute_within(sql, None).await {
        Ok(()) => note(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) if is_outside => Ok(()),
        Ok(_) => connection.batch_execute("COMMIT").await.map_err(fail),
        Err(error) => {
            if !is_outside && connection.is_open() {
                connection.batch_execute("ROLLBACK").await?;
            }
            Err(fail(error))
        }
    }
}

/// The line of a character, both counted from one.
fn line_of(sql: &str, position: usize) -> usize {
    sql.chars().take(position.saturating_sub(1)).filter(|&letter| letter == '\n').count() + 1
}
