//! Clusters that contradict themselves, or are none.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use corelane_runtime as runtime;
use corelane_storage::redis::{Config, Pipeline, Redis, RedisError, Value};

use crate::support::puppet::{Puppet, bulk, slots};
use crate::support::redis_server::RedisServer;
use crate::support::{free_port, on_core};

const ALL: (u32, u32) = (0, 16_383);

/// One server for all slots, which answers other commands with this.
fn alone(answer: impl Fn(u16, &str) -> String + Send + Sync + 'static) -> Puppet {
    Puppet::start(move |port, words| match words {
        "CLUSTER SLOTS" => Some(slots(&[(ALL.0, ALL.1, "127.0.0.1", port)])),
        words => Some(answer(port, words)),
    })
}

async fn get(redis: &Redis) -> Result<String, RedisError> {
    redis.get("k").to().await
}

#[test]
fn redirections_without_end_have_one() {
    let elsewhere = free_port();
    for (why, answer, tries, is_redirected) in [
        ("MOVED to itself", "-MOVED 7629 127.0.0.1:PORT\r\n", 9, true),
        ("MOVED to itself, without a host", "-MOVED 7629 :PORT\r\n", 9, true),
        ("ASK to itself", "-ASK 7629 127.0.0.1:PORT\r\n", 9, true),
        ("MOVED to nowhere", "-MOVED 7629 ?:0\r\n", 9, true),
        ("not now, for ever", "-TRYAGAIN later\r\n", 9, true),
        ("nobody serves it", "-CLUSTERDOWN Hash slot not served\r\n", 9, true),
        ("MOVED to where nobody is", "-MOVED 7629 127.0.0.1:ELSEWHERE\r\n", 1, false),
        ("MOVED without a place", "-MOVED\r\n", 1, false),
    ] {
        let answer = answer.replace("ELSEWHERE", &elsewhere.to_string());
        let puppet = alone(move |port, words| match words {
            "ASKING" => "+OK\r\n".to_owned(),
            _ => answer.replace("PORT", &port.to_string()),
        });
        on_core(async {
            let redis = Redis::connect(&puppet.url()).await.unwrap();
            let began = Instant::now();
            let error = get(&redis).await.unwrap_err();
            assert!(!error.is_maybe_executed() && !error.is_deadline(), "{why}: {error:?}");
            assert_eq!(error.is_unavailable(), error.code() != "MOVED" || is_redirected, "{why}: {error:?}");
            assert_eq!(error.to_string().contains("redirects_max"), is_redirected, "{why}: {error}");
            assert_eq!(puppet.heard("GET k").len(), tries, "{why}");
            assert!(began.elapsed() < Duration::from_secs(4), "{why}: {:?}", began.elapsed());
        });
    }
}

#[test]
fn a_map_is_used_as_far_as_it_can_be() {
    let closed = free_port();
    for (why, map, want) in [
        ("the host that was asked", slots(&[(0, 16_383, "", 1)]), Ok("value")),
        ("a null host", slots(&[(0, 16_383, "", 1)]).replace("$0\r\n\r\n", "_\r\n"), Ok("value")),
        (
            "overlapping, the right one first",
            slots(&[(0, 16_383, "", 1), (7000, 8000, "127.0.0.1", closed)]),
            Ok("value"),
        ),
        ("a hole: asked anyway", slots(&[(0, 100, "", 1)]), Ok("value")),
        (
            "a host that is none, and a hole",
            slots(&[(0, 9999, "a b", 1), (10_000, 16_383, "", 1)]),
            Ok("value"),
        ),
        ("an address where nobody is", slots(&[(0, 16_383, "127.0.0.1", closed)]), Err("")),
        ("nobody serves anything", "*0\r\n".to_owned(), Err("no slot is served")),
        ("no list", ":1\r\n".to_owned(), Err("it is no list")),
        ("a range that ends before it begins", slots(&[(9, 8, "", 1)]), Err("ends before it begins")),
        ("a slot too many", slots(&[(0, 16_384, "", 1)]), Err("out of range")),
        ("no port", slots(&[(0, 16_383, "", 0)]), Err("a port is out of range")),
        ("ten to the nine ranges", "*1000000000\r\n".to_owned(), Err("elements_max")),
        ("no RESP", "HTTP/1.1 400 Bad Request\r\n".to_owned(), Err("starts no RESP reply")),
        (
            "an error",
            "-ERR This instance has cluster support disabled\r\n".to_owned(),
            Err("support disabled"),
        ),
    ] {
        let puppet = Puppet::start(move |port, words| match words {
            "CLUSTER SLOTS" => Some(map.replace(":1\r\n$2\r\nid", &format!(":{port}\r\n$2\r\nid"))),
            _ => Some(bulk("value")),
        });
        on_core(async {
            let got = match Redis::connect(&puppet.url()).await {
                Ok(redis) => get(&redis).await,
                Err(error) => Err(error),
            };
            match want {
                Ok(value) => assert_eq!(got.unwrap(), value, "{why}"),
                Err(part) => {
                    let error = got.unwrap_err();
                    let text =
                        format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
                    assert!(error.is_unavailable() && text.contains(part), "{why}: {text}");
                }
            }
        });
    }
}

#[test]
fn one_good_server_among_the_first_ones_is_enough() {
    let silent = Puppet::start(|_, words| (!words.starts_with("CLUSTER")).then(String::new));
    let confused = Puppet::start(|_, _| Some(":1\r\n".to_owned()));
    let good = alone(|_, _| bulk("value"));
    let real = RedisServer::start();
    on_core(async {
        let hosts = [free_port(), silent.port, confused.port, real.port(), good.port];
        let hosts: Vec<String> = hosts.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let redis = Redis::connect(&format!("redis-cluster://{}", hosts.join(","))).await.unwrap();
        assert_eq!(get(&redis).await.unwrap(), "value");
        let error = Redis::connect(&format!("redis-cluster://127.0.0.1:{}", real.port())).await.unwrap_err();
        assert!(error.server().unwrap().to_string().contains("cluster support disabled"), "{error:?}");
        let away =
            Redis::lazy(Config::from_url(&format!("redis-cluster://127.0.0.1:{}", free_port())).unwrap())
                .unwrap();
        let error = get(&away).await.unwrap_err();
        assert!(error.is_unavailable() && !error.is_deadline(), "{error:?}");
    });
}

/// Two thousand callers learn at once that all has moved. Without the one question for all of them the first server would
/// be asked two thousand times.
#[test]
fn a_change_is_asked_about_once() {
    let new = alone(|_, _| bulk("new"));
    let port = new.port;
    let old = Puppet::start(move |port_old, words| match words {
        "CLUSTER SLOTS" => Some(slots(&[(0, 16_383, "127.0.0.1", port_old)])),
        // The slot of the key does not matter: it is what the server says.
        words => Some(format!("-MOVED {} 127.0.0.1:{port}\r\n", words.len() % 3 + 7000)),
    });
    on_core(async {
        let redis = Redis::connect(&old.url()).await.unwrap();
        let calls: Vec<_> = (0..2000)
            .map(|_| {
                let redis = redis.clone();
                runtime::spawn(async move { get(&redis).await })
            })
            .collect();
        for call in calls {
            // Some go back and forth, because the old server says that it has the slot and does not take it.
            let outcome = call.await.unwrap();
            assert!(
                outcome.as_ref().is_ok_and(|value| value == "new") || outcome.unwrap_err().is_unavailable()
            );
        }
        let asked = old.heard("CLUSTER SLOTS").len() + new.heard("CLUSTER SLOTS").len();
        assert!(asked < 20, "asked {asked} times");
    });
}

#[test]
fn asking_comes_before_each_command_that_was_sent_on() {
    let target = Puppet::start(|port, words| match words {
        "CLUSTER SLOTS" => Some(slots(&[(0, 16_383, "127.0.0.1", port)])),
        "ASKING" | "MULTI" => Some("+OK\r\n".to_owned()),
        "EXEC" => Some(format!("*1\r\n{}", bulk("v"))),
        _ => Some(bulk("v")),
    });
    let port = target.port;
    let source = alone(move |_, words| match words {
        "MULTI" => "+OK\r\n".to_owned(),
        "EXEC" => "-EXECABORT Transaction discarded because of previous errors.\r\n".to_owned(),
        _ => format!("-ASK 7629 127.0.0.1:{port}\r\n"),
    });
    on_core(async {
        let redis = Redis::connect(&source.url()).await.unwrap();
        assert_eq!(get(&redis).await.unwrap(), "v");
        let mut pipeline = Pipeline::new();
        pipeline.push(redis.get("k"));
        pipeline.push(redis.get("{k}2"));
        assert_eq!(
            redis.pipeline(pipeline).to::<(String, String)>().await.unwrap(),
            ("v".into(), "v".into())
        );
        let mut pipeline = Pipeline::new();
        pipeline.push(redis.get("k"));
        assert_eq!(redis.transaction(pipeline).to::<(String,)>().await.unwrap(), ("v".into(),));
        let heard = target.heard("");
        let want =
            ["ASKING", "GET k", "ASKING", "GET k", "ASKING", "GET {k}2", "ASKING", "MULTI", "GET k", "EXEC"];
        assert_eq!(heard, want);
    });
}

/// The first of two writes is refused and the second executed. Sending the first again would undo the second.
#[test]
fn a_write_that_was_overtaken_is_not_sent_again() {
    let sets = AtomicU32::new(0);
    let puppet = alone(move |_, words| match words {
        words if words.starts_with("SET k") && sets.fetch_add(1, Ordering::Relaxed) == 0 => {
            "-CLUSTERDOWN The cluster is down\r\n".to_owned()
        }
        _ => "+OK\r\n".to_owned(),
    });
    on_core(async {
        let redis = Redis::connect(&puppet.url()).await.unwrap();
        let mut pipeline = Pipeline::new();
        pipeline.push(redis.set("k", 1));
        pipeline.push(redis.set("k", 2));
        pipeline.push(redis.set("other", 3));
        let replies = redis.pipeline(pipeline).await.unwrap();
        assert!(matches!(&replies[0], Value::Error(error) if error.code() == "CLUSTERDOWN"), "{replies:?}");
        assert!(replies[1].is_ok() && replies[2].is_ok());
        assert_eq!(puppet.heard("SET"), ["SET k 1", "SET k 2", "SET other 3"]);
    });
}
