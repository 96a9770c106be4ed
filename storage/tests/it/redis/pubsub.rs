//! Subscribers: what comes, what is missed, what is refused.

use std::time::Duration;

use corelane_runtime as runtime;
use corelane_storage::redis::pubsub::{Event, Message, Messages};
use corelane_storage::redis::{Config, Redis, RedisError, cmd};

use crate::support::redis_server::RedisServer;
use crate::support::{eventually, on_core};

async fn message(messages: &mut Messages) -> Message {
    match messages.next().await {
        Event::Message(message) => message,
        other => panic!("no message: {other:?}"),
    }
}

#[test]
fn messages_come_by_channel_pattern_and_shard_in_both_protocols() {
    let server = RedisServer::start();
    for protocol in [2, 3] {
        on_core(async {
            let redis = Redis::connect(&format!("{}?protocol={protocol}", server.url())).await.unwrap();
            let (subscriber, mut messages) = redis.subscriber();
            assert!(!subscriber.is_connected(), "nothing to connect for");
            subscriber.subscribe(["news", "weather"]).await.unwrap();
            subscriber.psubscribe(["new*"]).await.unwrap();
            subscriber.ssubscribe(["shard"]).await.unwrap();
            assert_eq!((subscriber.topics(), subscriber.is_connected()), (4, true));
            assert_eq!(redis.publish("news", "hello").await.unwrap(), 2);
            assert_eq!(redis.publish("weather", [0u8, 255]).await.unwrap(), 1);
            assert_eq!(redis.spublish("shard", "s").await.unwrap(), 1);
            let direct = message(&mut messages).await;
            assert_eq!(
                (&*direct.channel, &direct.pattern, &*direct.payload),
                (&b"news"[..], &None, &b"hello"[..])
            );
            let matched = message(&mut messages).await;
            assert_eq!((matched.channel, matched.pattern.unwrap()), ("news".into(), "new*".into()));
            assert_eq!(message(&mut messages).await.payload, &[0, 255][..]);
            assert_eq!(message(&mut messages).await.channel, "shard");
            assert_eq!(redis.pubsub_channels("*").await.unwrap().len(), 2);
            assert_eq!(redis.pubsub_numsub(["news"]).await.unwrap(), [("news".to_owned(), 1)]);
            assert_eq!(redis.pubsub_numpat().await.unwrap(), 1);

            subscriber.unsubscribe(["news", "never"]).await.unwrap();
            subscriber.punsubscribe(["new*"]).await.unwrap();
            subscriber.sunsubscribe(["shard"]).await.unwrap();
            assert_eq!(redis.publish("news", "nobody").await.unwrap(), 0);
            assert_eq!(redis.publish("weather", "last").await.unwrap(), 1);
            assert_eq!(message(&mut messages).await.payload, "last");
            assert_eq!(subscriber.stats().messages, 5);
            drop(messages);
            let error = subscriber.subscribe(["news"]).await.unwrap_err();
            assert!(!error.is_maybe_executed() && !error.is_unavailable(), "{error}");
            let mut gone = false;
            for _ in 0..1000 {
                gone = gone || redis.publish("weather", "nobody").await.unwrap() == 0;
                runtime::time::sleep(Duration::from_millis(if gone { 0 } else { 5 })).await;
            }
            assert!(gone, "the connection is still there");
        });
    }
}

#[test]
fn a_server_that_is_killed_is_subscribed_to_again_and_the_gap_is_told() {
    let mut server = RedisServer::start();
    on_core(async {
        let redis = Redis::connect(&server.url()).await.unwrap();
        let (subscriber, mut messages) = redis.subscriber();
        subscriber.subscribe(["a", "b"]).await.unwrap();
        subscriber.psubscribe(["p*"]).await.unwrap();
        for round in 0..3 {
            // Some kills come in the middle of a subscription of many channels.
            let during = runtime::spawn({
                let subscriber = subscriber.clone();
                let names: Vec<String> = (0..2000).map(|n| format!("{round}-{n}")).collect();
                async move { subscriber.subscribe(names).await }
            });
            if round > 0 {
                runtime::yield_now().await;
            }
            server.kill();
            eventually("the end is noticed", || !subscriber.is_connected()).await;
            let outcome = during.await.unwrap();
            if let Err(error) = &outcome {
                assert!(error.is_unavailable(), "{error:?}");
                let error: RedisError = subscriber.subscribe(["c"]).await.unwrap_err();
                assert!(error.is_unavailable() && !error.is_maybe_executed(), "at once: {error:?}");
            }
            // While it is away, what is not wanted any more is simply not asked for again.
            subscriber.unsubscribe(["b"]).await.unwrap();
            server.restart();
            let Event::Missed(missed) = messages.next().await else { panic!("the gap comes first") };
            assert!(missed.reconnected && missed.dropped == 0, "{missed:?}");
            eventually("both clients are back", || redis.is_connected()).await;
            assert_eq!(redis.publish("b", "nobody").await.unwrap(), 0);
            assert_eq!(redis.publish("a", "x").await.unwrap(), 1);
            assert_eq!(redis.publish("pattern", "y").await.unwrap(), 1);
            assert_eq!(message(&mut messages).await.payload, "x");
            assert_eq!(message(&mut messages).await.payload, "y");
            subscriber.subscribe(["b"]).await.unwrap();
        }
        assert_eq!(subscriber.stats().connects, 4);
    });
}

#[test]
fn who_is_slow_loses_the_oldest_and_is_told() {
    let server = RedisServer::start();
    on_core(async {
        let mut config = Config::from_url(&server.url()).unwrap();
        config.messages_max = 100;
        let redis = Redis::connect_with(config).await.unwrap();
        let (subscriber, mut messages) = redis.subscriber();
        subscriber.subscribe(["c"]).await.unwrap();
        for n in 0..1000 {
            redis.publish("c", n).await.unwrap();
        }
        eventually("all have come", || subscriber.stats().messages == 1000).await;
        assert_eq!(subscriber.queued().0, 100);
        let Some(Event::Missed(missed)) = messages.try_next() else { panic!("the gap comes first") };
        assert_eq!((missed.dropped, missed.reconnected), (900, false));
        for n in 900..1000 {
            assert_eq!(message(&mut messages).await.payload, n.to_string());
        }
        assert!(messages.try_next().is_none());
    });
}

#[test]
fn a_silent_server_is_given_up_and_a_quiet_one_is_not() {
    let server = RedisServer::start();
    on_core(async {
        let mut config = Config::from_url(&server.url()).unwrap();
        config.silence_max = Duration::from_millis(600);
        config.connect_timeout = Duration::from_secs(60);
        let redis = Redis::connect_with(config).await.unwrap();
        let (subscriber, mut messages) = redis.subscriber();
        subscriber.subscribe(["c"]).await.unwrap();
        // Nothing is published for three times that long: the server answers what it is asked for a sign of life.
        runtime::time::sleep(Duration::from_millis(1800)).await;
        assert!(subscriber.is_connected() && messages.try_next().is_none());
        assert_eq!(subscriber.stats().connects, 1);
        server.pause();
        eventually("it is given up", || !subscriber.is_connected()).await;
        server.resume();
        assert!(matches!(messages.next().await, Event::Missed(missed) if missed.reconnected));
        redis.publish("c", "again").await.unwrap();
        assert_eq!(message(&mut messages).await.payload, "again");
    });
}

#[test]
fn ten_thousand_channels_are_subscribed_to_and_a_message_that_is_too_large_is_told() {
    let server = RedisServer::start();
    on_core(async {
        let mut config = Config::from_url(&server.url()).unwrap();
        config.reply_limits.reply_bytes_max = 100_000;
        let redis = Redis::connect_with(config).await.unwrap();
        let (subscriber, mut messages) = redis.subscriber();
        let names: Vec<String> = (0..10_000).map(|n| format!("channel:{n}")).collect();
        subscriber.subscribe(&names).await.unwrap();
        redis.publish("channel:9999", vec![b'x'; 99_000]).await.unwrap();
        assert_eq!(message(&mut messages).await.payload.len(), 99_000);
        redis.publish("channel:0", vec![b'x'; 100_001]).await.unwrap();
        assert!(matches!(messages.next().await, Event::Missed(missed) if missed.reconnected));
        assert_eq!(subscriber.topics(), 10_000);
        for name in ["channel:0", "channel:5000", "channel:9999"] {
            assert_eq!(redis.publish(name, name).await.unwrap(), 1);
            assert_eq!(message(&mut messages).await.channel, name);
        }
        // Dropped half-way: what nobody else wants is not kept.
        let more: Vec<String> = (0..10_000).map(|n| format!("more:{n}")).collect();
        let dropped = runtime::time::timeout(Duration::ZERO, subscriber.subscribe(&more)).await;
        assert!(dropped.is_err() && subscriber.topics() < 20_000);
        subscriber.unsubscribe(&names).await.unwrap();
        eventually("nothing is left", || subscriber.topics() == 0).await;
        let left: Vec<String> = redis.run(cmd("PUBSUB CHANNELS")).await.unwrap();
        assert_eq!(left, [""; 0]);
    });
}

#[test]
fn what_the_access_list_forbids_is_refused_alone() {
    let server = RedisServer::start();
    on_core(async {
        let admin = Redis::connect(&server.url()).await.unwrap();
        let user =
            cmd("ACL SETUSER").arg("limited").arg(("on", ">pw", "+@all")).arg(("resetchannels", "&open:*"));
        admin.run::<()>(user).await.unwrap();
        let url = format!("redis://limited:pw@127.0.0.1:{}/", server.port());
        let redis = Redis::connect(&url).await.unwrap();
        let (subscriber, mut messages) = redis.subscriber();
        let error = subscriber.subscribe(["open:1", "closed", "open:2"]).await.unwrap_err();
        assert!(error.is_auth() && error.code() == "NOPERM", "{error:?}");
        assert_eq!(subscriber.topics(), 2);
        admin.publish("open:2", "x").await.unwrap();
        assert_eq!(message(&mut messages).await.channel, "open:2");
        // The right is taken away: the server ends the connection, and refuses one of the two afterwards.
        admin.run::<()>(cmd("ACL SETUSER").arg("limited").arg(("resetchannels", "&open:1"))).await.unwrap();
        let Event::Ended(ended) = messages.next().await else { panic!("the end comes first") };
        assert_eq!((&*ended.name, ended.error.code()), (&b"open:2"[..], "NOPERM"));
        assert!(matches!(messages.next().await, Event::Missed(missed) if missed.reconnected));
        admin.publish("open:1", "y").await.unwrap();
        assert_eq!(message(&mut messages).await.channel, "open:1");
    });
}
