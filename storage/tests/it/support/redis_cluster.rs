//! A cluster of `redis-server`s: three primaries with a replica each.

use std::thread;
use std::time::{Duration, Instant};

use super::free_port;
use super::redis_server::RedisServer;

/// How many primaries, and how many replicas.
pub(crate) const SHARDS: usize = 3;

const SLOTS: usize = 16_384;

/// Longest that the servers may take to agree.
const AGREE_MAX: Duration = Duration::from_secs(60);

/// The servers, primaries first; replica `n + SHARDS` follows primary `n` at the start.
pub(crate) struct RedisCluster {
    pub(crate) servers: Vec<RedisServer>,
}

impl RedisCluster {
    pub(crate) fn start() -> RedisCluster {
        RedisCluster::start_with(|_| Vec::new())
    }

    /// Starts one whose servers have more arguments, by their number.
    pub(crate) fn start_with(arguments: impl Fn(usize) -> Vec<String>) -> RedisCluster {
        let servers: Vec<RedisServer> = (0..2 * SHARDS)
            .map(|n| {
                // Without `--cluster-port` it would be `--port` + 10,000, which may be none.
                let mut words: Vec<String> = [
                    "--cluster-enabled yes",
                    "--cluster-config-file nodes.conf",
                    // A primary is taken for dead after so long.
                    "--cluster-node-timeout 1000",
                    "--cluster-replica-validity-factor 0",
                    "--repl-diskless-sync-delay 0",
                ]
                .iter()
                .flat_map(|line| line.split(' ').map(str::to_owned))
                .collect();
                words.extend(["--cluster-port".to_owned(), free_port().to_string()]);
                words.extend(arguments(n));
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                RedisServer::start_with(&words)
            })
            .collect();
        let cluster = RedisCluster { servers };
        cluster.join();
        cluster
    }

    fn join(&self) {
        for (n, server) in self.servers.iter().enumerate() {
            assert_eq!(server.ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1)), "OK");
            if n < SHARDS {
                let (first, last) = (n * SLOTS / SHARDS, (n + 1) * SLOTS / SHARDS - 1);
                assert_eq!(server.ask(&format!("CLUSTER ADDSLOTSRANGE {first} {last}")), "OK");
            }
            // Everybody meets everybody: gossip alone takes a second more.
            for other in &self.servers[..n] {
                let bus = other.cluster_port();
                assert_eq!(server.ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port())), "OK");
            }
        }
        self.agree("everybody knows everybody", |server| {
            let nodes = server.ask("CLUSTER NODES");
            nodes.lines().count() == 2 * SHARDS && !nodes.contains("handshake")
        });
        for n in 0..SHARDS {
            let id = self.id(n);
            assert_eq!(self.servers[n + SHARDS].ask(&format!("CLUSTER REPLICATE {id}")), "OK");
        }
        self.wait_until_healthy();
    }

    /// All slots are served, everybody agrees by whom, and every primary has a replica that is up to date.
    pub(crate) fn wait_until_healthy(&self) {
        self.agree("all slots are served", |server| {
            let info = server.ask("CLUSTER INFO");
            let nodes = server.ask("CLUSTER NODES");
            info.contains("cluster_state:ok")
                && info.contains("cluster_slots_ok:16384")
                && !nodes.contains("fail")
                && nodes.lines().filter(|line| line.contains("slave")).count() == SHARDS
        });
        self.agree("replicas are up to date", |server| {
            let info = server.ask("INFO replication");
            info.contains("role:master") && info.contains("state=online")
                || info.contains("master_link_status:up")
        });
    }

    #[track_caller]
    fn agree(&self, what: &str, is_so: impl Fn(&RedisServer) -> bool) {
        let until = Instant::now() + AGREE_MAX;
        for server in &self.servers {
            while !is_so(server) {
                assert!(
                    Instant::now() < until,
                    "the cluster does not agree: {what}\n{}",
                    server.ask("CLUSTER NODES")
                );
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    pub(crate) fn id(&self, n: usize) -> String {
        self.servers[n].ask("CLUSTER MYID")
    }

    /// The URL, by the first server.
    pub(crate) fn url(&self) -> String {
        format!("redis-cluster://127.0.0.1:{}", self.servers[0].port())
    }

    /// Which server serves a slot, by what `witness` says.
    pub(crate) fn owner(&self, slot: u16, witness: usize) -> Option<usize> {
        let nodes = self.servers[witness].ask("CLUSTER NODES");
        let line = nodes.lines().find(|line| {
            // Id, address, flags, primary, ping, pong, epoch, link, slots.
            let fields: Vec<&str> = line.split(' ').collect();
            fields[2].contains("master")
                && !fields[2].contains("fail")
                && fields[8..].iter().filter(|field| !field.starts_with('[')).any(|field| {
                    let (first, last) = field.split_once('-').unwrap_or((field, field));
                    (first.parse().unwrap()..=last.parse().unwrap()).contains(&slot)
                })
        })?;
        let port = line.split(' ').nth(1)?.split('@').next()?.rsplit(':').next()?;
        self.servers.iter().position(|server| server.port().to_string() == port)
    }

    /// Moves a slot with its keys from one primary to another, as `redis-cli --cluster reshard` does.
    pub(crate) fn migrate(&self, slot: u16, from: usize, to: usize) {
        let (source, target) = (&self.servers[from], &self.servers[to]);
        let (from, to) = (self.id(from), self.id(to));
        assert_eq!(target.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}")), "OK");
        assert_eq!(source.ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}")), "OK");
        self.move_keys(slot, source, target);
        // The target first: nobody is sent to a server that does not know that it is meant.
        assert_eq!(target.ask(&format!("CLUSTER SETSLOT {slot} NODE {to}")), "OK");
        assert_eq!(source.ask(&format!("CLUSTER SETSLOT {slot} NODE {to}")), "OK");
    }

    /// Begins to move a slot, and leaves its keys where they are.
    pub(crate) fn begin_migration(&self, slot: u16, from: usize, to: usize) {
        let (source, target) = (&self.servers[from], &self.servers[to]);
        let (from, to) = (self.id(from), self.id(to));
        assert_eq!(target.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}")), "OK");
        assert_eq!(source.ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}")), "OK");
    }

    fn move_keys(&self, slot: u16, source: &RedisServer, target: &RedisServer) {
        loop {
            let count: u32 = source.ask(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).parse().unwrap();
            if count == 0 {
                return;
            }
            for key in source.ask_list(&format!("CLUSTER GETKEYSINSLOT {slot} 10")) {
                let moved = source.ask(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", target.port()));
                assert!(moved == "OK" || moved == "NOKEY", "{moved}");
            }
        }
    }
}
