//! A `GET` of a small value allocates once: the value.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use corelane::runtime;
use corelane::storage::redis::Redis;
use corelane_benches::server::free_address;

use super::alloc;

/// Killed when dropped, so that a test that fails leaves nothing behind.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn a_get_allocates_its_value_and_nothing_else() {
    const CALLS: u64 = 20_000;
    let address = free_address().unwrap();
    let server = Command::new("redis-server")
        .args(["--port", &address.port().to_string(), "--save", "", "--appendonly", "no"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let _server = Server(server.expect("this test needs redis-server: sudo apt-get install redis-server"));
    let began = Instant::now();
    let answers = || {
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        let mut answer = [0; 7];
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    };
    while !answers() {
        assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not answer");
        std::thread::sleep(Duration::from_millis(10));
    }
    let counted = runtime::block_on(async {
        let redis = Redis::connect(&format!("redis://{address}/")).await.unwrap();
        redis.set("key", "value").await.unwrap();
        let get = async |calls: u64| {
            for _ in 0..calls {
                assert_eq!(redis.get("key").await.unwrap().unwrap(), "value");
            }
        };
        get(CALLS / 10).await;
        let before = alloc::here();
        get(CALLS).await;
        alloc::here() - before
    });
    println!("{counted} allocations for {CALLS} calls");
    // Timers and the like may take a few; a second allocation per call would be twenty thousand.
    assert!(counted >= CALLS, "the count does not see the values");
    assert!(counted <= CALLS + CALLS / 100, "{counted} allocations for {CALLS} calls");
}
