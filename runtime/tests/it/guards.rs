//! The twelve guards of the design notes on monoio, by number. Each test fails without its guard.

use std::cell::Cell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::buf::pool_stats;
use corelane_runtime::net::{Stream, UnixListener};
use corelane_runtime::{DriverChoice, spawn, time, yield_now};

use crate::support::{
    echo, echo_server, in_child, listen, on, on_each_driver, open_descriptors, settle, tcp_pair, warm_up,
};

/// 1: a task that yields in a loop lets every other ready task run first. At the front of the
/// queue it would never see the flag.
#[test]
fn guard_01_yielding_lets_others_run() {
    on_each_driver(|| async {
        let flag = Rc::new(Cell::new(false));
        let setter = Rc::clone(&flag);
        let yields = spawn(async move {
            let mut yields = 0;
            while !flag.get() {
                yields += 1;
                yield_now().await;
            }
            yields
        });
        drop(spawn(async move { setter.set(true) }));
        assert_eq!(yields.await.unwrap(), 1, "one yield, and the other has run");
    });
}

/// 2: timers and completions are seen although the run queue never empties.
#[test]
fn guard_02_a_busy_queue_does_not_stop_timers_or_completions() {
    on_each_driver(|| async {
        let stop = Rc::new(Cell::new(false));
        let stopped = Rc::clone(&stop);
        let busy = spawn(async move {
            while !stopped.get() {
                yield_now().await;
            }
        });
        time::sleep(Duration::from_millis(5)).await;
        let (client, server) = tcp_pair().await;
        drop(spawn(echo(server)));
        let mut client = client;
        client.send("seen").await.unwrap();
        assert_eq!(&client.recv().await.unwrap()[..], b"seen");
        stop.set(true);
        busy.await.unwrap();
    });
}

/// 3: a panic in a task does not end the core.
#[test]
fn guard_03_a_panic_is_the_tasks_own() {
    on_each_driver(|| async {
        let listener = listen();
        let address = listener.local_addr().unwrap();
        drop(spawn(echo_server(listener)));
        assert!(spawn(async { panic!("on purpose") }).await.unwrap_err().is_panic());
        let mut client = Stream::connect(address).await.unwrap();
        client.send("alive").await.unwrap();
        assert_eq!(&client.recv().await.unwrap()[..], b"alive");
    });
}

/// 4: an accept that is dropped after a connection came loses neither it nor its descriptor.
/// With monoio's own accept in the place of readiness the accept after the dropped one waits for ever.
#[test]
fn guard_04_a_dropped_accept_loses_no_connection() {
    in_child("guards::guard_04_a_dropped_accept_loses_no_connection", || {
        on_each_driver(|| async {
            let listener = listen();
            let address = listener.local_addr().unwrap();
            let before = open_descriptors();
            for _ in 0..50 {
                let mut accept = Box::pin(listener.accept());
                assert!(time::timeout(Duration::ZERO, accept.as_mut()).await.is_err());
                // It waits in the kernel. Now it wins, and is dropped before it is seen.
                let _client = std::net::TcpStream::connect(address).unwrap();
                yield_now().await;
                drop(accept);
                drop(listener.accept().await.unwrap());
            }
            settle(|| open_descriptors() == before).await;
            assert_eq!(open_descriptors(), before);
        });
    });
}

/// Entries ever put into the submission queue of the only ring of this process.
fn submissions() -> u64 {
    let ring = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(Result::ok)
        .find(|entry| {
            std::fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:[io_uring]")
        })
        .expect("a ring");
    let name = ring.file_name().into_string().unwrap();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{name}")).unwrap();
    let tail =
        info.lines().find_map(|line| line.strip_prefix("SqTail:")).expect("kernels since 5.10 tell it");
    tail.trim().parse().unwrap()
}

/// 5: closing costs no submission: monoio's own close is two, one of them a cancel of no use.
#[test]
fn guard_05_a_close_is_not_an_operation_on_the_ring() {
    in_child("guards::guard_05_a_close_is_not_an_operation_on_the_ring", || {
        on(DriverChoice::Uring, async {
            const PAIRS: u64 = 20;
            let mut pairs = Vec::new();
            for _ in 0..PAIRS {
                pairs.push(tcp_pair().await);
            }
            yield_now().await;
            let before = submissions();
            drop(pairs);
            yield_now().await;
            let spent = submissions() - before;
            assert!(spent < PAIRS, "{spent} submissions for {} closes", 2 * PAIRS);
        });
    });
}

/// 6: every descriptor of a core is close-on-exec.
#[test]
fn guard_06_nothing_is_inherited_by_a_new_program() {
    in_child("guards::guard_06_nothing_is_inherited_by_a_new_program", || {
        let inherited: Vec<i32> = descriptors();
        on_each_driver(|| async {
            let path = std::env::temp_dir().join(format!("corelane-guard-{}", std::process::id()));
            let _left_over = std::fs::remove_file(&path);
            let unix = UnixListener::bind(&path).unwrap();
            let unix_client = Stream::connect_unix(&path).await.unwrap();
            let unix_server = unix.accept().await.unwrap();
            let listener = listen();
            let client = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            assert!(time::timeout(Duration::from_millis(1), server.closed()).await.is_err());
            let ours: Vec<i32> = descriptors().into_iter().filter(|fd| !inherited.contains(fd)).collect();
            assert!(ours.len() >= 6, "sockets, bell, timer: {ours:?}");
            for fd in ours {
                // SAFETY: reads flags of a descriptor; a wrong number is an error.
                let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
                let what = std::fs::read_link(format!("/proc/self/fd/{fd}"));
                // The directory that lists them is closed again by now.
                let Ok(what) = what else { continue };
                assert_ne!(flags & libc::FD_CLOEXEC, 0, "{fd}: {what:?}");
            }
            drop((unix_client, unix_server, client));
            std::fs::remove_file(&path).unwrap();
        });
    });
}

fn descriptors() -> Vec<i32> {
    let names = std::fs::read_dir("/proc/self/fd").unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap()).collect()
}

/// 7: a vectored send to a peer that has gone is an error. Rust programs start with SIGPIPE
/// ignored, embedders of other languages do not: the child restores the default first.
#[test]
fn guard_07_a_peer_that_has_gone_does_not_end_the_process() {
    in_child("guards::guard_07_a_peer_that_has_gone_does_not_end_the_process", || {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        on_each_driver(|| async {
            let (mut stream, peer) = tcp_pair().await;
            drop(peer);
            let error = loop {
                let chunks = std::iter::once(corelane_runtime::buf::Chunk::from("anybody there?")).collect();
                if let Err(error) = stream.send_vectored(chunks).await {
                    break error;
                }
                time::sleep(Duration::from_millis(1)).await;
            };
            let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(kinds.contains(&error.kind()), "{error}");
        });
    });
}

/// 8: connecting takes an address, and nothing in the crate resolves a name.
#[test]
fn guard_08_no_name_is_resolved() {
    for (file, line, text) in source_lines() {
        for word in ["to_socket_addrs", "ToSocketAddrs", "TcpStream::connect", "getaddrinfo"] {
            assert!(!text.contains(word), "{file}:{line} names {word}");
        }
    }
}

/// 9: a core that ends waits for its buffers. What the peer receives after the core has ended is
/// what was sent: the buffer was not freed under the kernel. The books of the driver itself are
/// checked beside it, in `driver/monoio/open.rs`.
#[test]
fn guard_09_a_core_waits_for_lent_buffers() {
    for (choice, _) in crate::support::DRIVERS {
        let before = pool_stats().leases_in_use;
        let mut peer = None;
        on(choice, async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let mut stream = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
            peer = Some(listener.accept().unwrap().0);
            drop(spawn(async move { stream.send(vec![9u8; 64 * 1024 * 1024]).await }));
            time::sleep(Duration::from_millis(20)).await;
        });
        let mut received = Vec::new();
        let ended = std::io::Read::read_to_end(&mut peer.unwrap(), &mut received);
        assert!(ended.is_ok() || received.len() > 1000);
        assert!(!received.is_empty() && received.iter().all(|&byte| byte == 9), "{choice:?}");
        assert_eq!(pool_stats().leases_in_use, before);
    }
}

/// 11: monoio's blocking pool is not built in, so nothing can reach it; ours is bounded.
/// Also here: the features that must never be on.
#[test]
fn guard_11_only_the_features_that_are_safe() {
    let manifest = include_str!("../../../Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("monoio = ")).expect("monoio is declared");
    let features = line.split("features = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let mut features: Vec<&str> = features.split(',').map(|name| name.trim().trim_matches('"')).collect();
    features.sort_unstable();
    assert_eq!(features, ["async-cancel", "bytes", "iouring", "legacy"]);
    assert!(line.contains("default-features = false"));
    for (file, line, text) in source_lines() {
        // Our own ring waits for room (`Uring::push`); monoio's panics.
        let ours = file.contains("/driver/ring/");
        assert!(ours || !text.contains("setup_sqpoll("), "{file}:{line}: a full queue panics with it");
    }
}

/// 12: a receive that meets its deadline gives its buffer back, and at once.
#[test]
fn guard_12_a_deadline_gives_the_buffer_back() {
    on_each_driver(|| async {
        warm_up().await;
        let before = pool_stats();
        let (mut stream, _peer) = tcp_pair().await;
        for _ in 0..3 {
            stream.set_recv_deadline(Some(time::now() + Duration::from_millis(5)));
            assert_eq!(stream.recv().await.unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(pool_stats().leases_in_use, before.leases_in_use);
        }
    });
}

/// Code lines of this crate, with where they are; comments and unit tests left out.
fn source_lines() -> Vec<(String, usize, String)> {
    fn walk(folder: &std::path::Path, lines: &mut Vec<(String, usize, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("tests") || path.ends_with("tests.rs") {
                continue;
            }
            if path.is_dir() {
                walk(&path, lines);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
                lines.extend(
                    code.map(|(index, line)| (path.display().to_string(), index + 1, line.to_string())),
                );
            }
        }
    }
    let mut lines = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut lines);
    assert!(lines.len() > 1000, "the sources are where the manifest is");
    lines
}
