//! Deadlines and stalls: what they end, and what they leave alone.

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime::buf::pool_stats;
use corelane_runtime::net::{Shutdown, Stream, duplex};
use corelane_runtime::{spawn, time, yield_now};

use crate::support::{on_each_driver, settle, tcp_pair, warm_up};

/// A TCP pair and a pair in memory: deadlines are the same on both.
async fn pairs() -> [(&'static str, Stream, Stream); 2] {
    let (left, right) = tcp_pair().await;
    let (first, second) = duplex(4096);
    [("tcp", left, right), ("memory", first, second)]
}

fn soon() -> Option<Instant> {
    Some(time::now() + Duration::from_millis(20))
}

fn late() -> Option<Instant> {
    Some(time::now() + Duration::from_secs(3600))
}

#[test]
fn a_receive_past_its_deadline_times_out_and_sending_still_works() {
    on_each_driver(|| async {
        for (kind, mut stream, mut peer) in pairs().await {
            let deadline = soon();
            stream.set_recv_deadline(deadline);
            let error = stream.recv().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{kind}");
            assert!(Some(Instant::now()) >= deadline, "{kind}: early");
            assert_eq!(stream.recv().await.unwrap_err().kind(), ErrorKind::TimedOut, "{kind}: for good");
            stream.send("408").await.unwrap();
            assert_eq!(&peer.recv().await.unwrap()[..], b"408", "{kind}");
        }
    });
}

#[test]
fn a_deadline_moved_or_taken_back_does_not_fire() {
    on_each_driver(|| async {
        for (kind, mut stream, mut peer) in pairs().await {
            for (why, last) in [("moved later", late()), ("taken back", None)] {
                stream.set_recv_deadline(soon());
                stream.set_recv_deadline(last);
                let receiving = spawn(async move {
                    let received = stream.recv().await;
                    (stream, received)
                });
                time::sleep(Duration::from_millis(40)).await;
                peer.send("in time").await.unwrap();
                let (back, received) = receiving.await.unwrap();
                assert_eq!(&received.unwrap()[..], b"in time", "{kind}: {why}");
                stream = back;
            }
        }
    });
}

#[test]
fn a_deadline_moved_earlier_fires_earlier() {
    on_each_driver(|| async {
        for (kind, mut stream, _peer) in pairs().await {
            stream.set_recv_deadline(late());
            stream.set_recv_deadline(soon());
            assert_eq!(stream.recv().await.unwrap_err().kind(), ErrorKind::TimedOut, "{kind}");
        }
    });
}

#[test]
fn a_send_that_makes_no_progress_times_out_and_ends_both_halves() {
    on_each_driver(|| async {
        for (kind, mut stream, peer) in pairs().await {
            stream.set_send_stall(Some(Duration::from_millis(30)));
            // More than any socket buffer takes, and the peer does not receive.
            let error = stream.send(vec![1; 64 * 1024 * 1024]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{kind}");
            let again = stream.send("more").await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::BrokenPipe, "{kind}: broken for good");
            assert!(stream.recv().await.is_ok_and(|bytes| bytes.is_empty()), "{kind}: the other half too");
            drop(peer);
        }
    });
}

#[test]
fn a_send_that_makes_progress_does_not_time_out() {
    on_each_driver(|| async {
        for (kind, mut stream, mut peer) in pairs().await {
            const TOTAL: usize = 8 * 1024 * 1024;
            stream.set_send_stall(Some(Duration::from_secs(5)));
            let slow = spawn(async move {
                let mut total = 0;
                let mut receives = 0;
                while total < TOTAL {
                    total += peer.recv().await.unwrap().len();
                    receives += 1;
                    if receives % 100 == 0 {
                        time::sleep(Duration::from_millis(1)).await;
                    }
                }
            });
            stream.send(vec![2; TOTAL]).await.expect(kind);
            slow.await.unwrap();
        }
    });
}

#[test]
fn closed_is_told_of_the_end_and_not_of_bytes() {
    on_each_driver(|| async {
        for (kind, stream, mut peer) in pairs().await {
            let stream = Rc::new(stream);
            let watched = Rc::clone(&stream);
            let watching = spawn(async move { watched.closed().await });
            peer.send("bytes do not count").await.unwrap();
            time::sleep(Duration::from_millis(20)).await;
            assert!(!watching.is_finished(), "{kind}");
            peer.shutdown(Shutdown::Write).unwrap();
            watching.await.unwrap();
            stream.closed().await;
            let mut stream = Rc::into_inner(stream).unwrap();
            assert_eq!(&stream.recv().await.unwrap()[..], b"bytes do not count", "{kind}");
            drop(peer);
        }
    });
}

#[test]
fn closed_may_be_dropped_and_asked_again() {
    on_each_driver(|| async {
        for (_, stream, peer) in pairs().await {
            for _ in 0..3 {
                let watch = time::timeout(Duration::from_millis(2), stream.closed());
                assert!(watch.await.is_err());
            }
            drop(peer);
            stream.closed().await;
        }
    });
}

#[test]
fn a_watch_does_not_outlive_its_stream() {
    on_each_driver(|| async {
        // Descriptors and watch slots are used again by the next connection, which lives.
        for _ in 0..20 {
            let (stream, peer) = tcp_pair().await;
            assert!(time::timeout(Duration::from_millis(1), stream.closed()).await.is_err());
            drop(peer);
            drop(stream);
            let (next, _alive) = tcp_pair().await;
            assert!(time::timeout(Duration::from_millis(1), next.closed()).await.is_err());
        }
    });
}

#[test]
fn a_close_handle_ends_a_waiting_receive() {
    on_each_driver(|| async {
        for (kind, mut stream, peer) in pairs().await {
            let handle = stream.close_handle();
            let receiving = spawn(async move { stream.recv().await });
            yield_now().await;
            handle.shutdown(Shutdown::Read).unwrap();
            assert!(receiving.await.unwrap().unwrap().is_empty(), "{kind}: as at the end of the stream");
            drop(peer);
            if kind == "tcp" {
                let gone = handle.shutdown(Shutdown::Both).unwrap_err();
                assert_eq!(gone.kind(), ErrorKind::NotConnected, "the stream is gone");
            }
        }
    });
}

#[test]
fn timers_fire_in_order_and_not_early() {
    on_each_driver(|| async {
        let begun = Instant::now();
        let mut sleeps = Vec::new();
        for millis in [70u64, 5, 130, 0, 64, 5, 1] {
            sleeps.push(spawn(async move {
                time::sleep(Duration::from_millis(millis)).await;
                (millis, begun.elapsed())
            }));
        }
        for sleep in sleeps {
            let (millis, took) = sleep.await.unwrap();
            assert!(took >= Duration::from_millis(millis), "{millis} ms took {took:?}");
        }
    });
}

#[test]
fn timeouts_prefer_a_result() {
    on_each_driver(|| async {
        assert_eq!(time::timeout(Duration::ZERO, async { 7 }).await, Ok(7), "ready at once");
        let slow = time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
        assert!(slow.is_err());
        let mut interval = time::interval(Duration::from_millis(3));
        let first = interval.tick().await;
        time::sleep(Duration::from_millis(10)).await;
        let second = interval.tick().await;
        let third = interval.tick().await;
        for (earlier, later) in [(first, second), (second, third)] {
            assert!(later > earlier);
            assert_eq!((later - earlier).as_nanos() % 3_000_000, 0, "told when due, in step");
        }
        assert!(third - second >= Duration::from_millis(9), "those missed are skipped");
    });
}

#[test]
fn a_waiting_receive_holds_no_lease() {
    on_each_driver(|| async {
        warm_up().await;
        let before = pool_stats().leases_in_use;
        let (mut stream, mut peer) = tcp_pair().await;
        let receiving = spawn(async move { stream.recv().await });
        time::sleep(Duration::from_millis(5)).await;
        assert_eq!(pool_stats().leases_in_use, before);
        peer.send("now").await.unwrap();
        drop(receiving.await.unwrap().unwrap());
        settle(|| pool_stats().leases_in_use == before).await;
        assert_eq!(pool_stats().leases_in_use, before);
    });
}
