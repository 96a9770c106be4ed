//! Futures dropped anywhere. The sign of failure is an answer that belongs to somebody else.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use corelane_runtime as runtime;
use corelane_storage::postgres::{Batch, Connection, PgError};

use super::{config, connect};
use crate::support::pg_server::PgServer;
use crate::support::{Random, on_core, size};

/// Polls `future` once a turn of the core, up to `polls` times, then drops it.
async fn poll_at_most<F: Future>(future: F, polls: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        runtime::yield_now().await;
    }
    None
}

/// How often something came to its end, and how often it was dropped.
#[derive(Clone, Default)]
struct Counts {
    answered: Rc<Cell<u64>>,
    dropped: Rc<Cell<u64>>,
}

/// One call of a random kind, which is sent `mark` and has to give it back.
async fn ask(connection: &Connection, kind: u64, mark: i64) -> Result<(), PgError> {
    match kind {
        0 => {
            let mut batch = Batch::new();
            let next = mark + 1;
            batch.push("SELECT $1::int8", &[&mark]);
            batch.push("SELECT $1::int8", &[&next]);
            let answers = connection.batch(&batch).await?;
            let got: Vec<i64> = answers.iter().map(|rows| rows.one().unwrap().get(0)).collect();
            assert_eq!(got, [mark, next], "somebody else's answer");
        }
        1 => {
            let results = connection.simple(&format!("SELECT {mark}; SELECT 'x'")).await?;
            assert_eq!(results[0].one()?.text(0), Some(mark.to_string().as_str()), "somebody else's answer");
        }
        2 => {
            let error = connection.query_one("SELECT 1 / ($1::int8 - $1)", &[&mark]).await.unwrap_err();
            assert!(error.sqlstate() == Some("22012") || error.db().is_none(), "{error}");
            return if error.db().is_some() { Ok(()) } else { Err(error) };
        }
        3 => {
            let rows =
                connection.query_all("SELECT $1 + n FROM generate_series(0, 49::int8) n", &[&mark]).await?;
            assert!(
                (mark..).zip(&rows).take(50).all(|(mark, row)| row.get::<i64>(0) == mark) && rows.len() == 50
            );
        }
        _ => {
            let got = connection.query_one("SELECT $1::int8", &[&mark]).await?.get::<i64>(0);
            assert_eq!(got, mark, "somebody else's answer");
        }
    }
    Ok(())
}

async fn storm(connection: &Connection, calls: u64, seed: u64) -> Counts {
    let counts = Counts::default();
    let tasks: Vec<_> = (0..64u64)
        .map(|task| {
            let (connection, counts) = (connection.clone(), counts.clone());
            runtime::spawn(async move {
                let mut random = Random(seed + task);
                for n in 0..calls / 64 {
                    let mark = (task * 1_000_000_000 + 10 * n).try_into().unwrap();
                    // Some are dropped for certain: before or right after they are issued.
                    let polls = if random.below(3) == 0 { random.below(3) } else { random.below(60) };
                    match poll_at_most(ask(&connection, random.below(12), mark), polls).await {
                        Some(outcome) => {
                            outcome?;
                            counts.answered.set(counts.answered.get() + 1);
                        }
                        None => counts.dropped.set(counts.dropped.get() + 1),
                    }
                }
                Ok::<(), PgError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    counts
}

/// 200,000 queries with `POSTGRES_DROPS=200000`, recorded in `benches/record`.
#[test]
fn a_dropped_future_never_shifts_an_answer() {
    let server = PgServer::start();
    let calls = size("POSTGRES_DROPS", 20_000);
    on_core(async {
        let connection = connect(&server).await;
        let counts = storm(&connection, calls, 1).await;
        let got = connection.query_one("SELECT 7", &[]).await.unwrap().get::<i32>(0);
        assert_eq!(got, 7, "the connection is in step");
        assert!(connection.is_clean(), "{connection:?}");
        let (answered, dropped) = (counts.answered.get(), counts.dropped.get());
        println!("{answered} answered, {dropped} dropped, {:?}", connection.stats());
        assert!(answered > calls / 100 && dropped > calls / 10, "{answered} answered, {dropped} dropped");
    });
}

/// The same while there is no room and few statements are kept, so that calls are dropped in the queue and while their
/// statements come and go.
#[test]
fn calls_dropped_in_the_queue_leave_it_in_order() {
    let server = PgServer::start();
    on_core(async {
        let mut config = config(&server);
        config.connection.in_flight_max = 3;
        config.connection.statement_cache_max = 2;
        config.connection.deadline = Some(Duration::from_secs(60));
        let connection = Connection::connect(&config).await.unwrap();
        storm(&connection, size("POSTGRES_DROPS", 20_000) / 4, 100).await;
        connection.idle().await;
        assert_eq!(connection.query_one("SELECT 7", &[]).await.unwrap().get::<i32>(0), 7);
        assert!(connection.is_clean() && connection.waiting() == 0, "{connection:?}");
    });
}

/// Streams and the calls that wait behind them, dropped anywhere.
#[test]
fn streams_dropped_anywhere_leave_the_connection_in_step() {
    let server = PgServer::start();
    on_core(async {
        let connection = connect(&server).await;
        let tasks: Vec<_> = (0..8u64)
            .map(|task| {
                let connection = connection.clone();
                runtime::spawn(async move {
                    let mut random = Random(task);
                    for n in 0..100 {
                        let mark = (task * 1_000_000_000 + n * 100_000).try_into().unwrap();
                        if random.below(2) == 0 {
                            let _finished = poll_at_most(ask(&connection, 4, mark), random.below(60)).await;
                            continue;
                        }
                        let take: i64 = random.below(2000).try_into().unwrap();
                        let stream = async {
                            let sql = "SELECT $1 + n FROM generate_series(0, 999::int8) n";
                            let mut rows = connection.stream(sql, &[&mark]).await.unwrap();
                            for expected in mark..mark + take {
                                match rows.next().await.unwrap() {
                                    Some(row) => {
                                        assert_eq!(row.get::<i64>(0), expected, "somebody else's row")
                                    }
                                    None => return assert_eq!(expected, mark + 1000),
                                }
                            }
                        };
                        let polls = if random.below(2) == 0 { random.below(40) } else { u64::MAX };
                        poll_at_most(stream, polls).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        connection.idle().await;
        assert_eq!(connection.query_one("SELECT 7", &[]).await.unwrap().get::<i32>(0), 7);
        assert!(connection.is_clean(), "{connection:?}");
    });
}
