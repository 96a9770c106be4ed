//! Transactions: what lasts, what does not, and what becomes of the connection.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::postgres::{AdvisoryKey, Config, Isolation, PgError, Postgres, Status};

use crate::support::pg_server::PgServer;
use crate::support::{eventually, on_core};

async fn connect(server: &PgServer) -> Postgres {
    let postgres = Postgres::connect(&server.unix_url()).await.unwrap();
    postgres.batch_execute("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0)").await.unwrap();
    postgres
}

async fn ids(postgres: &Postgres) -> Vec<i32> {
    let rows = postgres.query_all("SELECT id FROM t ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

const INSERT: &str = "INSERT INTO t (id) VALUES ($1)";

#[test]
fn what_was_committed_lasts_and_the_rest_does_not() {
    let server = PgServer::start();
    on_core(async {
        let postgres = connect(&server).await;
        let tx = postgres.begin().await.unwrap();
        tx.execute(INSERT, &[&1]).await.unwrap();
        assert_eq!(ids(&postgres).await, [0i32; 0], "not seen by others before");
        tx.commit().await.unwrap();
        let tx = postgres.begin().await.unwrap();
        tx.execute(INSERT, &[&2]).await.unwrap();
        tx.rollback().await.unwrap();
        let tx = postgres.begin().await.unwrap();
        tx.execute(INSERT, &[&3]).await.unwrap();
        drop(tx);
        assert_eq!(ids(&postgres).await, [1]);

        let tx = postgres.begin().await.unwrap();
        assert!(tx.execute(INSERT, &[&1]).await.unwrap_err().is_unique_violation());
        let error = tx.commit().await.unwrap_err();
        assert!(error.is_rolled_back() && !error.is_maybe_executed(), "{error}");

        let failed: Result<(), PgError> = postgres
            .transaction()
            .run(async |tx| {
                tx.execute(INSERT, &[&4]).await?;
                tx.execute("SELECT 1/0", &[]).await.map(drop)
            })
            .await;
        assert_eq!(failed.unwrap_err().sqlstate(), Some("22012"));
        assert_eq!(ids(&postgres).await, [1]);
        eventually("all are back", || postgres.pool_stats().exclusive == 0).await;
        assert_eq!(postgres.pool_stats().unclean, 0, "each was rolled back, none had to be closed");
    });
}

#[test]
fn a_part_can_be_undone_by_itself() {
    let server = PgServer::start();
    on_core(async {
        let postgres = connect(&server).await;
        let mut tx = postgres.begin().await.unwrap();
        tx.execute(INSERT, &[&1]).await.unwrap();
        let known = tx.nested(async |part| part.execute(INSERT, &[&1]).await).await.unwrap_err();
        assert!(known.is_unique_violation());
        tx.nested(async |part| part.execute(INSERT, &[&2]).await).await.unwrap();
        {
            let mut part = tx.savepoint().await.unwrap();
            part.execute(INSERT, &[&3]).await.unwrap();
            let inner = part.savepoint().await.unwrap();
            inner.execute(INSERT, &[&4]).await.unwrap();
            inner.rollback().await.unwrap();
            part.execute(INSERT, &[&5]).await.unwrap();
            part.release().await.unwrap();
            let part = tx.savepoint().await.unwrap();
            part.execute(INSERT, &[&6]).await.unwrap();
            // Dropped: undone before what comes next.
        }
        tx.execute(INSERT, &[&7]).await.unwrap();
        assert_eq!(tx.status(), Status::Transaction);
        tx.commit().await.unwrap();
        assert_eq!(ids(&postgres).await, [1, 2, 3, 5, 7]);
    });
}

#[test]
fn the_server_is_told_what_a_transaction_is_to_be_like() {
    let server = PgServer::start();
    on_core(async {
        let postgres = connect(&server).await;
        let sql = "SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only') \
                   || ' ' || current_setting('transaction_deferrable')";
        let plain = postgres.transaction();
        for (options, want) in [
            (plain.clone(), "read committed off off"),
            (plain.clone().isolation(Isolation::ReadCommitted).read_write(), "read committed off off"),
            (plain.clone().isolation(Isolation::RepeatableRead).read_only(), "repeatable read on off"),
            (plain.isolation(Isolation::Serializable).read_only().deferrable(), "serializable on on"),
        ] {
            let tx = options.begin().await.unwrap();
            assert_eq!(tx.query_one(sql, &[]).await.unwrap().get::<String>(0), want);
            tx.commit().await.unwrap();
        }
        let error = postgres.execute(" begin", &[]).await.unwrap_err();
        assert!(error.to_string().contains("Postgres::begin"), "{error}");
    });
}

/// Each adds one to what it read; the sign of failure is a sum that lacks some.
#[test]
fn transactions_that_meet_are_repeated() {
    let server = PgServer::start();
    on_core(async {
        let postgres = connect(&server).await;
        postgres.execute(INSERT, &[&1]).await.unwrap();
        let tries = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (postgres, tries) = (postgres.clone(), Rc::clone(&tries));
                runtime::spawn(async move {
                    let options = postgres.transaction().isolation(Isolation::Serializable).attempts(1000);
                    options
                        .run(async |tx| {
                            tries.set(tries.get() + 1);
                            let row = tx.query_one("SELECT n FROM t WHERE id = 1", &[]).await?;
                            let n = row.get::<i32>(0) + 1;
                            tx.execute("UPDATE t SET n = $1 WHERE id = 1", &[&n]).await
                        })
                        .await
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), 1);
        }
        let row = postgres.query_one("SELECT n FROM t WHERE id = 1", &[]).await.unwrap();
        assert_eq!(row.get::<i32>(0), 20);
        assert!(tries.get() > 20, "none met another");

        let tries = Cell::new(0);
        let outcome: Result<(), PgError> = postgres
            .transaction()
            .attempts(3)
            .run(async |tx| {
                tries.set(tries.get() + 1);
                let sql = "DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '40P01'; END $$";
                tx.batch_execute(sql).await
            })
            .await;
        assert!(outcome.unwrap_err().is_deadlock());
        assert_eq!(tries.get(), 3, "it gives up at the bound");
    });
}

#[test]
fn dropped_in_the_midst_of_a_statement_it_is_rolled_back_and_nobody_waits() {
    let server = PgServer::start();
    on_core(async {
        let mut config = Config::parse(&server.unix_url()).unwrap();
        config.pool.max = 1;
        let postgres = Postgres::connect_with(config).await.unwrap();
        postgres.batch_execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
        let tx = postgres.begin().await.unwrap();
        tx.execute(INSERT, &[&1]).await.unwrap();
        let process = tx.process_id();
        let slow = tx.query("SELECT pg_sleep(60)", &[]).all();
        assert!(runtime::time::timeout(Duration::from_millis(20), slow).await.is_err());
        let began = Instant::now();
        drop(tx);
        assert!(began.elapsed() < Duration::from_secs(1), "drop does not wait");
        assert_eq!(ids(&postgres).await, [0i32; 0]);
        assert!(began.elapsed() < Duration::from_secs(10), "the statement was cancelled");
        let again = postgres.checkout().await.unwrap();
        assert_eq!(
            (again.process_id(), postgres.pool_stats().unclean),
            (process, 0),
            "the connection is kept"
        );
    });
}

#[test]
fn advisory_locks_are_held_by_one() {
    let server = PgServer::start();
    on_core(async {
        let postgres = connect(&server).await;
        const KEY: AdvisoryKey = AdvisoryKey::named("a test");
        let wait = Duration::from_millis(100);
        let lock = postgres.advisory_lock(KEY, wait).await.unwrap();
        assert!(postgres.try_advisory_lock(KEY).await.unwrap().is_none());
        let late = postgres.advisory_lock(KEY, wait).await.unwrap_err();
        assert!(late.is_deadline(), "{late}");
        let tx = postgres.begin().await.unwrap();
        assert!(!tx.try_advisory_lock(KEY).await.unwrap());
        assert!(lock.is_held());
        lock.release().await.unwrap();
        tx.advisory_lock(KEY).await.unwrap();
        assert!(postgres.try_advisory_lock(KEY).await.unwrap().is_none());
        tx.commit().await.unwrap();
        let lock = postgres.try_advisory_lock(KEY).await.unwrap();
        assert!(lock.is_some());
        drop(lock);
        let lock = postgres.advisory_lock(KEY, Duration::from_secs(10)).await.unwrap();
        // The session ends, and the lock with it.
        server.psql(&format!("SELECT pg_terminate_backend({})", lock.connection().process_id()));
        eventually("it is noticed", || !lock.is_held()).await;
    });
}
