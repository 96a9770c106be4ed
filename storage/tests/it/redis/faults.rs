//! Servers that are killed, stopped and brought back under load.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::redis::{Config, Redis, cmd};

use crate::support::redis_server::RedisServer;
use crate::support::{eventually, on_core, size};

/// What callers saw.
#[derive(Default)]
struct Seen {
    answered: Cell<u64>,
    failed: Cell<u64>,
    first_success: Cell<Option<Instant>>,
    slowest: Cell<Duration>,
    wrong: RefCell<Vec<String>>,
}

/// Callers that ask without end; each answer is checked.
fn load(
    redis: &Redis,
    callers: u64,
    deadline: Duration,
    stop: &Rc<Cell<bool>>,
    seen: &Rc<Seen>,
) -> Vec<runtime::JoinHandle<()>> {
    (0..callers)
        .map(|caller| {
            let (redis, stop, seen) = (redis.clone(), Rc::clone(stop), Rc::clone(seen));
            runtime::spawn(async move {
                let mut n = 0u64;
                while !stop.get() {
                    n += 1;
                    let mark = caller * 1_000_000_000 + n;
                    let began = Instant::now();
                    let outcome = redis.run::<u64>(cmd("ECHO").arg(mark)).deadline(deadline).await;
                    seen.slowest.set(seen.slowest.get().max(began.elapsed()));
                    match outcome {
                        Ok(got) if got == mark => {
                            seen.answered.set(seen.answered.get() + 1);
                            if seen.first_success.get().is_none() {
                                seen.first_success.set(Some(Instant::now()));
                            }
                        }
                        Ok(got) => seen.wrong.borrow_mut().push(format!("{got} for {mark}")),
                        Err(error) if error.is_unavailable() => {
                            seen.failed.set(seen.failed.get() + 1);
                            runtime::time::sleep(Duration::from_millis(1)).await;
                        }
                        Err(error) => seen.wrong.borrow_mut().push(format!("{error:?}")),
                    }
                }
            })
        })
        .collect()
}

/// A hundred times with `REDIS_KILLS=100`.
#[test]
fn the_server_is_killed_and_restarted_under_load() {
    let mut server = RedisServer::start();
    let kills = size("REDIS_KILLS", 5);
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let (stop, seen) = (Rc::new(Cell::new(false)), Rc::new(Seen::default()));
        let tasks = load(&redis, 32, Duration::from_secs(2), &stop, &seen);
        let mut returns = Vec::new();
        for kill in 0..kills {
            let before = seen.answered.get();
            eventually("commands are answered", || seen.answered.get() > before + 100).await;
            server.kill();
            runtime::time::sleep(Duration::from_millis(20 * (kill % 10))).await;
            eventually("callers fail at once", || !redis.is_connected()).await;
            // The server is started on a thread that may block; the callers go on meanwhile.
            server = runtime::blocking::run(move || {
                server.restart();
                server
            })
            .await
            .unwrap();
            let back = Instant::now();
            seen.first_success.set(None);
            eventually("commands are answered again", || seen.first_success.get().is_some()).await;
            returns.push(seen.first_success.get().unwrap().saturating_duration_since(back));
        }
        stop.set(true);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*seen.wrong.borrow(), [""; 0]);
        assert!(seen.failed.get() > 0, "no caller noticed");
        returns.sort();
        println!(
            "{} answered, {} failed, slowest {:?}, back after {:?} (median), {:?} (worst)",
            seen.answered.get(),
            seen.failed.get(),
            seen.slowest.get(),
            returns[returns.len() / 2],
            returns[returns.len() - 1]
        );
        // The bar is 200 ms on a quiet machine; this is to see that it is not the backoff of seconds.
        assert!(returns[returns.len() / 2] < Duration::from_secs(1), "{returns:?}");
        assert_eq!(redis.stats().connects, kills + 1);
    });
}

/// Half a minute with `REDIS_STOP_MS=30000`.
#[test]
fn the_server_is_stopped_under_load() {
    let server = RedisServer::start();
    let stopped = Duration::from_millis(size("REDIS_STOP_MS", 3_000));
    on_core(async {
        let mut config = Config::from_url(&server.url()).unwrap();
        config.silence_max = Duration::from_secs(1);
        config.connect_timeout = Duration::from_millis(500);
        let redis = Redis::connect_with(config).await.unwrap();
        let (stop, seen) = (Rc::new(Cell::new(false)), Rc::new(Seen::default()));
        let tasks = load(&redis, 32, Duration::from_millis(200), &stop, &seen);
        eventually("commands are answered", || seen.answered.get() > 100).await;
        server.pause();
        let until = Instant::now() + stopped;
        let mut most = (0, 0, 0);
        while Instant::now() < until {
            runtime::time::sleep(Duration::from_millis(20)).await;
            most.0 = most.0.max(redis.in_flight());
            most.1 = most.1.max(redis.waiting());
            most.2 = most.2.max(redis.queued_bytes());
        }
        assert!(seen.failed.get() >= 32, "callers fail at their deadline");
        assert!(most.0 <= 8192 && most.1 <= 32 && most.2 <= 1_000_000, "in flight, waiting, bytes: {most:?}");
        assert!(seen.slowest.get() < Duration::from_secs(2), "slowest {:?}", seen.slowest.get());
        server.resume();
        seen.first_success.set(None);
        eventually("it recovers by itself", || seen.first_success.get().is_some()).await;
        stop.set(true);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*seen.wrong.borrow(), [""; 0]);
        println!("{} answered, {} failed, most {most:?}", seen.answered.get(), seen.failed.get());
    });
}

#[test]
fn what_was_not_sent_or_only_reads_is_sent_again() {
    let mut server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        redis.set("k", 1).await.unwrap();
        // A connection that ends in its first second counts as a failed try: nothing is sent again then.
        runtime::time::sleep(Duration::from_millis(1100)).await;
        server.pause();
        let read = runtime::spawn({
            let redis = redis.clone();
            async move { redis.get("k").await }
        });
        let write = runtime::spawn({
            let redis = redis.clone();
            async move { redis.incr("k").await }
        });
        eventually("both are sent", || redis.in_flight() == 2 && redis.queued_bytes() == 0).await;
        server.kill();
        let error = write.await.unwrap().unwrap_err();
        assert!(error.is_connection_lost() && error.is_maybe_executed(), "{error}");
        // Sent again, and refused because nobody is there: certainly not executed.
        let error = read.await.unwrap().unwrap_err();
        assert!(error.is_unavailable() && !error.is_connection_lost(), "{error:?}");
        server.restart();
        eventually("it is back", || redis.is_connected()).await;
        assert_eq!(redis.get("k").await.unwrap(), None, "a new server knows nothing");
    });
}
