//! Three sentinels, and failovers of each kind.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::redis::{Config, Endpoint, ReadFrom, Redis, Secret, Topology, cmd};

use super::load::Load;
use crate::support::redis_sentinels::{RedisSentinels, SERVICE};
use crate::support::{eventually, on_core};

/// How the primary ceases to be one.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    /// It keeps its connections and answers nothing.
    Stopped,
    /// By an operator.
    Ordered,
}

#[test]
fn a_failover_is_followed_however_it_comes() {
    let mut group = RedisSentinels::start(None);
    on_core(async {
        let mut config = Config::from_url(&group.url()).unwrap();
        // Far more than a failover takes: a stopped primary is not noticed by its silence.
        config.silence_max = Duration::from_secs(60);
        let redis = Redis::connect_with(config).await.unwrap();
        for end in [End::Ordered, End::Killed, End::Stopped] {
            let load =
                Load::start(&redis, (0..8).map(|n| format!("key:{n}")).collect(), Duration::from_secs(1));
            let began = Instant::now();
            eventually("all callers are answered", || load.all_answered_since(began)).await;
            let (old, taken_over, new);
            (group, old, taken_over, new) =
                runtime::blocking::run(move || fail_over(group, end)).await.unwrap();
            eventually("all callers are answered again", || load.all_answered_since(taken_over)).await;
            let back = taken_over.elapsed();
            let seen = Rc::clone(&load.seen);
            println!(
                "{end:?}: {} answered, {} failed, back after {back:?}",
                seen.answered.get(),
                seen.failed.get()
            );
            assert!(back < Duration::from_secs(3), "{end:?}: {back:?}");
            let ends = load.stop().await;
            // A primary that was ordered to step down goes on as a second one until it is told, some seconds later. That it
            // is left before that is what the subscription is for.
            let port = group.servers[new].port();
            let arrived = async {
                loop {
                    let asked = redis.run::<HashMap<String, u16>>(cmd("CONFIG GET").arg("port")).await;
                    if asked.is_ok_and(|settings| settings["port"] == port) {
                        return;
                    }
                    runtime::time::sleep(Duration::from_millis(5)).await;
                }
            };
            runtime::time::timeout(Duration::from_secs(3), arrived)
                .await
                .expect("it stays with the old primary");
            for (key, _, tried) in ends {
                let got: String = redis.get(&key).to().await.unwrap();
                assert_eq!(got, group.servers[new].ask(&format!("GET {key}")), "{key}: by the new primary");
                assert!(got.split_once('/').unwrap().1.parse::<u64>().unwrap() <= tried);
            }
            group = runtime::blocking::run(move || {
                match end {
                    End::Killed => group.servers[old].restart(),
                    End::Stopped => group.servers[old].resume(),
                    End::Ordered => {}
                }
                group.wait_until_known();
                group
            })
            .await
            .unwrap();
        }
    });
}

fn fail_over(mut group: RedisSentinels, end: End) -> (RedisSentinels, usize, Instant, usize) {
    let old = group.primary();
    match end {
        End::Killed => group.servers[old].kill(),
        End::Stopped => group.servers[old].pause(),
        End::Ordered => {
            // Refused for a while after another one.
            let until = Instant::now() + Duration::from_secs(60);
            while group.sentinels[0].ask(&format!("SENTINEL FAILOVER {SERVICE}")) != "OK" {
                assert!(Instant::now() < until, "no failover can be ordered");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    let (taken_over, new) = group.wait_for_other(old);
    (group, old, taken_over, new)
}

#[test]
fn reads_go_to_replicas_passwords_to_whom_they_are_for() {
    let mut group = RedisSentinels::start(Some(("for-servers", "for-sentinels")));
    on_core(async {
        let mut config = Config::from_url(&group.url()).unwrap();
        let error = Redis::connect_with(config.clone()).await.unwrap_err();
        assert!(error.is_unavailable() && error.is_auth(), "{error:?}");
        config.sentinel_password = Some(Secret::new("for-sentinels"));
        config.password = Some(Secret::new("for-servers"));
        config.read_from = ReadFrom::Replica;
        // One that is not there costs a try.
        config.endpoints.insert(0, Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 1 });
        let redis = Redis::connect_with(config.clone()).await.unwrap();
        redis.set("k", "v").await.unwrap();
        for replica in &group.servers[1..] {
            while replica.ask("GET k") != "v" {}
        }
        let before = gets(&group, 0);
        for _ in 0..20 {
            assert_eq!(redis.get("k").await.unwrap().unwrap(), "v");
        }
        assert_eq!(gets(&group, 0), before, "the primary is not asked");
        // Without replicas the primary answers.
        group.servers[1].kill();
        group.servers[2].kill();
        for _ in 0..20 {
            assert_eq!(redis.get("k").await.unwrap().unwrap(), "v");
        }
        config.topology = Topology::Sentinel { service: "other".to_owned() };
        let error = Redis::connect_with(config.clone()).await.unwrap_err();
        assert!(format!("{error:?}").contains("no service of this name"), "{error:?}");
        // Once there are no sentinels: what is connected stays, what is not fails at once.
        group.sentinels.iter_mut().for_each(|sentinel| sentinel.kill());
        redis.set("k", "w").await.unwrap();
        let lazy = Redis::lazy(config).unwrap();
        assert!(lazy.ping().await.unwrap_err().is_unavailable());
    });
}

/// How often a server was asked for a key.
fn gets(group: &RedisSentinels, n: usize) -> String {
    let stats = group.servers[n].ask("INFO commandstats");
    stats
        .lines()
        .find(|line| line.starts_with("cmdstat_get:"))
        .unwrap_or_default()
        .split(',')
        .next()
        .unwrap()
        .to_owned()
}
