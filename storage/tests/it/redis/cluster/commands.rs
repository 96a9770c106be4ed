//! What callers get while all is well.

use std::time::Duration;

use corelane_runtime as runtime;
use corelane_storage::redis::commands::Script;
use corelane_storage::redis::pubsub::Event;
use corelane_storage::redis::{Pipeline, Redis, Value, cmd};

use crate::support::on_core;
use crate::support::redis_cluster::RedisCluster;

/// One cluster for all of it: starting six servers takes longer than the rest.
#[test]
fn commands_go_where_their_keys_are() {
    let cluster = RedisCluster::start();
    on_core(async {
        let redis = Redis::connect(&cluster.url()).await.unwrap();
        single_keys(&redis).await;
        several_keys(&redis).await;
        pipelines(&redis).await;
        transactions(&redis).await;
        without_keys(&redis).await;
        scripts(&redis).await;
        blocking(&redis).await;
        subscriptions(&redis).await;
        assert_eq!(redis.stats().redirects, 0, "the map was right from the beginning");
        assert!(redis.stats().connects >= 3 && redis.is_connected());
    });
}

async fn single_keys(redis: &Redis) {
    let calls: Vec<_> = (0..300)
        .map(|n| {
            let redis = redis.clone();
            runtime::spawn(async move {
                redis.set(format!("key:{n}"), n).await?;
                redis.get(format!("key:{n}")).to::<i32>().await
            })
        })
        .collect();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), n);
    }
    // Whether or not the caller said which argument is the key.
    assert_eq!(redis.run::<i32>(cmd("GET").arg("key:7")).await.unwrap(), 7);
    assert_eq!(redis.run::<i32>(cmd("get").key("key:8")).await.unwrap(), 8);
}

async fn several_keys(redis: &Redis) {
    let keys: Vec<String> = (0..100).rev().map(|n| format!("key:{n}")).collect();
    let values = redis.mget(&keys).to::<Vec<i32>>().await.unwrap();
    assert!(values.into_iter().eq((0..100).rev()), "in the order of the keys");
    let some = redis.mget(["key:1", "none", "key:2", "key:1"]).to::<Vec<Option<i32>>>().await.unwrap();
    assert_eq!(some, [Some(1), None, Some(2), Some(1)]);
    assert_eq!(redis.touch(&keys).await.unwrap(), 100);
    assert_eq!(redis.run::<u64>(cmd("EXISTS").args(&keys).arg("none")).await.unwrap(), 100);
    assert_eq!(redis.unlink(&keys[..50]).await.unwrap(), 50);
    assert_eq!(redis.del_all(&keys).await.unwrap(), 50);
    let error = redis.mset([("a", 1), ("b", 2)]).await.unwrap_err();
    assert!(error.is_cross_slot() && !error.is_maybe_executed(), "{error}");
    redis.mset([("{t}a", 1), ("{t}b", 2)]).await.unwrap();
    redis.set_each([("a", 1), ("b", 2), ("c", 3)]).await.unwrap();
    assert_eq!(redis.mget(["c", "a", "{t}b"]).to::<Vec<i32>>().await.unwrap(), [3, 1, 2]);
    assert!(redis.sinter(["a", "b"]).await.unwrap_err().is_cross_slot());
    assert!(redis.rename("a", "b").await.unwrap_err().is_cross_slot());
    redis.rename("{t}a", "{t}c").await.unwrap();
}

async fn pipelines(redis: &Redis) {
    let mut pipeline = Pipeline::new();
    for n in 0..500 {
        pipeline.push(redis.set(format!("p:{n}"), n));
        pipeline.push(redis.incr(format!("p:{n}")));
    }
    pipeline.push(redis.mget(["p:3", "p:1", "p:2"]));
    pipeline.push(cmd("LPUSH").key("p:0").arg(1));
    pipeline.push(cmd("PING"));
    let replies = redis.pipeline(pipeline).await.unwrap();
    assert_eq!(replies.len(), 1003);
    for n in 0..500usize {
        assert!(replies[2 * n].is_ok());
        assert_eq!(replies[2 * n + 1], Value::Int(n as i64 + 1));
    }
    assert_eq!(replies[1000], Value::Array(vec!["4".into(), "2".into(), "3".into()]));
    assert!(matches!(&replies[1001], Value::Error(error) if error.code() == "WRONGTYPE"));
    assert!(matches!(&replies[1002], Value::Status(status) if status == "PONG"));
    assert_eq!(redis.pipeline(Pipeline::new()).await.unwrap(), []);
}

async fn transactions(redis: &Redis) {
    let mut pipeline = Pipeline::new();
    pipeline.push(redis.set("{x}a", 1));
    pipeline.push(redis.incr("{x}a"));
    pipeline.push(redis.set("{x}b", 3));
    let (_, n, _): ((), i64, ()) = redis.transaction(pipeline).to().await.unwrap();
    assert_eq!(n, 2);
    let mut pipeline = Pipeline::new();
    pipeline.push(redis.set("{x}a", 1));
    pipeline.push(redis.set("{y}a", 1));
    assert!(redis.transaction(pipeline).await.unwrap_err().is_cross_slot());
    let replies = redis
        .watch(["{x}a", "{x}b"], async |watched| {
            let (a, b): (i64, i64) = watched.run(cmd("MGET").key("{x}a").key("{x}b")).await?;
            let mut pipeline = Pipeline::new();
            pipeline.push(redis.set("{x}c", a + b));
            Ok(pipeline)
        })
        .await
        .unwrap();
    assert_eq!(replies.len(), 1);
    assert_eq!(redis.get("{x}c").to::<i64>().await.unwrap(), 5);
    assert!(redis.watch(["a", "b"], async |_| Ok(Pipeline::new())).await.unwrap_err().is_cross_slot());
}

async fn without_keys(redis: &Redis) {
    redis.flushdb().await.unwrap();
    assert_eq!(redis.dbsize().await.unwrap(), 0);
    let pairs: Vec<(String, u32)> = (0..200).map(|n| (format!("s:{n}"), n)).collect();
    redis.set_each(pairs).await.unwrap();
    assert_eq!(redis.dbsize().await.unwrap(), 200, "on all primaries together");
    let keys: Vec<String> = redis.run(cmd("KEYS").arg("s:1*")).await.unwrap();
    assert_eq!(keys.len(), 111);
    let each = redis.each_primary::<u64>(cmd("DBSIZE").read_only()).await.unwrap();
    assert_eq!((each.len(), each.iter().map(|(_, size)| size).sum::<u64>()), (3, 200));
    redis.ping().await.unwrap();
    assert_eq!(redis.run::<u64>(cmd("PUBLISH").arg("c").arg("m")).await.unwrap(), 0);
    let mut scanned = redis.scan("s:*", 10).all().await.unwrap();
    scanned.sort();
    scanned.dedup();
    assert_eq!(scanned.len(), 200, "all primaries are scanned");
    let error = redis.run::<Value>(cmd("SCAN").arg(0)).await.unwrap_err();
    assert!(error.to_string().contains("Redis::scan"), "{error}");
    redis.hset_all("h", [("a", 1), ("b", 2)]).await.unwrap();
    assert_eq!(redis.hscan("h", "*", 10).all().await.unwrap().len(), 2);
}

async fn scripts(redis: &Redis) {
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for n in 0..20 {
        assert_eq!(redis.script::<i64, _, _>(&script, [format!("n:{n}")], [n]).await.unwrap(), n);
    }
    let error = redis.script::<i64, _, _>(&script, ["a", "b"], [1]).await.unwrap_err();
    assert!(error.is_cross_slot(), "{error}");
    let digest: String = redis.run(cmd("SCRIPT LOAD").arg("return 7")).await.unwrap();
    let known: Vec<bool> = redis.run(cmd("SCRIPT EXISTS").arg(&digest)).await.unwrap();
    assert_eq!(known, [true], "on every primary");
}

async fn blocking(redis: &Redis) {
    let waiters: Vec<_> = (0..20)
        .map(|n| {
            let redis = redis.clone();
            runtime::spawn(async move { redis.blpop([format!("l:{n}")], Duration::from_secs(30)).await })
        })
        .collect();
    for n in 0..20 {
        redis.rpush(format!("l:{n}"), [n]).await.unwrap();
    }
    for (n, waiter) in (0..).zip(waiters) {
        let (key, value) = waiter.await.unwrap().unwrap().unwrap();
        assert_eq!((key, value), (format!("l:{n}"), n.to_string().into()));
    }
    assert!(redis.blpop(["l:1", "l:2"], Duration::from_secs(1)).await.unwrap_err().is_cross_slot());
}

async fn subscriptions(redis: &Redis) {
    let (subscriber, mut messages) = redis.subscriber();
    subscriber.subscribe(["news"]).await.unwrap();
    // Over whichever server: the cluster passes it on.
    for n in 0..6 {
        redis.publish("news", n).await.unwrap();
        let Event::Message(message) = messages.next().await else { panic!("a message") };
        assert_eq!(message.payload, n.to_string());
    }
}
