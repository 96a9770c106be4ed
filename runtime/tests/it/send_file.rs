//! Files over sockets.

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use corelane_runtime::buf::pool_stats;
use corelane_runtime::fs::File;
use corelane_runtime::net::{self, Stream};
use corelane_runtime::{spawn, time};

use crate::fs::{Dir, pattern};
use crate::support::{in_child, listen, on_each_driver, open_descriptors, settle, tcp_pair, warm_up};

const MIB: u64 = 1 << 20;

/// A file of so many bytes of the pattern.
async fn file_of(dir: &Dir, len: u64) -> File {
    let path = dir.join("file");
    std::fs::write(&path, pattern(0, len as usize)).unwrap();
    File::open(path).await.unwrap()
}

/// Receives to the end, checking each byte against the pattern from `offset` on. Returns how many.
async fn receive(mut stream: Stream, offset: u64, pause: Option<Duration>) -> u64 {
    let mut at = offset;
    loop {
        let Ok(bytes) = stream.recv().await else { return at - offset };
        if bytes.is_empty() {
            return at - offset;
        }
        assert!(bytes[..] == pattern(at, bytes.len())[..], "a wrong byte behind {at}");
        at += bytes.len() as u64;
        if let Some(pause) = pause {
            time::sleep(pause).await;
        }
    }
}

/// Receives to the end.
async fn receive_all(mut peer: Stream) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let bytes = peer.recv().await.unwrap();
        if bytes.is_empty() {
            return all;
        }
        all.extend_from_slice(&bytes);
    }
}

/// Bytes of memory this process has in use of its own, files not counted.
fn anonymous_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn files_of_any_size_arrive_whole_behind_what_was_sent_before() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = file_of(&dir, 3 * MIB).await;
        for (why, offset, len) in [
            ("nothing", 0, 0),
            ("one byte", 0, 1),
            ("the last byte", 3 * MIB - 1, 1),
            ("a page and a bit, across pages", 4000, 5000),
            ("all", 0, 3 * MIB),
            ("all but an odd start", 12_345, 3 * MIB - 12_345),
        ] {
            let (mut stream, peer) = tcp_pair().await;
            let receiving = spawn(receive_all(peer));
            // A small send is reported done before it is, a large one is not: the file waits for
            // either.
            let head = vec![0xff; if offset == 0 { 5 } else { 20_000 }];
            stream.send(head.clone()).await.unwrap();
            assert_eq!(stream.send_file(&file, offset, len).await.unwrap(), len, "{why}");
            drop(stream);
            let want = [head, pattern(offset, len as usize)].concat();
            assert!(receiving.await.unwrap() == want, "{why}");
        }
    });
}

/// The head is sent in the same turn, before the file, and the trailer right behind it.
#[test]
fn heads_files_and_trailers_keep_their_order() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = file_of(&dir, 100_000).await;
        let (mut stream, peer) = tcp_pair().await;
        let receiving = spawn(receive_all(peer));
        let mut want = Vec::new();
        for round in 0..50u64 {
            stream.send("head").await.unwrap();
            stream.send_file(&file, round, 99_000).await.unwrap();
            stream.send("trailer").await.unwrap();
            want.extend_from_slice(b"head");
            want.extend(pattern(round, 99_000));
            want.extend_from_slice(b"trailer");
        }
        drop(stream);
        assert!(receiving.await.unwrap() == want);
    });
}

#[test]
fn a_slow_peer_costs_no_memory() {
    in_child("send_file::a_slow_peer_costs_no_memory", || {
        on_each_driver(|| async {
            const LEN: u64 = 64 * MIB;
            let dir = Dir::new();
            let file = file_of(&dir, LEN).await;
            warm_up().await;
            let (mut stream, peer) = tcp_pair().await;
            let before = anonymous_memory();
            let leases = pool_stats().leases_in_use;
            let receiving = spawn(receive(peer, 0, Some(Duration::from_micros(300))));
            let watching = spawn(async move {
                let mut most = 0;
                loop {
                    most = anonymous_memory().max(most);
                    if time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await.is_err()
                        && receiving.is_finished()
                    {
                        return (receiving.await.unwrap(), most);
                    }
                }
            });
            assert_eq!(stream.send_file(&file, 0, LEN).await.unwrap(), LEN);
            assert!(pool_stats().leases_in_use <= leases + 8, "no lease holds the file");
            drop(stream);
            let (received, most) = watching.await.unwrap();
            assert_eq!(received, LEN);
            assert!(most < before + 8 * MIB, "{before} bytes before, {most} at most while sending");
        });
    });
}

#[test]
fn a_file_that_ends_early_is_an_error() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = file_of(&dir, 1000).await;
        let (mut stream, peer) = tcp_pair().await;
        let receiving = spawn(receive(peer, 500, None));
        let error = stream.send_file(&file, 500, 501).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let error = stream.send("what the peer takes for the rest of the file").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        drop(stream);
        assert!(receiving.await.unwrap() <= 500);

        let (mut stream, _peer) = tcp_pair().await;
        let error = stream.send_file(&file, u64::MAX, 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        stream.send("nothing was promised").await.unwrap();
    });
}

#[test]
fn a_file_cut_short_while_it_is_sent_is_an_error() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = file_of(&dir, 64 * MIB).await;
        let (mut stream, peer) = tcp_pair().await;
        let receiving = spawn(receive_lengths(peer));
        let path = dir.join("file");
        let cutting = spawn(async move {
            time::sleep(Duration::from_millis(20)).await;
            std::fs::File::options().write(true).open(path).unwrap().set_len(1000).unwrap();
        });
        let error = stream.send_file(&file, 0, 64 * MIB).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        cutting.await.unwrap();
        drop(stream);
        assert!(receiving.await.unwrap() < 64 * MIB);
    });
}

/// As `receive`, slowly, and without a look at the bytes: those of a file that was cut may be zeroes.
async fn receive_lengths(mut peer: Stream) -> u64 {
    let mut received = 0;
    loop {
        match peer.recv().await {
            Ok(bytes) if !bytes.is_empty() => received += bytes.len() as u64,
            _ => return received,
        }
        time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_peer_that_goes_away_is_an_error() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = file_of(&dir, 64 * MIB).await;
        for first in [0, 1] {
            let (mut stream, mut peer) = tcp_pair().await;
            let going = spawn(async move {
                for _ in 0..first {
                    peer.recv().await.unwrap();
                }
                time::sleep(Duration::from_millis(10)).await;
            });
            let error = stream.send_file(&file, 0, 64 * MIB).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error:?}");
            going.await.unwrap();
        }
    });
}

#[test]
fn a_peer_that_never_reads_is_cut_by_the_stall() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = file_of(&dir, 64 * MIB).await;
        let (mut stream, _peer) = tcp_pair().await;
        stream.set_send_stall(Some(Duration::from_millis(100)));
        let error = stream.send_file(&file, 0, 64 * MIB).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn many_slow_peers_at_once_are_all_served() {
    on_each_driver(|| async {
        // More than there are pipes, so some are read and sent.
        const PEERS: usize = 150;
        const LEN: u64 = MIB;
        let dir = Dir::new();
        let file = Rc::new(file_of(&dir, LEN).await);
        let mut receiving = Vec::new();
        for _ in 0..PEERS {
            let (mut stream, peer) = tcp_pair().await;
            let file = Rc::clone(&file);
            drop(spawn(async move {
                assert_eq!(stream.send_file(&file, 0, LEN).await.unwrap(), LEN);
            }));
            receiving.push(spawn(receive(peer, 0, Some(Duration::from_millis(1)))));
        }
        for receiving in receiving {
            assert_eq!(receiving.await.unwrap(), LEN);
        }
    });
}

#[test]
fn what_cannot_be_spliced_is_read_and_sent() {
    on_each_driver(|| async {
        let (mut near, far) = net::duplex(100_000);
        let dir = Dir::new();
        let file = file_of(&dir, 90_000).await;
        assert_eq!(near.send_file(&file, 10, 89_990).await.unwrap(), 89_990);
        drop(near);
        assert_eq!(receive(far, 10, None).await, 89_990);
        // The kernel makes this file as it is read.
        let version = std::fs::read("/proc/version").unwrap();
        let file = File::open("/proc/version").await.unwrap();
        let (mut stream, mut peer) = tcp_pair().await;
        stream.send_file(&file, 0, version.len() as u64).await.unwrap();
        assert_eq!(peer.recv().await.unwrap()[..], version[..]);
        let error = stream.send_file(&File::open("/").await.unwrap(), 0, 1).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::InvalidInput), "{error:?}");
    });
}

/// A server that runs as a user of its own serves files of root: the kernel does not tell it what is in
/// the page cache.
#[test]
fn a_file_of_somebody_else_arrives_whole() {
    in_child("send_file::a_file_of_somebody_else_arrives_whole", || {
        // SAFETY: no pointers; this process was started for this test and ends with it.
        let nobody = unsafe { libc::geteuid() != 0 || libc::setuid(65_534) == 0 };
        assert!(nobody, "cannot become somebody without privileges");
        on_each_driver(|| async {
            let path = "/bin/bash";
            let want = std::fs::read(path).unwrap();
            let file = File::open(path).await.unwrap();
            for len in [1, 16_000, 65_536, 65_537, want.len()] {
                let (mut stream, peer) = tcp_pair().await;
                let receiving = spawn(receive_all(peer));
                stream.send("head").await.unwrap();
                stream.send_file(&file, 0, len as u64).await.unwrap();
                stream.send("trailer").await.unwrap();
                drop(stream);
                assert!(receiving.await.unwrap() == [b"head", &want[..len], b"trailer"].concat(), "{len}");
            }
        });
    });
}

/// Drops what the page cache has of a file that is on the disk.
fn leave_the_cache(file: &File) {
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// A file that is not in the page cache: it is sent off the core.
#[test]
fn a_file_that_must_come_from_the_disk_arrives_whole() {
    on_each_driver(|| async {
        let dir = Dir::new();
        let file = file_of(&dir, 8 * MIB).await;
        file.sync_all().await.unwrap();
        let (mut stream, peer) = tcp_pair().await;
        let receiving = spawn(receive(peer, 0, None));
        for piece in 0..16 {
            // Again each time: the kernel reads ahead.
            leave_the_cache(&file);
            let sent = stream.send_file(&file, piece * MIB / 2, MIB / 2).await.unwrap();
            assert_eq!(sent, MIB / 2);
        }
        drop(stream);
        assert_eq!(receiving.await.unwrap(), 8 * MIB);
    });
}

/// Steps: begin to send, drop at some time, drop the stream, connect again at once so that the
/// numbers are used again. A byte of a dropped send on a later connection is the failure, as is a
/// descriptor that stays.
#[test]
fn dropped_sends_leave_nothing_and_reach_nobody_else() {
    in_child("send_file::dropped_sends_leave_nothing_and_reach_nobody_else", || {
        on_each_driver(|| async {
            let dir = Dir::new();
            let file = file_of(&dir, 4 * MIB).await;
            file.sync_all().await.unwrap();
            let listener = listen();
            let address = listener.local_addr().unwrap();
            let pair = async || {
                let near = Stream::connect(address).await.unwrap();
                (near, listener.accept().await.unwrap().0)
            };
            let (mut stream, peer) = pair().await;
            let receiving = spawn(receive(peer, 0, None));
            stream.send_file(&file, 0, 4 * MIB).await.unwrap();
            drop(stream);
            receiving.await.unwrap();
            settle(|| false).await;
            let descriptors = open_descriptors();
            let leases = pool_stats().leases_in_use;
            for round in 0..150u64 {
                if round % 2 == 0 {
                    leave_the_cache(&file);
                }
                let (mut stream, peer) = pair().await;
                let receiving = spawn(receive(peer, 0, None));
                let after = Duration::from_micros(round * 37 % 5000);
                let sent = time::timeout(after, stream.send_file(&file, 0, 4 * MIB)).await;
                drop(stream);
                // Uses the numbers again while the kernel may still be at it.
                let (mut second, mut other) = pair().await;
                second.send("only this").await.unwrap();
                assert_eq!(&other.recv().await.unwrap()[..], b"only this", "round {round}");
                drop(second);
                assert!(other.recv().await.unwrap().is_empty(), "round {round}");
                let received = receiving.await.unwrap();
                assert!(received <= 4 * MIB && (sent.is_err() || received == 4 * MIB), "round {round}");
            }
            // Eight pipes at most are kept for the next files, and the first needed one: a send that was
            // dropped in its pipe's hands makes the next open another. A leak would be a pipe a round.
            let kept = 2 * 8;
            let back = || open_descriptors() <= descriptors + kept && pool_stats().leases_in_use == leases;
            settle(back).await;
            assert!(
                back(),
                "{descriptors} and {leases} before, {} and {} after",
                open_descriptors(),
                pool_stats().leases_in_use
            );
        });
    });
}
