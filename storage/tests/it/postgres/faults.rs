//! The server goes away under load, and ends connections.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::postgres::{Connection, PgError, Status};

use super::{config, connect};
use crate::support::pg_server::PgServer;
use crate::support::{eventually, on_core, size};

/// Longest that a statement may take to end, whatever happens: a second above its deadline, on a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(8);

/// What became of the statements of a load.
#[derive(Clone, Default)]
struct Ends {
    answered: Rc<Cell<u64>>,
    maybe: Rc<Cell<u64>>,
    not: Rc<Cell<u64>>,
}

impl Ends {
    fn note(&self, outcome: Result<i64, PgError>, mark: i64, began: Instant) -> bool {
        assert!(began.elapsed() < ENDS_WITHIN, "{:?}: {outcome:?}", began.elapsed());
        let count = match &outcome {
            Ok(got) => {
                assert_eq!(*got, mark, "somebody else's answer");
                &self.answered
            }
            Err(error) if error.is_maybe_executed() => &self.maybe,
            Err(_) => &self.not,
        };
        count.set(count.get() + 1);
        outcome.is_ok()
    }
}

/// Keeps a connection busy with statements of every length until it ends.
fn load(connection: &Connection, ends: &Ends) -> Vec<runtime::JoinHandle<()>> {
    (0..32i64)
        .map(|task| {
            let (connection, ends) = (connection.clone(), ends.clone());
            runtime::spawn(async move {
                for n in 0.. {
                    let (mark, began) = (task * 1_000_000 + n, Instant::now());
                    let sql =
                        if n % 50 == 49 { "SELECT $1::int8 FROM pg_sleep(0.01)" } else { "SELECT $1::int8" };
                    let outcome = connection.query_one(sql, &[&mark]).await.map(|row| row.get(0));
                    if !ends.note(outcome, mark, began) {
                        return;
                    }
                }
            })
        })
        .collect()
}

/// Fifty times with `POSTGRES_KILLS=50`, recorded in `benches/record`.
#[test]
fn kill_under_load_ends_every_statement_with_an_answer_or_a_definite_error() {
    let mut server = PgServer::start();
    let kills = size("POSTGRES_KILLS", 3);
    let ends = Ends::default();
    for _ in 0..kills {
        on_core(async {
            let connection = connect(&server).await;
            let tasks = load(&connection, &ends);
            let before = ends.answered.get();
            eventually("some answers", || ends.answered.get() > before + 300).await;
            server.kill();
            for task in tasks {
                task.await.unwrap();
            }
            let error = connection.query_one("SELECT 1", &[]).await.unwrap_err();
            assert!(
                error.is_connection_lost() && !error.is_maybe_executed() && error.is_unavailable(),
                "{error:?}"
            );
            assert!(connection.closed().await.is_unavailable() && !connection.is_open());
        });
        server.restart();
    }
    let (answered, maybe, not) = (ends.answered.get(), ends.maybe.get(), ends.not.get());
    println!("{answered} answered, {maybe} perhaps executed, {not} not");
    assert_eq!(maybe + not, 32 * kills, "each task ends with its connection");
}

#[test]
fn a_terminated_backend_tells_why() {
    let server = PgServer::start();
    on_core(async {
        let admin = connect(&server).await;
        for _ in 0..5 {
            let connection = connect(&server).await;
            let ends = Ends::default();
            let tasks = load(&connection, &ends);
            eventually("some answers", || ends.answered.get() > 100).await;
            let sql = "SELECT pg_terminate_backend($1)";
            let done = admin.query_one(sql, &[&connection.process_id()]).await.unwrap();
            assert!(done.get::<bool>(0));
            for task in tasks {
                task.await.unwrap();
            }
            let error = connection.query_one("SELECT 1", &[]).await.unwrap_err();
            // A server that goes while it is being written to resets the connection, which can overtake its last word.
            let told = error.sqlstate() == Some("57P01") || error.is_connection_lost();
            assert!(told && !error.is_maybe_executed(), "{error:?}");
        }
        // One that is idle, and one in a transaction.
        for sql in ["SELECT 1", "BEGIN"] {
            let connection = connect(&server).await;
            connection.batch_execute(sql).await.unwrap();
            admin.query_one("SELECT pg_terminate_backend($1)", &[&connection.process_id()]).await.unwrap();
            assert_eq!(connection.closed().await.sqlstate(), Some("57P01"));
            assert!(!connection.is_clean() && !connection.is_open());
        }
    });
}

#[test]
fn a_server_that_does_not_cancel_costs_the_connection_and_no_more() {
    let server = PgServer::start();
    on_core(async {
        let mut config = config(&server);
        config.connection.deadline = Some(Duration::from_millis(300));
        config.connection.cancel_grace = Duration::from_millis(300);
        let connection = Connection::connect(&config).await.unwrap();
        connection.query_one("SELECT 1", &[]).await.unwrap();
        server.pause();
        let (first, second) = (connection.clone(), connection.clone());
        let first = runtime::spawn(async move { first.query_one("SELECT 1", &[]).await });
        let second = runtime::spawn(async move {
            let query = second.query("SELECT 1", &[]).deadline(Duration::from_secs(60));
            query.one().await
        });
        let error = first.await.unwrap().unwrap_err();
        assert!(error.is_deadline() && error.is_maybe_executed(), "{error}");
        let error = second.await.unwrap().unwrap_err();
        assert!(error.is_connection_lost() && error.is_maybe_executed(), "{error}");
        server.resume();
        assert!(!connection.is_open() && connection.stats().cancels == 1);
    });
}

#[test]
fn bounds_are_told_and_nothing_is_lost() {
    let server = PgServer::start();
    on_core(async {
        let mut config = config(&server);
        config.connection.in_flight_max = 1;
        config.connection.waiting_max = 10;
        config.connection.rows_bytes_max = 10_000;
        let connection = Connection::connect(&config).await.unwrap();
        let tasks: Vec<_> = (0..30i32)
            .map(|n| {
                let connection = connection.clone();
                runtime::spawn(async move { connection.simple(&format!("SELECT {n}")).await })
            })
            .collect();
        let mut refused = 0;
        for (n, task) in tasks.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(results) => assert_eq!(results[0].one().unwrap().text(0), Some(n.to_string().as_str())),
                Err(error) => {
                    assert!(error.is_overloaded() && error.is_unavailable() && !error.is_maybe_executed());
                    refused += 1;
                }
            }
        }
        assert_eq!((refused, connection.stats().refused), (19, 19));
        for sql in ["SELECT repeat('x', 20000)", "SELECT repeat('x', 100) FROM generate_series(1, 1000)"] {
            for error in
                [connection.query_all(sql, &[]).await.unwrap_err(), connection.simple(sql).await.unwrap_err()]
            {
                assert!(error.to_string().contains("rows_bytes_max, 10000"), "{error}");
            }
        }
        connection.batch_execute("SELECT repeat('x', 20000)").await.unwrap();
        assert!(connection.is_clean());
        // What has no room alone passes alone.
        let text = "x".repeat(4_000_000);
        let row = connection.query_one("SELECT length($1)", &[&text]).await.unwrap();
        assert_eq!(row.get::<i32>(0), 4_000_000);
    });
}

#[test]
fn closing_is_told_and_the_last_clone_closes() {
    let server = PgServer::start();
    on_core(async {
        let admin = connect(&server).await;
        let others = async || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
            admin.query_one(sql, &[]).await.unwrap().get::<i64>(0) - 1
        };
        let connection = connect(&server).await;
        assert_eq!(others().await, 1);
        connection.batch_execute("BEGIN").await.unwrap();
        assert_eq!(connection.status(), Status::Transaction);
        let clone = connection.clone();
        drop(connection);
        clone.query_one("SELECT 1", &[]).await.unwrap();
        drop(clone);
        while others().await > 0 {
            runtime::time::sleep(Duration::from_millis(5)).await;
        }
        let connection = connect(&server).await;
        let busy = connection.clone();
        let busy = runtime::spawn(async move { busy.query_one("SELECT pg_sleep(1)", &[]).await });
        runtime::time::sleep(Duration::from_millis(100)).await;
        connection.close();
        let error = busy.await.unwrap().unwrap_err();
        assert!(error.is_closed() && error.is_maybe_executed(), "{error:?}");
        let error = connection.query_one("SELECT 1", &[]).await.unwrap_err();
        assert!(error.is_closed() && !error.is_maybe_executed(), "{error:?}");
        assert!(connection.closed().await.is_closed());
    });
}
