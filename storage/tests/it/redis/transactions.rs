//! `MULTI`, `EXEC`, `WATCH`, and connections of one's own.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime as runtime;
use corelane_storage::redis::{Config, Pipeline, Redis, RedisError, Value, WATCH_ATTEMPTS, cmd};

use crate::support::redis_server::RedisServer;
use crate::support::{eventually, on_core};

#[test]
fn a_transaction_is_all_or_nothing() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let mut pipeline = Pipeline::new();
        pipeline.push(redis.set("a", 1));
        pipeline.push(redis.incr("a"));
        let (_, n): ((), i64) = redis.transaction(pipeline).to().await.unwrap();
        assert_eq!(n, 2);
        let mut refused = Pipeline::new();
        refused.push(redis.set("a", 9));
        refused.push(cmd("NOSUCHCOMMAND"));
        let error = redis.transaction(refused).await.unwrap_err();
        assert!(error.to_string().contains("NOSUCHCOMMAND"), "the reason, not EXECABORT: {error}");
        assert_eq!(redis.get("a").to::<u8>().await.unwrap(), 2, "nothing was executed");
        let mut failing = Pipeline::new();
        failing.push(cmd("LPUSH").key("a").arg(1));
        failing.push(redis.incr("a"));
        let replies = redis.transaction(failing).await.unwrap();
        assert!(matches!(&replies[0], Value::Error(error) if error.code() == "WRONGTYPE"));
        assert_eq!(replies[1], Value::Int(3));
    });
}

/// Twenty callers add one each by reading and writing. Without the watch, additions are lost.
#[test]
fn watched_keys_lose_no_update() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        redis.set("n", 0).await.unwrap();
        let tries = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (redis, tries) = (redis.clone(), Rc::clone(&tries));
                runtime::spawn(async move {
                    loop {
                        let outcome = redis
                            .watch(["n"], async |watched| {
                                tries.set(tries.get() + 1);
                                let n: i64 = watched.run(cmd("GET").key("n")).await?;
                                let mut pipeline = Pipeline::new();
                                pipeline.push(redis.set("n", n + 1));
                                Ok(pipeline)
                            })
                            .await;
                        match outcome {
                            Ok(replies) => return assert_eq!(replies.len(), 1),
                            Err(error) => assert!(error.is_conflict(), "{error}"),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(redis.get("n").to::<i64>().await.unwrap(), 20);
        assert!(tries.get() > 20, "nobody ever met a conflict");
    });
}

#[test]
fn a_watch_that_always_conflicts_gives_up() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let tries = Cell::new(0);
        let error = redis
            .watch(["k"], async |_| {
                tries.set(tries.get() + 1);
                redis.incr("k").await?;
                let mut pipeline = Pipeline::new();
                pipeline.push(redis.set("k", 0));
                Ok(pipeline)
            })
            .await
            .unwrap_err();
        assert!(error.is_conflict() && !error.is_maybe_executed(), "{error}");
        assert_eq!(tries.get(), WATCH_ATTEMPTS);
        assert_eq!(redis.watch(["k"], async |_| Ok(Pipeline::new())).await.unwrap(), []);
    });
}

#[test]
fn connections_of_ones_own_are_bounded_used_again_and_closed_when_out_of_step() {
    let server = RedisServer::start();
    on_core(async {
        let mut config = Config::from_url(&server.url()).unwrap();
        config.exclusive_max = 2;
        let redis = Redis::connect_with(config).await.unwrap();
        let clients = async || -> Result<usize, RedisError> {
            let list: String = redis.run(cmd("CLIENT LIST").arg("TYPE").arg("normal")).await?;
            Ok(list.lines().count())
        };
        let waiters: Vec<_> = (0..6)
            .map(|_| {
                let redis = redis.clone();
                runtime::spawn(async move { redis.blpop(["l"], Duration::from_secs(30)).await })
            })
            .collect();
        while clients().await.unwrap() < 3 {}
        for n in 0..6 {
            redis.rpush("l", [n]).await.unwrap();
        }
        for waiter in waiters {
            assert!(waiter.await.unwrap().unwrap().is_some());
        }
        assert_eq!(clients().await.unwrap(), 3, "two of their own for six callers");

        // Dropped while it waits: the connection is closed, and what is pushed later is not lost to nobody.
        let dropped = runtime::spawn({
            let redis = redis.clone();
            async move {
                let call = redis.blpop(["l"], Duration::from_secs(30));
                let _none = runtime::time::timeout(Duration::from_millis(50), call).await;
            }
        });
        dropped.await.unwrap();
        while clients().await.unwrap() > 2 {}
        redis.rpush("l", ["kept"]).await.unwrap();
        assert_eq!(redis.llen("l").await.unwrap(), 1);

        // An idle one that the server has closed is not used.
        redis.run::<u64>(cmd("CLIENT KILL").arg("SKIPME").arg("yes")).await.unwrap();
        eventually("the end is seen", || redis.stats().connects >= 1).await;
        runtime::time::sleep(Duration::from_millis(50)).await;
        let popped = redis.blpop(["l"], Duration::from_secs(5)).await.unwrap();
        assert_eq!(popped.unwrap().1, "kept");
    });
}
