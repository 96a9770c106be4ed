//! The pool against a server: bounds, sessions, kills. What random callers do to it is in its own simulation.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::postgres::{Config, Postgres};

use crate::support::pg_server::PgServer;
use crate::support::{Random, eventually, on_core, size};

fn config(server: &PgServer, max: usize) -> Config {
    let mut config = Config::parse(&server.unix_url()).unwrap();
    config.pool.max = max;
    config.pool.acquire_timeout = Duration::from_secs(60);
    config.connection.deadline = Some(Duration::from_secs(60));
    config
}

/// More with `PG_STORM=1000000`. The sign of failure is a caller that waits for ever, or a tenth connection.
#[test]
fn ten_thousand_tasks_share_eight_connections() {
    let server = PgServer::start();
    let tasks = size("PG_STORM", 10_000);
    on_core(async {
        let postgres = Postgres::connect_with(config(&server, 8)).await.unwrap();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..i64::try_from(tasks).unwrap())
            .map(|n| {
                let (postgres, order) = (postgres.clone(), Rc::clone(&order));
                runtime::spawn(async move {
                    if n % 20 == 0 {
                        // A connection of its own first, which comes without a word to the server: how long a `BEGIN`
                        // takes says nothing about the queue.
                        let own = postgres.checkout().await.unwrap();
                        order.borrow_mut().push(n);
                        drop(own);
                        let tx = postgres.begin().await.unwrap();
                        assert_eq!(tx.query_one("SELECT $1::int8", &[&n]).await.unwrap().get::<i64>(0), n);
                        tx.commit().await.unwrap();
                    } else {
                        let row = postgres.query_one("SELECT $1::int8", &[&n]).await.unwrap();
                        assert_eq!(row.get::<i64>(0), n, "somebody else's answer");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let stats = postgres.pool_stats();
        assert!(stats.size <= 8 && stats.opened <= 8, "{stats:?}");
        assert_eq!((stats.waiting, stats.exclusive, stats.shared, stats.unclean), (0, 0, 0, 0), "{stats:?}");
        let order = order.borrow();
        assert!(
            order.is_sorted(),
            "connections were given in another order than they were asked for: {order:?}"
        );
        assert!(postgres.stats().statements >= tasks_of(&order));
    });
}

fn tasks_of(order: &[i64]) -> u64 {
    order.len() as u64
}

/// Polls `future` once a turn of the core, up to `polls` times, then drops it.
async fn poll_at_most<F: Future>(future: F, polls: u64) -> Option<F::Output> {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        runtime::yield_now().await;
    }
    None
}

/// 200,000 with `PG_DROPS=200000`. The signs of failure are an answer that belongs to somebody else, a connection that is
/// handed on within a transaction, and a row that was never committed.
#[test]
fn dropped_anywhere_in_and_out_of_transactions() {
    let server = PgServer::start();
    let count = size("PG_DROPS", 6_000);
    on_core(async {
        let postgres = Postgres::connect_with(config(&server, 8)).await.unwrap();
        postgres.batch_execute("CREATE TABLE kept (id int8 PRIMARY KEY)").await.unwrap();
        let (answered, dropped) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(0u64)));
        let committed = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..32u64)
            .map(|task| {
                let (postgres, committed) = (postgres.clone(), Rc::clone(&committed));
                let (answered, dropped) = (Rc::clone(&answered), Rc::clone(&dropped));
                runtime::spawn(async move {
                    let mut random = Random(task);
                    for n in 0..count / 32 {
                        let mark = i64::try_from(task * 1_000_000_000 + n).unwrap();
                        let polls = if random.below(3) == 0 { random.below(3) } else { random.below(60) };
                        let outcome = if random.below(3) == 0 {
                            let work = async {
                                let tx = postgres.begin().await.unwrap();
                                // Its own transaction, begun anew: nothing of somebody else's is in it.
                                let sql = "SELECT $1::int8, pg_current_xact_id_if_assigned() IS NULL";
                                let row = tx.query_one(sql, &[&mark]).await.unwrap();
                                assert!(row.get::<bool>(1), "the connection was in a transaction");
                                tx.execute("INSERT INTO kept VALUES ($1)", &[&mark]).await.unwrap();
                                if mark % 2 == 0 {
                                    tx.commit().await.unwrap();
                                    committed.borrow_mut().push(mark);
                                }
                                row.get::<i64>(0)
                            };
                            poll_at_most(work, polls).await
                        } else {
                            let work = async { postgres.query_one("SELECT $1::int8", &[&mark]).await };
                            poll_at_most(work, polls).await.map(|row| row.unwrap().get::<i64>(0))
                        };
                        match outcome {
                            Some(got) => {
                                assert_eq!(got, mark, "somebody else's answer");
                                answered.set(answered.get() + 1);
                            }
                            None => dropped.set(dropped.get() + 1),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        eventually("all transactions are over", || postgres.pool_stats().exclusive == 0).await;
        let open =
            server.psql("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
        assert_eq!(open.trim(), "0");
        let rows = postgres.query_all("SELECT id FROM kept", &[]).await.unwrap();
        let kept: std::collections::HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert!(committed.borrow().iter().all(|mark| kept.contains(mark)), "what was committed lasts");
        assert!(kept.iter().all(|mark| mark % 2 == 0), "what was not committed was kept");
        let stats = postgres.pool_stats();
        println!("{} answered, {} dropped, {stats:?}", answered.get(), dropped.get());
        assert!(
            answered.get() > count / 20 && dropped.get() > count / 10,
            "{}, {}",
            answered.get(),
            dropped.get()
        );
        assert!(stats.size <= 8);
    });
}

#[test]
fn the_next_finds_the_session_like_new() {
    let server = PgServer::start();
    on_core(async {
        let postgres = Postgres::connect_with(config(&server, 1)).await.unwrap();
        let first = postgres.checkout().await.unwrap();
        let process = first.process_id();
        first.batch_execute("SET search_path = nowhere; CREATE TEMP TABLE mine (); LISTEN x").await.unwrap();
        first.query_one("SELECT pg_advisory_lock(1)", &[]).await.unwrap();
        drop(first);
        let next = postgres.checkout().await.unwrap();
        let sql = "SELECT current_setting('search_path') || ' ' || (to_regclass('mine') IS NULL)::text || ' ' || \
                   (SELECT count(*) FROM pg_listening_channels()) || ' ' || \
                   (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')";
        assert_eq!(next.query_one(sql, &[]).await.unwrap().get::<String>(0), "\"$user\", public true 0 0");
        assert_eq!(next.process_id(), process, "the same connection");
        assert_eq!(postgres.pool_stats().resets, 1);
        drop(next);

        // Unfinished: closed, whatever it is.
        let open = postgres.checkout().await.unwrap();
        open.batch_execute("BEGIN").await.unwrap();
        drop(open);
        let other = postgres.checkout().await.unwrap();
        assert_ne!(other.process_id(), process);
        let kept = (*other).clone();
        let process = other.process_id();
        drop(other);
        assert_ne!(
            postgres.checkout().await.unwrap().process_id(),
            process,
            "somebody has kept a handle on it"
        );
        drop(kept);
        assert_eq!(postgres.pool_stats().unclean, 2);
        for refused in ["SET a.b = 1", "LISTEN x", "COMMIT"] {
            assert!(postgres.execute(refused, &[]).await.is_err(), "{refused}");
        }
    });
}

/// Fifty times with `PG_KILLS=50`. Every caller gets an answer or an error in time, and soon after the server is back the
/// pool is full.
#[test]
fn the_server_is_killed_and_restarted_under_load() {
    let mut server = PgServer::start();
    let kills = size("PG_KILLS", 3);
    on_core(async {
        let mut config = config(&server, 8);
        (config.pool.min, config.pool.acquire_timeout) = (8, Duration::from_secs(2));
        config.connection.deadline = Some(Duration::from_secs(2));
        let postgres = Postgres::connect_with(config).await.unwrap();
        let stop = Rc::new(Cell::new(false));
        let (answered, failed) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(0u64)));
        let slowest = Rc::new(Cell::new(Duration::ZERO));
        let tasks: Vec<_> = (0..32i64)
            .map(|task| {
                let (postgres, stop, slowest) = (postgres.clone(), Rc::clone(&stop), Rc::clone(&slowest));
                let (answered, failed) = (Rc::clone(&answered), Rc::clone(&failed));
                runtime::spawn(async move {
                    let mut n = 0i64;
                    while !stop.get() {
                        n += 1;
                        let mark = task * 1_000_000_000 + n;
                        let began = Instant::now();
                        let outcome = if n % 3 == 0 {
                            let work = async |tx: &mut corelane_storage::postgres::Transaction| {
                                tx.query_one("SELECT $1::int8", &[&mark]).await
                            };
                            postgres.transaction().run(work).await
                        } else {
                            postgres.query_one("SELECT $1::int8", &[&mark]).await
                        };
                        slowest.set(slowest.get().max(began.elapsed()));
                        match outcome {
                            Ok(row) => {
                                assert_eq!(row.get::<i64>(0), mark, "somebody else's answer");
                                answered.set(answered.get() + 1);
                            }
                            Err(error) => {
                                assert!(error.is_unavailable(), "{error:?}");
                                failed.set(failed.get() + 1);
                                runtime::time::sleep(Duration::from_millis(2)).await;
                            }
                        }
                    }
                })
            })
            .collect();
        let mut returns = Vec::new();
        for kill in 0..kills {
            let before = answered.get();
            eventually("statements are answered", || answered.get() > before + 100).await;
            if kill % 2 == 0 {
                server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'corelane' LIMIT 3");
            }
            server.kill();
            eventually("callers fail at once", || postgres.pool_stats().away).await;
            // The server is started on a thread that may block; the callers go on meanwhile.
            server = runtime::blocking::run(move || {
                server.restart();
                server
            })
            .await
            .unwrap();
            let back = Instant::now();
            while postgres.pool_stats().size < 8 {
                assert!(back.elapsed() < Duration::from_secs(20), "{:?}", postgres.pool_stats());
                runtime::time::sleep(Duration::from_millis(2)).await;
            }
            returns.push(back.elapsed());
        }
        stop.set(true);
        for task in tasks {
            task.await.unwrap();
        }
        returns.sort();
        println!(
            "{} answered, {} failed, slowest {:?}, full after {:?} (median), {:?} (worst)",
            answered.get(),
            failed.get(),
            slowest.get(),
            returns[returns.len() / 2],
            returns[returns.len() - 1]
        );
        assert!(failed.get() > 0, "nobody noticed");
        // The bar is a second on a quiet machine; this is to see that it is not the backoff of ten.
        assert!(returns[returns.len() / 2] < Duration::from_secs(3), "{returns:?}");
        assert!(slowest.get() < Duration::from_secs(20), "{:?}", slowest.get());
    });
}

#[test]
fn a_client_starts_while_its_server_is_away() {
    let mut server = PgServer::start();
    server.kill();
    on_core(async {
        let postgres = Postgres::lazy(config(&server, 4));
        let error = postgres.query_one("SELECT 1", &[]).await.unwrap_err();
        assert!(error.is_unavailable() && !error.is_maybe_executed(), "{error:?}");
        let began = Instant::now();
        for _ in 0..100 {
            assert!(postgres.begin().await.unwrap_err().is_unavailable());
        }
        assert!(began.elapsed() < Duration::from_secs(5), "at once");
        server.restart();
        for _ in 0..2000 {
            if postgres.query_one("SELECT 1", &[]).await.is_ok() {
                return;
            }
            runtime::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not come back: {:?}", postgres.pool_stats());
    });
}
