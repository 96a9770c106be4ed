//! What the tests share: servers of their own on free ports.

pub(crate) mod liar;
#[cfg(feature = "postgres")]
pub(crate) mod pg_liar;
#[cfg(feature = "postgres")]
pub(crate) mod pg_server;
pub(crate) mod puppet;
pub(crate) mod redis_cluster;
pub(crate) mod redis_sentinels;
pub(crate) mod redis_server;

use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use corelane_runtime as runtime;

/// Longest that a test may take: it turns a hang into a failure and measures nothing.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a test's future on a core.
#[track_caller]
pub(crate) fn on_core<F: Future>(test: F) -> F::Output {
    runtime::block_on(async { runtime::time::timeout(PATIENCE, test).await.expect("the test hangs") })
}

/// A port that nobody listens on. Another process may take it before it is used: whoever starts a server tries again.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Listens for as long as the process lives, and serves each connection on a thread of its own. Gives the address, as
/// `serve` gets it.
pub(crate) fn serve_each(serve: impl Fn(SocketAddr, TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(address, stream));
        }
    });
    address
}

/// Waits until `done`, looking every few milliseconds.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if done() {
            return;
        }
        runtime::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain for: {what}");
}

/// A number from the environment: how thorough a test is to be.
pub(crate) fn size(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")),
        Err(_) => default,
    }
}

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
