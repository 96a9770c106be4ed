//! What happens at each bound.

use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::redis::{Config, Redis, cmd};

use crate::support::redis_server::RedisServer;
use crate::support::{eventually, on_core};

fn config(server: &RedisServer) -> Config {
    Config::from_url(&server.url()).unwrap()
}

#[test]
fn beyond_the_commands_in_flight_callers_wait_and_all_are_answered() {
    let server = RedisServer::start();
    on_core(async {
        let mut config = config(&server);
        config.in_flight_max = 10;
        let redis = Redis::connect_with(config).await.unwrap();
        server.pause();
        let calls: Vec<_> = (0..100i64)
            .map(|n| {
                let redis = redis.clone();
                runtime::spawn(async move { redis.run::<i64>(cmd("ECHO").arg(n)).await })
            })
            .collect();
        eventually("all calls are taken", || redis.stats().commands == 100).await;
        assert_eq!((redis.in_flight(), redis.waiting()), (10, 90));
        server.resume();
        for (n, call) in (0i64..).zip(calls) {
            assert_eq!(call.await.unwrap().unwrap(), n);
        }
        assert_eq!(redis.stats().waits, 90);
    });
}

#[test]
fn beyond_the_waiting_callers_fail_at_once() {
    let server = RedisServer::start();
    on_core(async {
        let mut config = config(&server);
        config.in_flight_max = 1;
        config.waiting_max = 5;
        let redis = Redis::connect_with(config).await.unwrap();
        server.pause();
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let redis = redis.clone();
                runtime::spawn(async move { redis.ping().await })
            })
            .collect();
        eventually("four are refused", || redis.stats().refused == 4).await;
        server.resume();
        let mut refused = 0;
        for call in calls {
            if let Err(error) = call.await.unwrap() {
                assert!(error.is_overloaded() && !error.is_maybe_executed(), "{error}");
                refused += 1;
            }
        }
        assert_eq!(refused, 4);
    });
}

#[test]
fn beyond_the_queued_bytes_callers_wait_and_a_larger_command_goes_alone() {
    let server = RedisServer::start();
    on_core(async {
        let mut config = config(&server);
        config.queued_bytes_max = 100_000;
        let redis = Redis::connect_with(config).await.unwrap();
        server.pause();
        // Far more than the socket's buffers hold.
        let calls: Vec<_> = (0..200)
            .map(|n| {
                let redis = redis.clone();
                runtime::spawn(async move { redis.set(n, vec![b'x'; 150_000]).await })
            })
            .collect();
        eventually("all calls are taken", || redis.stats().commands == 200).await;
        runtime::time::sleep(Duration::from_millis(50)).await;
        assert!(redis.queued_bytes() <= 150_100, "{} bytes queued", redis.queued_bytes());
        assert!(redis.waiting() > 50, "{} wait", redis.waiting());
        server.resume();
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
}

#[test]
fn the_deadline_is_kept_and_the_late_reply_goes_to_nobody() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        server.pause();
        // Deadlines count from the core's turn, which the pause has made long.
        runtime::yield_now().await;
        let began = Instant::now();
        let error =
            redis.run::<i64>(cmd("ECHO").arg(1)).deadline(Duration::from_millis(50)).await.unwrap_err();
        assert!(error.is_deadline() && error.is_maybe_executed(), "{error}");
        assert_eq!(error.to_string(), "no reply from redis within 50 ms; it may have been executed");
        assert!(began.elapsed() >= Duration::from_millis(50));
        server.resume();
        assert_eq!(redis.run::<i64>(cmd("ECHO").arg(2)).await.unwrap(), 2);
        assert_eq!(redis.stats().deadlines, 1);
        assert_eq!(redis.in_flight(), 0);
    });
}

#[test]
fn the_last_clone_closes_the_connection() {
    let server = RedisServer::start();
    on_core(async {
        let watcher = Redis::connect(&server.url()).await.unwrap();
        let redis = Redis::connect(&server.url()).await.unwrap();
        let other = redis.clone();
        drop(redis);
        other.ping().await.unwrap();
        drop(other);
        for _ in 0..1000 {
            let clients: String = watcher.run(cmd("CLIENT LIST")).await.unwrap();
            if clients.lines().count() == 1 {
                return;
            }
            runtime::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the connection is still there");
    });
}
