//! Migrations: applied once, in order, by one of many.

use corelane_runtime as runtime;
use corelane_storage::postgres::{Migrations, Migrator, Postgres, State};

use crate::support::on_core;
use crate::support::pg_server::PgServer;

const USERS: (&str, &str) =
    ("0001_users.up.sql", "CREATE TABLE users (id bigint);\nINSERT INTO users VALUES (1);\n");
const NO_USERS: (&str, &str) = ("0001_users.down.sql", "DROP TABLE users;\n");
const EMAIL: (&str, &str) = ("0002_email.sql", "ALTER TABLE users ADD email text;\n");
const INDEX: (&str, &str) =
    ("0003_index.up.sql", "-- no transaction\nCREATE INDEX CONCURRENTLY users_email ON users (email);\n");
const NO_INDEX: (&str, &str) = ("0003_index.down.sql", "DROP INDEX users_email");

fn set(files: &[(&'static str, &'static str)]) -> Migrations {
    Migrations::from_files(files.iter().copied()).unwrap()
}

async fn states(postgres: &Postgres, migrations: &Migrations) -> Vec<(i64, State)> {
    let standings = Migrator::new(postgres, migrations).status().await.unwrap();
    standings.iter().map(|standing| (standing.version, standing.state)).collect()
}

#[test]
fn up_and_down_and_what_there_is() {
    let server = PgServer::start();
    on_core(async {
        let postgres = Postgres::connect(&server.unix_url()).await.unwrap();
        let all = set(&[USERS, NO_USERS, EMAIL, INDEX, NO_INDEX]);
        let migrator = Migrator::new(&postgres, &all);
        let versions = |applied: Vec<corelane_storage::postgres::Applied>| -> Vec<i64> {
            applied.iter().map(|step| step.version).collect()
        };

        let dry = Migrator::new(&postgres, &all).dry_run(true);
        assert_eq!(versions(dry.up().await.unwrap()), [1, 2, 3]);
        let exists =
            postgres.query_one("SELECT to_regclass('corelane_migrations') IS NULL", &[]).await.unwrap();
        assert!(exists.get::<bool>(0), "a dry run changes nothing");
        assert_eq!(
            states(&postgres, &all).await,
            [(1, State::Pending), (2, State::Pending), (3, State::Pending)]
        );

        assert_eq!(versions(migrator.up().await.unwrap()), [1, 2, 3]);
        assert_eq!(versions(migrator.up().await.unwrap()), [0i64; 0], "once each");
        assert_eq!(
            states(&postgres, &all).await,
            [(1, State::Applied), (2, State::Applied), (3, State::Applied)]
        );

        assert_eq!(versions(migrator.down(1).await.unwrap()), [3]);
        let error = migrator.down(1).await.unwrap_err();
        assert_eq!(error.to_string(), "2 email has no .down.sql: it cannot be undone");
        assert_eq!(versions(migrator.up().await.unwrap()), [3], "again after it was undone");
        assert_eq!(postgres.pool_stats().unclean, 0);
    });
}

#[test]
fn what_does_not_fit_is_told_before_anything_is_done() {
    let server = PgServer::start();
    on_core(async {
        let postgres = Postgres::connect(&server.unix_url()).await.unwrap();
        let first = set(&[USERS, EMAIL]);
        Migrator::new(&postgres, &first).up().await.unwrap();
        for (why, files, want) in [
            (
                "changed",
                set(&[("1_users.sql", "CREATE TABLE users (id int)"), EMAIL, INDEX]),
                "1 users was applied and has been changed since",
            ),
            ("gone", set(&[USERS, INDEX]), "2 email was applied, and there is no such file"),
            (
                "too late",
                set(&[("0_zero.sql", "SELECT 1"), USERS, EMAIL, INDEX]),
                "0 zero was not applied, but 2 was",
            ),
        ] {
            let error = Migrator::new(&postgres, &files).up().await.unwrap_err();
            assert!(error.is_mismatch() && error.to_string().starts_with(want), "{why}: {error}");
        }
        assert_eq!(states(&postgres, &set(&[USERS])).await, [(1, State::Applied), (2, State::Unknown)]);

        let broken = set(&[
            USERS,
            EMAIL,
            ("3_broken.sql", "CREATE TABLE kept ();\n\nSELEKT 1;"),
            ("4_more.sql", "SELECT 1"),
        ]);
        let error = Migrator::new(&postgres, &broken).up().await.unwrap_err();
        assert_eq!(error.to_string(), "3 broken failed at line 3");
        assert_eq!(error.database().and_then(|error| error.sqlstate()), Some("42601"));
        let row = postgres.query_one("SELECT to_regclass('kept') IS NULL", &[]).await.unwrap();
        assert!(row.get::<bool>(0), "nothing of it is left");
        assert_eq!(states(&postgres, &broken).await[2..], [(3, State::Pending), (4, State::Pending)]);
    });
}

/// Ten at once; the sign of failure is an error, or a migration that was applied twice.
#[test]
fn many_may_start_at_once() {
    let server = PgServer::start();
    on_core(async {
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let url = server.unix_url();
                runtime::spawn(async move {
                    let postgres = Postgres::connect(&url).await.unwrap();
                    let all = set(&[USERS, EMAIL, INDEX]);
                    Migrator::new(&postgres, &all).up().await.unwrap().len()
                })
            })
            .collect();
        let mut applied = 0;
        for task in tasks {
            applied += task.await.unwrap();
        }
        assert_eq!(applied, 3);
        assert_eq!(server.psql("SELECT count(*) FROM users").trim(), "1");
    });
}
