//! Each typed command once, against a real server: that its words are in order and its reply converts.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane_runtime as runtime;
use corelane_storage::redis::commands::{BitOp, Library, ListEnd, Script};
use corelane_storage::redis::{Redis, cmd};

use crate::support::on_core;
use crate::support::redis_server::RedisServer;

fn bytes(words: &[&'static str]) -> Vec<Bytes> {
    words.iter().map(|word| Bytes::from_static(word.as_bytes())).collect()
}

/// Runs a test twice: replies of RESP2 have other types.
fn on_both_protocols(test: impl AsyncFn(Redis)) {
    let server = RedisServer::start();
    on_core(async {
        for protocol in [3, 2] {
            let redis = Redis::connect(&format!("{}?protocol={protocol}", server.url())).await.unwrap();
            redis.flushdb().await.unwrap();
            test(redis).await;
        }
    });
}

#[test]
fn strings() {
    on_both_protocols(async |redis| {
        redis.set_for("s", "v", Duration::from_secs(100)).await.unwrap();
        assert!((1..=100_000).contains(&redis.pttl("s").await.unwrap()));
        assert!(!redis.set_if_absent("s", "w", None).await.to_bool());
        assert!(redis.set_if_absent("t", "w", Some(Duration::from_secs(9))).await.to_bool());
        assert_eq!(redis.get_set("s", "x").await.unwrap().unwrap(), "v");
        assert_eq!(redis.get_ex("s", Duration::from_secs(5)).await.unwrap().unwrap(), "x");
        assert_eq!(redis.mget(["s", "none"]).await.unwrap(), [Some(Bytes::from_static(b"x")), None]);
        redis.mset([("a", 1), ("b", 2)]).await.unwrap();
        assert_eq!(redis.incr_by("a", 9).await.unwrap(), 10);
        assert_eq!(redis.decr("a").await.unwrap(), 9);
        assert_eq!(redis.incr_by_float("a", 0.5).await.unwrap(), 9.5);
        assert_eq!(redis.append("s", "yz").await.unwrap(), 3);
        assert_eq!(redis.strlen("s").await.unwrap(), 3);
        assert_eq!(redis.get_range("s", 1, -1).await.unwrap(), "yz");
        assert_eq!(redis.set_range("s", 1, "Y").await.unwrap(), 3);
        assert_eq!(redis.get_del("s").await.unwrap().unwrap(), "xYz");
    });
}

trait ToBool {
    fn to_bool(self) -> bool;
}

impl<E: std::fmt::Debug> ToBool for Result<bool, E> {
    fn to_bool(self) -> bool {
        self.unwrap()
    }
}

#[test]
fn keys() {
    on_both_protocols(async |redis| {
        redis.set("k", 1).await.unwrap();
        assert!(redis.exists("k").await.unwrap() && !redis.exists("none").await.unwrap());
        assert!(redis.expire("k", Duration::from_secs(50)).await.unwrap());
        assert!(redis.persist("k").await.unwrap());
        assert_eq!((redis.pttl("k").await.unwrap(), redis.pttl("none").await.unwrap()), (-1, -2));
        assert_eq!(redis.key_type("k").await.unwrap(), "string");
        assert!(redis.copy("k", "l").await.unwrap());
        redis.rename("l", "m").await.unwrap();
        assert_eq!(redis.touch(["k", "m", "none"]).await.unwrap(), 2);
        assert!(redis.dump("k").await.unwrap().is_some());
        assert_eq!(redis.dbsize().await.unwrap(), 2);
        assert_eq!(redis.del_all(["k", "none"]).await.unwrap(), 1);
        assert_eq!(redis.unlink(["m"]).await.unwrap(), 1);
    });
}

#[test]
fn hashes() {
    on_both_protocols(async |redis| {
        assert_eq!(redis.hset("h", "a", 1).await.unwrap(), 1);
        assert_eq!(redis.hset_all("h", [("b", 2), ("c", 3)]).await.unwrap(), 2);
        assert!(!redis.hset_if_absent("h", "a", 9).await.unwrap());
        assert_eq!(redis.hget("h", "a").await.unwrap().unwrap(), "1");
        assert_eq!(redis.hmget("h", ["a", "x"]).to::<Vec<Option<i64>>>().await.unwrap(), [Some(1), None]);
        let all: HashMap<String, u32> = redis.hgetall("h").to().await.unwrap();
        assert_eq!(all, HashMap::from([("a".into(), 1), ("b".into(), 2), ("c".into(), 3)]));
        assert_eq!(redis.hincr_by("h", "a", 5).await.unwrap(), 6);
        assert_eq!(redis.hincr_by_float("h", "a", 0.5).await.unwrap(), 6.5);
        assert_eq!(redis.hdel("h", ["a", "x"]).await.unwrap(), 1);
        assert!(redis.hexists("h", "b").await.unwrap());
        assert_eq!(redis.hkeys("h").await.unwrap(), ["b", "c"]);
        assert_eq!(redis.hvals("h").await.unwrap(), bytes(&["2", "3"]));
        assert_eq!((redis.hlen("h").await.unwrap(), redis.hstrlen("h", "b").await.unwrap()), (2, 1));
        assert!(redis.hrandfield("h").await.unwrap().is_some());
    });
}

#[test]
fn lists() {
    on_both_protocols(async |redis| {
        assert_eq!(redis.rpush("l", ["b", "c"]).await.unwrap(), 2);
        assert_eq!(redis.lpush("l", ["a"]).await.unwrap(), 3);
        assert_eq!(redis.lrange("l", 0, -1).await.unwrap(), bytes(&["a", "b", "c"]));
        assert_eq!(redis.lindex("l", -1).await.unwrap().unwrap(), "c");
        redis.lset("l", 1, "B").await.unwrap();
        assert_eq!(redis.lmove("l", "m", ListEnd::Left, ListEnd::Right).await.unwrap().unwrap(), "a");
        assert_eq!(redis.lrem("l", 0, "B").await.unwrap(), 1);
        redis.ltrim("l", 0, 0).await.unwrap();
        assert_eq!(redis.llen("l").await.unwrap(), 1);
        assert_eq!(redis.rpop("l").await.unwrap().unwrap(), "c");
        assert_eq!(redis.lpop("l").await.unwrap(), None);
        assert_eq!(redis.lpop_many("m", 5).await.unwrap().unwrap(), bytes(&["a"]));
        assert_eq!(redis.rpop_many("m", 5).await.unwrap(), None);
    });
}

#[test]
fn lists_that_wait() {
    on_both_protocols(async |redis| {
        redis.rpush("l", ["a", "b"]).await.unwrap();
        let (key, value) = redis.blpop(["none", "l"], Duration::from_secs(5)).await.unwrap().unwrap();
        assert_eq!((key.as_str(), value), ("l", Bytes::from_static(b"a")));
        assert!(redis.brpop(["l"], Duration::from_secs(5)).await.unwrap().is_some());
        let began = Instant::now();
        let waiter = corelane_runtime::spawn({
            let redis = redis.clone();
            async move { redis.blpop(["l"], Duration::from_secs(60)).await }
        });
        // It waits on a connection of its own: the shared one goes on.
        let mut rounds = 0;
        while redis.run::<String>(cmd("INFO").arg("clients")).await.unwrap().contains("blocked_clients:0") {
            rounds += 1;
            assert!(rounds < 100_000, "nobody blocks");
        }
        redis.rpush("l", ["c"]).await.unwrap();
        assert_eq!(waiter.await.unwrap().unwrap().unwrap().1, "c");
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_eq!(redis.blpop(["l"], Duration::from_millis(10)).await.unwrap(), None);
    });
}

#[test]
fn sets() {
    on_both_protocols(async |redis| {
        assert_eq!(redis.sadd("s", [1, 2, 3]).await.unwrap(), 3);
        redis.sadd("t", [3, 4]).await.unwrap();
        assert!(redis.sismember("s", 1).await.unwrap());
        assert_eq!(redis.smismember("s", [1, 9]).await.unwrap(), [true, false]);
        assert_eq!(redis.smembers("s").to::<BTreeSet<u8>>().await.unwrap(), BTreeSet::from([1, 2, 3]));
        assert_eq!(redis.sinter(["s", "t"]).await.unwrap(), bytes(&["3"]));
        assert_eq!(redis.sunion(["s", "t"]).await.unwrap().len(), 4);
        assert_eq!(redis.sdiff(["t", "s"]).await.unwrap(), bytes(&["4"]));
        assert_eq!(redis.sinter_store("u", ["s", "t"]).await.unwrap(), 1);
        assert_eq!(redis.sunion_store("u", ["s", "t"]).await.unwrap(), 4);
        assert_eq!(redis.sdiff_store("u", ["s", "t"]).await.unwrap(), 2);
        assert!(redis.smove("s", "t", 1).await.unwrap());
        assert_eq!(redis.srem("s", [2, 9]).await.unwrap(), 1);
        assert!(redis.srandmember("s").await.unwrap().is_some() && redis.spop("s").await.unwrap().is_some());
        assert_eq!(redis.scard("s").await.unwrap(), 0);
    });
}

#[test]
fn sorted_sets() {
    on_both_protocols(async |redis| {
        assert_eq!(redis.zadd("z", "a", 1.0).await.unwrap(), 1);
        assert_eq!(redis.zadd_all("z", [(2.5, "b"), (3.0, "c")]).await.unwrap(), 2);
        assert_eq!(redis.zincr_by("z", "a", 0.25).await.unwrap(), 1.25);
        assert_eq!(redis.zscore("z", "b").await.unwrap(), Some(2.5));
        assert_eq!(redis.zscore("z", "x").await.unwrap(), None);
        assert_eq!(redis.zcount("z", 1.0, f64::INFINITY).await.unwrap(), 3);
        assert_eq!(
            (redis.zrank("z", "a").await.unwrap(), redis.zrevrank("z", "a").await.unwrap()),
            (Some(0), Some(2))
        );
        assert_eq!(redis.zrange("z", 0, -1).await.unwrap(), bytes(&["a", "b", "c"]));
        assert_eq!(redis.zrevrange("z", 0, 0).await.unwrap(), bytes(&["c"]));
        let scored: Vec<(String, f64)> = redis.zrange_scored("z", 0, 1).to().await.unwrap();
        assert_eq!(scored, [("a".to_owned(), 1.25), ("b".to_owned(), 2.5)]);
        assert_eq!(redis.zrange_by_score("z", 2.0, 3.0, 1, 5).await.unwrap(), bytes(&["c"]));
        assert_eq!(redis.zpopmin("z", 1).await.unwrap(), [(Bytes::from_static(b"a"), 1.25)]);
        assert_eq!(redis.zpopmax("z", 1).await.unwrap(), [(Bytes::from_static(b"c"), 3.0)]);
        assert_eq!(redis.zrem_range_by_score("z", 9.0, 10.0).await.unwrap(), 0);
        assert_eq!(redis.zrem_range_by_rank("z", 5, 9).await.unwrap(), 0);
        assert_eq!(redis.zrem("z", ["b"]).await.unwrap(), 1);
        assert_eq!(redis.zcard("z").await.unwrap(), 0);
    });
}

#[test]
fn scans_see_everything() {
    on_both_protocols(async |redis| {
        for n in 0..250 {
            redis.set(format!("k:{n}"), n).await.unwrap();
            redis.hset("h", n, n * 2).await.unwrap();
            redis.sadd("s", [n]).await.unwrap();
            redis.zadd("z", n, f64::from(n)).await.unwrap();
        }
        let keys: BTreeSet<Bytes> = redis.scan("k:*", 20).all().await.unwrap().into_iter().collect();
        assert_eq!(keys.len(), 250);
        let mut pages = redis.scan("k:*", 20);
        let mut count = 0;
        while pages.next().await.unwrap().is_some() {
            count += 1;
        }
        assert!(count > 5, "{count} pages");
        assert_eq!(redis.hscan("h", "*", 20).all().await.unwrap().len(), 250);
        assert_eq!(redis.sscan("s", "1*", 20).all().await.unwrap().len(), 111);
        assert_eq!(redis.zscan("z", "*", 20).all().await.unwrap().len(), 250);
    });
}

#[test]
fn functions_are_loaded_when_they_are_missing() {
    on_both_protocols(async |redis| {
        let library = Library::new(
            "#!lua name=lib\n\
             redis.register_function('echo', function(keys, args) return {keys[1], args[1], #keys} end)\n\
             redis.register_function{function_name='peek', callback=function(keys) return redis.call('GET', keys[1]) end, \
             flags={'no-writes'}, description='reads'}",
        );
        redis.function_flush().await.unwrap();
        let error = redis.fcall("echo", ["k"], ["a"]).await.unwrap_err();
        assert_eq!(error.server().unwrap().detail(), "Function not found");
        let (key, arg, n): (String, u8, u8) = redis.function(&library, "echo", ["k"], [7]).await.unwrap();
        assert_eq!((key.as_str(), arg, n), ("k", 7, 1));
        let (key, _, _): (String, u8, u8) = redis.function(&library, "echo", ["l"], [7]).await.unwrap();
        assert_eq!(key, "l");
        // It is there, and the function is not in it.
        let error = redis.function::<(), _, _>(&library, "nothing", ["k"], [1]).await.unwrap_err();
        assert_eq!(error.code(), "ERR");
        redis.set("k", "v").await.unwrap();
        let read: String = redis.fcall_ro("peek", ["k"], [(); 0]).to().await.unwrap();
        assert_eq!(read, "v");
        assert!(redis.fcall_ro("echo", ["k"], ["a"]).await.is_err(), "it may write");
        let mut list = redis.function_list("l*").await.unwrap();
        list[0].functions.sort_by(|a, b| a.name.cmp(&b.name));
        let [echo, peek] = &list[0].functions[..] else { panic!("{list:?}") };
        assert_eq!(
            (list[0].name.as_str(), list[0].engine.as_str(), echo.name.as_str()),
            ("lib", "LUA", "echo")
        );
        assert_eq!((&echo.description, &echo.flags[..]), (&None, &[][..]));
        assert_eq!(
            (peek.description.as_deref(), &peek.flags[..]),
            (Some("reads"), &["no-writes".to_owned()][..])
        );
        assert!(redis.function_load(library.source()).await.is_err(), "it is there");
        assert_eq!(redis.function_replace(library.source()).await.unwrap(), "lib");
        let dump = redis.function_dump().await.unwrap();
        redis.function_delete("lib").await.unwrap();
        assert!(redis.function_list("*").await.unwrap().is_empty());
        redis.function_restore(dump).await.unwrap();
        assert_eq!(redis.function_list("*").await.unwrap().len(), 1);
        assert_eq!(redis.function_kill().await.unwrap_err().code(), "NOTBUSY");
    });
}

#[test]
fn scripts_are_loaded_when_they_are_missing() {
    on_both_protocols(async |redis| {
        let script = Script::new("return {KEYS[1], ARGV[1], #KEYS}");
        redis.run::<()>(cmd("SCRIPT FLUSH")).await.unwrap();
        for _ in 0..2 {
            let (key, arg, n): (String, u8, u8) = redis.script(&script, ["k"], [7]).await.unwrap();
            assert_eq!((key.as_str(), arg, n), ("k", 7, 1));
        }
        let known: Vec<bool> = redis.run(cmd("SCRIPT EXISTS").arg(script.digest())).await.unwrap();
        assert_eq!(known, [true]);
        let reads = Script::new("return redis.call('GET', KEYS[1])").read_only();
        assert_eq!(redis.script::<Option<u8>, _, _>(&reads, ["none"], [(); 0]).await.unwrap(), None);
        let fails = Script::new("return redis.error_reply('MINE no')");
        let error = redis.script::<(), &str, ()>(&fails, [], []).await.unwrap_err();
        assert_eq!(error.code(), "MINE");
    });
}

#[test]
fn bitmaps_and_hyperloglogs() {
    on_both_protocols(async |redis| {
        assert!(!redis.setbit("b", 7, true).await.unwrap());
        assert!(redis.getbit("b", 7).await.unwrap() && !redis.getbit("b", 700).await.unwrap());
        redis.setbit("c", 6, true).await.unwrap();
        assert_eq!(redis.bitop(BitOp::Or, "d", ["b", "c"]).await.unwrap(), 1);
        assert_eq!(
            (redis.bitcount("d").await.unwrap(), redis.bitcount_range("d", 1, -1).await.unwrap()),
            (2, 0)
        );
        assert_eq!(
            (redis.bitpos("d", true).await.unwrap(), redis.bitpos("none", true).await.unwrap()),
            (6, -1)
        );
        assert!(redis.pfadd("p", ["a", "b"]).await.unwrap());
        redis.pfadd("q", ["b", "c"]).await.unwrap();
        assert_eq!(redis.pfcount(["p", "q"]).await.unwrap(), 3);
        redis.pfmerge("r", ["p", "q"]).await.unwrap();
        assert_eq!(redis.pfcount(["r"]).await.unwrap(), 3);
    });
}

#[test]
fn geography() {
    on_both_protocols(async |redis| {
        assert_eq!(redis.geoadd("g", 13.361389, 38.115556, "Palermo").await.unwrap(), 1);
        redis.geoadd("g", 15.087269, 37.502669, "Catania").await.unwrap();
        let metres = redis.geodist("g", "Palermo", "Catania").await.unwrap().unwrap();
        assert!((166_000.0..167_000.0).contains(&metres), "{metres}");
        assert_eq!(redis.geodist("g", "Palermo", "none").await.unwrap(), None);
        let places = redis.geopos("g", ["Palermo", "none"]).await.unwrap();
        assert!(
            places[0].is_some_and(|(longitude, _)| (13.3..13.4).contains(&longitude)) && places[1].is_none()
        );
        assert_eq!(redis.geohash("g", ["Palermo"]).await.unwrap()[0].as_deref(), Some("sqc8b49rny0"));
        assert_eq!(redis.geosearch_radius("g", 15.0, 37.5, 50_000.0, 5).await.unwrap(), bytes(&["Catania"]));
        let near = redis.geosearch_member("g", "Palermo", 200_000.0, 5).await.unwrap();
        assert_eq!((near.len(), near[0].1), (2, 0.0));
    });
}

#[test]
fn streams_and_groups() {
    on_both_protocols(async |redis| {
        let first = redis.xadd("s", [("n", 1), ("m", 2)]).await.unwrap();
        redis.xadd_capped("s", 1000, [("n", 2)]).await.unwrap();
        assert_eq!(redis.xlen("s").await.unwrap(), 2);
        let all = redis.xrange("s", "-", "+", 10).await.unwrap();
        assert_eq!((&all[0].0, &all[0].1["m"]), (&first, &Bytes::from_static(b"2")));
        assert_eq!(redis.xrevrange("s", "+", "-", 1).await.unwrap()[0].0, all[1].0);
        let read = redis.xread("s", first.as_str(), 10).await.unwrap().unwrap();
        assert_eq!((read[0].0.as_str(), &read[0].1[..]), ("s", &all[1..]));
        assert_eq!(redis.xread("s", "$", 10).await.unwrap(), None);

        redis.xgroup_create("s", "g", "0").await.unwrap();
        assert_eq!(redis.xgroup_create("s", "g", "0").await.unwrap_err().code(), "BUSYGROUP");
        let mine = redis.xreadgroup("s", "g", "me", 1).await.unwrap().unwrap();
        assert_eq!(mine[0].1[0].0, first);
        assert_eq!(redis.xack("s", "g", [first.as_str()]).await.unwrap(), 1);
        let rest = redis.xreadgroup_wait("s", "g", "me", 10, Duration::from_secs(5)).await.unwrap().unwrap();
        assert_eq!(rest[0].1.len(), 1);
        assert_eq!(redis.xreadgroup_wait("s", "g", "me", 10, Duration::from_millis(5)).await.unwrap(), None);
        runtime::time::sleep(Duration::from_millis(5)).await;
        let (next, claimed, gone) =
            redis.xautoclaim("s", "g", "you", Duration::from_millis(1), "0", 10).await.unwrap();
        assert_eq!((next.as_str(), claimed.len(), gone.len()), ("0-0", 1, 0));
        let waiter = runtime::spawn({
            let redis = redis.clone();
            async move { redis.xread_wait("s", "$", 1, Duration::from_secs(60)).await }
        });
        while redis.run::<String>(cmd("INFO").arg("clients")).await.unwrap().contains("blocked_clients:0") {}
        redis.xadd("s", [("n", 3)]).await.unwrap();
        assert_eq!(waiter.await.unwrap().unwrap().unwrap()[0].1[0].1["n"], "3");
        assert_eq!(redis.xdel("s", [first]).await.unwrap(), 1);
        assert_eq!(redis.xtrim("s", 1).await.unwrap(), 1);
        assert!(redis.xgroup_destroy("s", "g").await.unwrap());
    });
}
