//! Primaries that are killed under load.

use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::redis::Redis;

use crate::redis::load::Load;
use crate::support::redis_cluster::RedisCluster;
use crate::support::{eventually, on_core, size};

/// Twenty times with `REDIS_FAILOVERS=20`.
#[test]
fn a_primary_is_killed_under_load_and_its_replica_takes_over() {
    let cluster = RedisCluster::start();
    let kills = size("REDIS_FAILOVERS", 1);
    on_core(async {
        let redis = Redis::connect(&cluster.url()).await.unwrap();
        let keys: Vec<String> = (0..24).map(|n| format!("key:{n}")).collect();
        let slots: Vec<u16> = keys
            .iter()
            .map(|key| cluster.servers[0].ask(&format!("CLUSTER KEYSLOT {key}")).parse().unwrap())
            .collect();
        let mut cluster = cluster;
        let mut returns = Vec::new();
        let (mut answered, mut failed, mut forgotten) = (0, 0, 0);
        for kill in 0..kills {
            let load = Load::start(&redis, keys.clone(), Duration::from_secs(2));
            let began = Instant::now();
            eventually("all callers are answered", || load.all_answered_since(began)).await;
            let slot = slots[usize::try_from(kill).unwrap() % slots.len()];
            let (taken_over, victim);
            (cluster, taken_over, victim) =
                runtime::blocking::run(move || fail_over(cluster, slot)).await.unwrap();
            eventually("all callers are answered again", || load.all_answered_since(taken_over)).await;
            let seen = Rc::clone(&load.seen);
            let back = seen
                .last_answer
                .borrow()
                .iter()
                .flatten()
                .max()
                .unwrap()
                .saturating_duration_since(taken_over);
            returns.push(back);
            // What the servers have is what the client reads.
            for (key, _, tried) in load.stop().await {
                let got: Option<String> = redis.get(&key).to().await.unwrap();
                let slot = slots[keys.iter().position(|other| *other == key).unwrap()];
                let witness = usize::from(victim == 0);
                let owner = cluster.owner(slot, witness).unwrap();
                assert_eq!(
                    got.clone().unwrap_or_default(),
                    cluster.servers[owner].ask(&format!("GET {key}"))
                );
                let value: u64 = got.and_then(|text| text.split_once('/')?.1.parse().ok()).unwrap_or(0);
                assert!(value <= tried, "{key}: {value} of {tried}");
            }
            answered += seen.answered.get();
            failed += seen.failed.get();
            forgotten += seen.forgotten.get();
            cluster = runtime::blocking::run(move || {
                cluster.servers[victim].restart();
                cluster.wait_until_healthy();
                cluster
            })
            .await
            .unwrap();
        }
        returns.sort();
        println!(
            "{kills} kills: {answered} answered, {failed} failed, {forgotten} forgotten by redis, back after {:?} (median), {:?} (worst)",
            returns[returns.len() / 2],
            returns[returns.len() - 1]
        );
        assert!(failed > 0, "nobody noticed");
        assert!(returns[returns.len() / 2] < Duration::from_secs(1), "{returns:?}");
    });
}

/// Kills the primary of a slot and waits until another server says that it has taken over. Gives when it said so, and whom
/// it was that was killed.
fn fail_over(mut cluster: RedisCluster, slot: u16) -> (RedisCluster, Instant, usize) {
    let victim = cluster.owner(slot, 0).unwrap();
    cluster.servers[victim].kill();
    let witness = usize::from(victim == 0);
    let until = Instant::now() + Duration::from_secs(60);
    while cluster.owner(slot, witness).is_none_or(|owner| owner == victim) {
        assert!(Instant::now() < until, "no replica takes over");
        std::thread::sleep(Duration::from_millis(5));
    }
    (cluster, Instant::now(), victim)
}
