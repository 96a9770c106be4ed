//! Slots that move from one server to another under load.

use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::redis::{Pipeline, Redis, cmd};

use crate::redis::load::Load;
use crate::support::redis_cluster::RedisCluster;
use crate::support::{eventually, on_core, size};

/// Tags in this many slots of the first server.
const TAGS: usize = 4;

/// Twenty times with `REDIS_MOVES=20`.
#[test]
fn slots_move_under_load_and_nobody_notices() {
    let cluster = RedisCluster::start();
    let moves = size("REDIS_MOVES", 3);
    let tags = tags_of_first(&cluster);
    on_core(async {
        let redis = Redis::connect(&cluster.url()).await.unwrap();
        let keys = tags.iter().flat_map(|(tag, _)| (0..4).map(move |n| format!("{{{tag}}}:{n}"))).collect();
        let load = Load::start(&redis, keys, Duration::from_secs(5));
        eventually("all callers are answered", || {
            load.all_answered_since(Instant::now() - Duration::from_secs(60))
        })
        .await;
        let mut cluster = cluster;
        for n in 0..moves {
            let (from, to) = if n % 2 == 0 { (0, 1) } else { (1, 0) };
            let slots: Vec<u16> = tags.iter().map(|(_, slot)| *slot).collect();
            cluster = runtime::blocking::run(move || {
                slots.into_iter().for_each(|slot| cluster.migrate(slot, from, to));
                cluster
            })
            .await
            .unwrap();
            let moved = Instant::now();
            eventually("all callers are answered again", || load.all_answered_since(moved)).await;
        }
        let seen = std::rc::Rc::clone(&load.seen);
        for (key, acknowledged, tried) in load.stop().await {
            assert_eq!(acknowledged, tried, "{key}");
            let value: String = redis.get(&key).to().await.unwrap();
            assert!(value.ends_with(&format!("/{acknowledged}")), "{key}: {value}");
        }
        assert_eq!(
            (seen.failed.get(), seen.forgotten.get()),
            (0, 0),
            "a slot that moves is no reason to fail"
        );
        let stats = redis.stats();
        println!(
            "{moves} moves of {TAGS} slots: {} answered, slowest {:?}, {} redirections, {} maps",
            seen.answered.get(),
            seen.slowest.get(),
            stats.redirects,
            stats.map_refreshes
        );
        assert!(stats.redirects > 0 && stats.map_refreshes > 1);
        // A map for each change, not one for each redirection.
        assert!(stats.map_refreshes < 10 + 20 * moves, "{stats:?}");
    });
}

/// Tags of keys in different slots of the first server, and the slots.
fn tags_of_first(cluster: &RedisCluster) -> Vec<(String, u16)> {
    let server = &cluster.servers[0];
    let slot = |tag: &str| server.ask(&format!("CLUSTER KEYSLOT {{{tag}}}")).parse::<u16>().unwrap();
    (0..)
        .map(|n| format!("t{n}"))
        .map(|tag| (tag.clone(), slot(&tag)))
        .filter(|(_, slot)| *slot < 5000)
        .take(TAGS)
        .collect()
}

/// The servers are left in the middle of a move, which is when they answer with `ASK` and `TRYAGAIN`.
#[test]
fn what_is_half_moved_is_found_on_either_side() {
    let cluster = RedisCluster::start();
    let (tag, slot) = tags_of_first(&cluster).remove(0);
    let key = |n: u32| format!("{{{tag}}}:{n}");
    on_core(async {
        let redis = Redis::connect(&cluster.url()).await.unwrap();
        for n in 0..4 {
            redis.set(key(n), n).await.unwrap();
        }
        cluster.begin_migration(slot, 0, 1);
        let port = cluster.servers[1].port();
        for n in 0..2 {
            assert_eq!(cluster.servers[0].ask(&format!("MIGRATE 127.0.0.1 {port} {} 0 5000", key(n))), "OK");
        }
        let values: Vec<u32> = {
            let mut pipeline = Pipeline::new();
            (0..4).for_each(|n| pipeline.push(redis.get(key(n))));
            redis.pipeline(pipeline).to().await.unwrap()
        };
        assert_eq!(values, [0, 1, 2, 3]);
        assert!(redis.stats().redirects >= 2);
        // New keys are made at the target.
        redis.set(key(9), 9).await.unwrap();
        assert_eq!(redis.incr(key(9)).await.unwrap(), 10);
        // A transaction goes where its keys are, if all of them are there.
        let mut pipeline = Pipeline::new();
        pipeline.push(redis.incr(key(0)));
        pipeline.push(redis.incr(key(1)));
        let replies: (i64, i64) = redis.transaction(pipeline).to().await.unwrap();
        assert_eq!(replies, (1, 2));
        let watched = redis
            .watch([key(0)], async |watched| {
                let n: i64 = watched.run(cmd("GET").key(key(0))).await?;
                let mut pipeline = Pipeline::new();
                pipeline.push(redis.set(key(0), n + 10));
                Ok(pipeline)
            })
            .await
            .unwrap();
        assert_eq!(watched.len(), 1);
        assert_eq!(redis.get(key(0)).to::<i64>().await.unwrap(), 11);
        redis.rpush(key(5), ["x"]).await.unwrap();
        assert_eq!(redis.blpop([key(5)], Duration::from_secs(5)).await.unwrap().unwrap().1, "x");
        // On both sides: "not now", for as long as it lasts.
        let error = redis.mget([key(0), key(2)]).await.unwrap_err();
        assert!(
            error.code() == "TRYAGAIN" && error.is_unavailable() && !error.is_maybe_executed(),
            "{error:?}"
        );
        let late = runtime::spawn({
            let (redis, keys) = (redis.clone(), [key(0), key(3)]);
            async move { redis.mget(keys).to::<Vec<i64>>().await }
        });
        for n in 2..4 {
            assert_eq!(cluster.servers[0].ask(&format!("MIGRATE 127.0.0.1 {port} {} 0 5000", key(n))), "OK");
        }
        assert_eq!(late.await.unwrap().unwrap(), [11, 3]);
        // A waiting command is sent on when its slot has gone.
        let waiter = runtime::spawn({
            let (redis, key) = (redis.clone(), key(7));
            async move { redis.blpop([key], Duration::from_secs(60)).await }
        });
        runtime::time::sleep(Duration::from_millis(50)).await;
        let id = cluster.id(1);
        for server in [1, 0] {
            assert_eq!(cluster.servers[server].ask(&format!("CLUSTER SETSLOT {slot} NODE {id}")), "OK");
        }
        redis.rpush(key(7), ["y"]).await.unwrap();
        assert_eq!(waiter.await.unwrap().unwrap().unwrap().1, "y");
    });
}
