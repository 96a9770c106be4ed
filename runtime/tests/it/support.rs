//! What the tests share.

use std::future::Future;
use std::io;
use std::process::Command;
use std::time::Duration;

use corelane_runtime::net::{ListenOptions, Stream, TcpListener};
use corelane_runtime::{Builder, DriverChoice, DriverKind, RingOptions, spawn, time};

/// Every driver, forced: a machine without io_uring fails these tests and must say so.
pub(crate) const DRIVERS: [(DriverChoice, DriverKind); 3] = [
    (DriverChoice::Ring, DriverKind::Ring),
    (DriverChoice::Uring, DriverKind::Uring),
    (DriverChoice::Epoll, DriverKind::Epoll),
];

/// Longest that anything here may take. Far above what it does take: it turns a hang into a
/// failure and measures nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a test's future on a fresh core of each driver, one after the other.
#[track_caller]
pub(crate) fn on_each_driver<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for (choice, _) in DRIVERS {
        println!("driver: {choice:?}");
        on(choice, test());
    }
}

/// Runs a test's future on a core of one driver.
#[track_caller]
pub(crate) fn on(choice: DriverChoice, test: impl Future<Output = ()>) {
    let ended = builder(choice).block_on(time_limit(test)).unwrap();
    ended.expect("the test hangs");
}

/// A builder for one driver, with the ring's options that `CORELANE_TEST_RING` names: the suite runs
/// with each of them once, see `tests/all.sh`.
#[track_caller]
pub(crate) fn builder(choice: DriverChoice) -> Builder {
    let mut options = RingOptions::default();
    let named = std::env::var("CORELANE_TEST_RING").unwrap_or_default();
    for name in named.split(',').filter(|name| !name.is_empty()) {
        match name {
            "zero-copy" => options.zero_copy_from = Some(1),
            "messages" => options.message_doorbells = true,
            "busy-poll" => options.busy_poll = Some(Duration::from_micros(50)),
            "submission-poll" => options.submission_poll = Some(Duration::from_millis(1)),
            _ => panic!("CORELANE_TEST_RING: {name} is no option"),
        }
    }
    Builder::default().driver(choice).ring_options(options)
}

/// True if the ring's submissions are polled: descriptors are then closed some time after their drop.
pub(crate) fn closes_late() -> bool {
    std::env::var("CORELANE_TEST_RING").is_ok_and(|named| named.contains("submission-poll"))
}

async fn time_limit<F: Future>(test: F) -> Result<F::Output, time::Elapsed> {
    let asked = std::env::var("CORELANE_TEST_PATIENCE_SECS").ok().and_then(|seconds| seconds.parse().ok());
    // Made inside the core: a timer needs one.
    time::timeout(asked.map_or(PATIENCE, Duration::from_secs), test).await
}

/// A listener on a free port.
pub(crate) fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap()
}

/// Two ends of a TCP connection.
pub(crate) async fn tcp_pair() -> (Stream, Stream) {
    let listener = listen();
    let left = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
    (left, listener.accept().await.unwrap().0)
}

/// Sends back what it receives until the peer ends.
pub(crate) async fn echo(mut stream: Stream) -> io::Result<u64> {
    let mut total = 0;
    loop {
        let bytes = stream.recv().await?;
        if bytes.is_empty() {
            return Ok(total);
        }
        total += bytes.len() as u64;
        stream.send(bytes).await?;
    }
}

/// Accepts and echoes until the listener is closed.
pub(crate) async fn echo_server(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(spawn(echo(stream)));
    }
}

/// Lets the driver set up what it sets up once, such as the buffers it lends to the kernel ahead of
/// time, so that books taken after this balance.
pub(crate) async fn warm_up() {
    let (mut near, far) = tcp_pair().await;
    drop(spawn(echo(far)));
    for _ in 0..8 {
        let mut left = 200_000;
        near.send(vec![0; left]).await.unwrap();
        while left > 0 {
            left -= near.recv().await.unwrap().len();
        }
    }
    drop(near);
    time::sleep(Duration::from_millis(5)).await;
}

/// Descriptors of this process that are open now.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Lets the driver finish what was abandoned: closes and cancels take a turn or two.
pub(crate) async fn settle(mut until: impl FnMut() -> bool) {
    for _ in 0..500 {
        if until() {
            return;
        }
        time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs `body` in a process of its own, for what concerns a whole process: limits, signals,
/// descriptors. `test` is the path of the calling test, as `module::name`.
#[track_caller]
pub(crate) fn in_child(test: &str, body: impl FnOnce()) {
    const MARK: &str = "CORELANE_TEST_CHILD";
    if std::env::var(MARK).as_deref() == Ok(test) {
        return body();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARK, test)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&child.stdout);
    let err = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{test}: {}\n{out}\n{err}", child.status);
    assert!(out.contains("1 passed"), "{test} is not the name of the test that calls this:\n{out}");
}
