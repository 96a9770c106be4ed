//! Keys that others change are told, and nothing is missed silently.

use bytes::Bytes;
use corelane_storage::redis::tracking::{Invalidation, Invalidations, Tracking};
use corelane_storage::redis::{Redis, Value, cmd};

use crate::support::redis_server::RedisServer;
use crate::support::{eventually, on_core};

/// The keys told so far, up to a mark that is changed last.
async fn until_mark(invalidations: &mut Invalidations, mark: &str) -> Vec<Bytes> {
    let mut all = Vec::new();
    while all.last().is_none_or(|key: &Bytes| key != mark) {
        match invalidations.next().await {
            Invalidation::Keys(keys) => all.extend(keys),
            other => panic!("{other:?}"),
        }
    }
    all
}

#[test]
fn keys_that_were_read_are_told_when_they_change() {
    let mut server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let other = Redis::connect(&server.url()).await.unwrap();
        let mut invalidations = redis.track(Tracking::reads().no_loop()).await.unwrap();
        let error = redis.track(Tracking::reads()).await.unwrap_err();
        assert_eq!(error.to_string(), "this client tracks keys already: drop the other stream first");
        for key in ["read", "mine", "mark"] {
            redis.get(key).await.unwrap();
        }
        redis.set("mine", 1).await.unwrap();
        other.set("never read", 1).await.unwrap();
        other.set("read", 1).await.unwrap();
        other.set("mark", 1).await.unwrap();
        assert_eq!(until_mark(&mut invalidations, "mark").await, ["read", "mark"]);
        other.flushdb().await.unwrap();
        assert_eq!(invalidations.next().await, Invalidation::All);

        server.kill();
        assert_eq!(
            invalidations.next().await,
            Invalidation::All,
            "nothing is told while there is no connection"
        );
        server.restart();
        eventually("both are back", || redis.is_connected() && other.is_connected()).await;
        redis.get("again").await.unwrap();
        other.set("again", 1).await.unwrap();
        assert_eq!(until_mark(&mut invalidations, "again").await, ["again"], "the new connection tracks");
        assert_eq!(redis.stats().pushes_dropped, 0);

        drop(invalidations);
        let info: String = redis.run(cmd("CLIENT INFO")).await.unwrap();
        assert!(!info.split_once("flags=").unwrap().1.split(' ').next().unwrap().contains('t'), "{info}");
    });
}

#[test]
fn prefixes_are_told_without_a_read_and_who_listens_no_longer_gets_nothing() {
    let server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let other = Redis::connect(&server.url()).await.unwrap();
        let mut invalidations = redis.track(Tracking::prefixes(["user:", "team:"])).await.unwrap();
        for key in ["user:1", "nothing", "team:1", "user:mark"] {
            other.set(key, 1).await.unwrap();
        }
        let told = until_mark(&mut invalidations, "user:mark").await;
        assert!(
            told.contains(&"user:1".into()) && told.contains(&"team:1".into()) && told.len() == 3,
            "{told:?}"
        );
        drop(invalidations);
        // Prefixes that overlap are refused, and then nothing is tracked.
        assert!(redis.track(Tracking::prefixes(["a", "ab"])).await.is_err());
        let info: Value = redis.run(cmd("CLIENT TRACKINGINFO")).await.unwrap();
        assert!(format!("{info:?}").contains("off"), "{info:?}");

        let old = Redis::connect(&format!("{}?protocol=2", server.url())).await.unwrap();
        assert_eq!(
            old.track(Tracking::reads()).await.unwrap_err().to_string(),
            "tracking needs RESP3: the configuration asks for RESP2"
        );
        // By hand, without anybody who listens: counted and dropped.
        redis.run::<()>(cmd("CLIENT TRACKING").arg(("ON", "BCAST"))).await.unwrap();
        other.set("x", 1).await.unwrap();
        eventually("a push is dropped", || redis.stats().pushes_dropped > 0).await;
        assert_eq!(redis.get("x").to::<u8>().await.unwrap(), 1, "in step");
    });
}
