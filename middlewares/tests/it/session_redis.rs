//! Sessions in a real Redis, which is killed.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::extract::Path;
use corelane_http::response::StatusCode;
use corelane_middlewares::session::{RedisStore, Session, SessionError, SessionStore, Sessions, StoreKey};
use corelane_runtime as runtime;
use corelane_storage::redis::{Config, Redis, cmd};

use self::redis_server::RedisServer;
use crate::session_store::keeps_its_promises;
use crate::support::{Browser, Site};

#[path = "../../../storage/tests/it/support/redis_server.rs"]
#[allow(dead_code, reason = "the storage crate's tests need more of it")]
mod redis_server;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn redis_keeps_the_promises_of_a_store() {
    let server = RedisServer::start();
    runtime::block_on(async {
        let one = RedisStore::new(Redis::connect(&server.url()).await.unwrap());
        let two = RedisStore::new(Redis::connect(&format!("{}?protocol=2", server.url())).await.unwrap());
        keeps_its_promises(&one, &two).await;
        let redis = Redis::connect(&server.url()).await.unwrap();
        assert_eq!(redis.dbsize().await.unwrap(), 0);

        let key = StoreKey::of("id");
        let elsewhere = two.prefix("other:");
        elsewhere.save(&key, b"x".to_vec(), None, Duration::from_secs(60)).await.unwrap();
        assert_eq!(one.load(&key).await.unwrap(), None, "another prefix is another store");
        assert!((59_000..=60_000).contains(&redis.pttl(format!("other:{key}")).await.unwrap()));

        // What other programs leave under a session's key is an error, not a session.
        for (why, command) in [
            ("too short", cmd("SET").key(format!("session:{key}")).arg("1234567")),
            ("another type", cmd("LPUSH").key(format!("session:{key}")).arg("x")),
        ] {
            redis.del(format!("session:{key}")).await.unwrap();
            redis.run::<()>(command).await.unwrap();
            let error = one.load(&key).await.unwrap_err();
            assert!(std::error::Error::source(&error).is_some(), "{why}: {error:?}");
        }
    });
}

async fn put(Path(value): Path<String>, session: Session) -> Result<StatusCode, SessionError> {
    session.insert("value", value)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read(session: Session) -> Result<String, SessionError> {
    Ok(session.get::<String>("value")?.unwrap_or_default())
}

#[test]
fn while_redis_is_away_sessions_are_503_at_once_and_what_was_acknowledged_is_there_afterwards() {
    // Each write is on its disk before it is acknowledged.
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let url = server.url();
    let site = Site::on_cores(2, move || {
        let mut config = Config::from_url(&url).unwrap();
        config.deadline = Duration::from_secs(20);
        let store = RedisStore::new(Redis::lazy(config).unwrap());
        App::new()
            .with(Sessions::new(store))
            .get("/none", async || "no session here")
            .get("/read", read)
            .post("/put/{value}", put)
    });
    let mut browser = Browser::new();
    let mut acknowledged = 0;
    for round in 0..2 {
        for _ in 0..10 {
            let next = acknowledged + 1;
            assert_eq!(browser.post(&site, &format!("/put/{next}")).status, 204);
            acknowledged = next;
        }
        server.kill();
        let began = Instant::now();
        // Each core notices with its first request.
        for _ in 0..20 {
            let answer = browser.post(&site, "/put/lost");
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_eq!(browser.get(&site, "/none").status, 200, "who needs no session is served");
        }
        assert!(began.elapsed() < Duration::from_secs(15), "at once: {:?}", began.elapsed());
        server.restart();
        let until = Instant::now() + Duration::from_secs(30);
        let mut answer = browser.get(&site, "/read");
        while answer.status == 503 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
            answer = browser.get(&site, "/read");
        }
        assert_eq!((answer.status, answer.body), (200, acknowledged.to_string()), "round {round}");
        // The other core as well, before the next round.
        while (0..10).any(|_| browser.get(&site, "/read").status != 200) {
            assert!(Instant::now() < until, "one core does not come back");
        }
    }
}
