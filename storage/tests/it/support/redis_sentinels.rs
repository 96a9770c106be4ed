//! A primary with two replicas, and three sentinels that watch over them.

use std::thread;
use std::time::{Duration, Instant};

use super::redis_server::RedisServer;

/// The name the sentinels have for it.
pub(crate) const SERVICE: &str = "main";

/// Longest that the sentinels may take to know everybody.
const KNOWN_MAX: Duration = Duration::from_secs(60);

pub(crate) struct RedisSentinels {
    /// The first one is the primary at the start.
    pub(crate) servers: Vec<RedisServer>,
    pub(crate) sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// Starts them; with a password if there is one, and another one for the sentinels.
    pub(crate) fn start(passwords: Option<(&str, &str)>) -> RedisSentinels {
        let mut words = vec!["--repl-diskless-sync-delay", "0"];
        if let Some((password, _)) = passwords {
            words.extend(["--requirepass", password, "--masterauth", password]);
        }
        let servers: Vec<RedisServer> = (0..3).map(|_| RedisServer::start_with(&words)).collect();
        let port = servers[0].port();
        for replica in &servers[1..] {
            assert!(replica.ask(&format!("REPLICAOF 127.0.0.1 {port}")).starts_with("OK"));
        }
        let mut configuration = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {SERVICE} 1000\n\
             sentinel failover-timeout {SERVICE} 1500\n\
             sentinel parallel-syncs {SERVICE} 2\n"
        );
        if let Some((password, own)) = passwords {
            configuration += &format!("sentinel auth-pass {SERVICE} {password}\n");
            // They need it for each other as well.
            configuration += &format!("requirepass {own}\nsentinel sentinel-pass {own}\n");
        }
        let password = passwords.map(|(_, own)| own);
        let sentinels = (0..3).map(|_| RedisServer::start_sentinel(&configuration, password)).collect();
        let started = RedisSentinels { servers, sentinels };
        started.wait_until_known();
        started
    }

    /// Each sentinel knows both replicas and both other sentinels.
    pub(crate) fn wait_until_known(&self) {
        let until = Instant::now() + KNOWN_MAX;
        let field = |sentinel: &RedisServer, name: &str| {
            let fields = sentinel.ask_list(&format!("SENTINEL MASTER {SERVICE}"));
            let place = fields.iter().position(|field| field == name);
            place.map(|place| fields[place + 1].clone()).unwrap_or_default()
        };
        for sentinel in &self.sentinels {
            let is_known = || {
                let replicas = sentinel.ask(&format!("SENTINEL CKQUORUM {SERVICE}"));
                replicas.starts_with("OK 3")
                    && field(sentinel, "num-slaves") == "2"
                    && field(sentinel, "flags") == "master"
            };
            while !is_known() {
                assert!(Instant::now() < until, "the sentinels do not know each other");
                thread::sleep(Duration::from_millis(10));
            }
        }
        for server in &self.servers {
            let is_linked = || {
                let info = server.ask("INFO replication");
                info.contains("role:master") || info.contains("master_link_status:up")
            };
            while !is_linked() {
                assert!(Instant::now() < until, "a replica has no primary");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// The number of the primary, as one sentinel says.
    pub(crate) fn primary(&self) -> usize {
        let address = self.sentinels[0].ask_list(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}"));
        self.servers.iter().position(|server| server.port().to_string() == address[1]).unwrap()
    }

    /// Waits until another one than `old` is the primary and says so itself. Gives when, and which.
    pub(crate) fn wait_for_other(&self, old: usize) -> (Instant, usize) {
        let until = Instant::now() + KNOWN_MAX;
        loop {
            let primary = self.primary();
            if primary != old && self.servers[primary].ask("INFO replication").contains("role:master") {
                return (Instant::now(), primary);
            }
            assert!(Instant::now() < until, "the sentinels appoint nobody");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The URL, by all sentinels.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis-sentinel://{}/{SERVICE}", hosts.join(","))
    }
}
