//! What works while nothing goes wrong.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use corelane_runtime as runtime;
use corelane_storage::redis::{Config, Pipeline, Redis, Value, cmd};

use crate::support::on_core;
use crate::support::redis_server::RedisServer;

#[test]
fn values_go_there_and_back() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        redis.ping().await.unwrap();
        assert_eq!(redis.get("k").await.unwrap(), None);
        redis.set("k", "v").await.unwrap();
        assert_eq!(redis.get("k").await.unwrap(), Some(Bytes::from_static(b"v")));
        assert_eq!(redis.get("k").to::<String>().await.unwrap(), "v");
        assert_eq!(redis.incr("n").await.unwrap(), 1);
        assert_eq!(redis.del("n").await.unwrap(), 1);
        let map: HashMap<String, String> = redis.run(cmd("HGETALL").key("h")).await.unwrap();
        assert!(map.is_empty());
        let large = vec![b'x'; 3_000_000];
        redis.set("large", large.as_slice()).await.unwrap();
        assert_eq!(redis.get("large").await.unwrap().unwrap(), large);
    });
}

#[test]
fn errors_of_the_server_are_told_and_leave_the_connection_in_step() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        redis.set("k", "text").await.unwrap();
        let error = redis.incr("k").await.unwrap_err();
        assert_eq!((error.code(), error.is_maybe_executed()), ("ERR", false), "{error}");
        let error = redis.run::<Value>(cmd("LPUSH").key("k").arg("x")).await.unwrap_err();
        assert_eq!(error.code(), "WRONGTYPE");
        let error = redis.get("k").to::<u64>().await.unwrap_err();
        assert!(error.is_conversion() && error.is_maybe_executed(), "{error}");
        assert_eq!(redis.get("k").to::<String>().await.unwrap(), "text");
    });
}

#[test]
fn a_turn_of_commands_leaves_in_one_write() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let calls: Vec<_> = (0..1000i64)
            .map(|n| {
                let redis = redis.clone();
                runtime::spawn(async move {
                    redis.set(format!("k{n}"), n).await?;
                    redis.get(format!("k{n}")).to::<i64>().await
                })
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(usize::try_from(call.await.unwrap().unwrap()).unwrap(), n);
        }
        // What the server itself counts: commands come in few reads, because they were sent in few writes.
        let info: String = redis.run(cmd("INFO").arg("stats")).await.unwrap();
        let reads: u64 = info
            .lines()
            .find_map(|line| line.strip_prefix("total_reads_processed:"))
            .unwrap()
            .parse()
            .unwrap();
        assert!(reads < 300, "{reads} reads for 2000 commands");
        let stats = redis.stats();
        assert_eq!((stats.commands, stats.replies, stats.connects), (2001, 2001, 1));
        assert!(stats.latency_counts.iter().sum::<u64>() == 2001 && stats.bytes_in > 0);
    });
}

#[test]
fn a_pipeline_gives_replies_and_errors_in_order() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let mut pipeline = Pipeline::new();
        pipeline.push(redis.set("k", "1"));
        pipeline.push(redis.incr("k"));
        pipeline.push(cmd("LLEN").key("k"));
        pipeline.push(redis.get("k"));
        let replies = redis.pipeline(pipeline.clone()).await.unwrap();
        assert!(replies[0].is_ok());
        assert_eq!(replies[1], Value::Int(2));
        assert!(matches!(&replies[2], Value::Error(error) if error.code() == "WRONGTYPE"));
        assert_eq!(replies[3], Value::from("2"));
        let error = redis.pipeline(pipeline).to::<((), i64, i64, i64)>().await.unwrap_err();
        assert_eq!(error.code(), "WRONGTYPE");
    });
}

#[test]
fn every_way_to_connect() {
    let server = RedisServer::start_with(&["--requirepass", "s3cret"]);
    let port = server.port();
    on_core(async {
        for (why, url) in [
            ("address", format!("redis://:s3cret@127.0.0.1:{port}/")),
            ("name", format!("redis://default:s3cret@localhost:{port}/3")),
            ("RESP2", format!("redis://:s3cret@127.0.0.1:{port}/3?protocol=2")),
            ("Unix socket", format!("redis+unix://:s3cret@{}?db=3", server.socket().display())),
        ] {
            let redis = Redis::connect(&url).await.unwrap_or_else(|error| panic!("{why}: {error:?}"));
            let name: String = redis.run(cmd("CLIENT GETNAME")).await.unwrap();
            assert_eq!(name, "corelane", "{why}");
            redis.run::<()>(cmd("HSET").key("h").arg("f").arg(1)).await.unwrap();
            let map: HashMap<String, u8> = redis.run(cmd("HGETALL").key("h")).await.unwrap();
            assert_eq!(map["f"], 1, "{why}");
        }
        for (why, url, auth) in [
            ("no password", format!("redis://127.0.0.1:{port}/"), true),
            (
                "no password, RESP2, without a name",
                format!("redis://127.0.0.1:{port}/?protocol=2&client_name="),
                true,
            ),
            ("wrong password", format!("redis://:wrong@127.0.0.1:{port}/"), true),
            ("no such database", format!("redis://:s3cret@127.0.0.1:{port}/99"), false),
        ] {
            let error = Redis::connect(&url).await.err().unwrap_or_else(|| panic!("{why}: it connects"));
            assert!(error.is_unavailable() && error.server().is_some(), "{why}: {error:?}");
            assert_eq!(error.is_auth(), auth, "{why}: {error:?}");
        }
    });
}

#[test]
fn mistakes_are_errors_with_a_reason() {
    on_core(async {
        let error = Redis::connect("redis://h:x").await.unwrap_err();
        assert_eq!(error.to_string(), "the redis URL's port is not a number from 1 to 65535");
        let nobody = format!("redis://127.0.0.1:{}/", crate::support::free_port());
        let error = Redis::connect(&nobody).await.unwrap_err();
        assert!(error.is_unavailable() && !error.is_maybe_executed());
        let mut config = Config::from_url(&nobody).unwrap();
        config.deadline = Duration::from_secs(1);
        let redis = Redis::lazy(config).unwrap();
        let error = redis.get("k").await.unwrap_err();
        assert!(error.is_unavailable() && !error.is_maybe_executed(), "{error:?}");
    });
}
