//! Futures dropped half-way: nothing is lost, leaked, or written to after it was freed.

use std::future::Future;
use std::io::ErrorKind;
use std::task::Poll;
use std::time::Duration;

use corelane_runtime::buf::pool_stats;
use corelane_runtime::net::Stream;
use corelane_runtime::{spawn, time, yield_now};

use crate::support::{listen, on_each_driver, open_descriptors, settle, tcp_pair, warm_up};

/// Polls a future so many times, a turn apart, and drops it; true if it finished.
async fn poll_and_drop<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

#[test]
fn a_dropped_receive_loses_no_byte() {
    on_each_driver(|| async {
        let (mut stream, mut peer) = tcp_pair().await;
        const TOTAL: usize = 300_000;
        let sender = spawn(async move {
            let mut sent = 0;
            while sent < TOTAL {
                let n = (TOTAL - sent).min(1 + sent % 700);
                let chunk: Vec<u8> = (sent..sent + n).map(|at| (at % 251) as u8).collect();
                peer.send(chunk).await.unwrap();
                sent += n;
                yield_now().await;
            }
        });
        let mut received = 0;
        let mut round = 0;
        while received < TOTAL {
            round += 1;
            // Dropped after zero, one, two or three polls, with completions in between.
            let Some(outcome) = poll_and_drop(round % 4, stream.recv()).await else { continue };
            for &byte in outcome.unwrap().iter() {
                assert_eq!(byte, (received % 251) as u8, "at {received}, round {round}");
                received += 1;
            }
        }
        sender.await.unwrap();
    });
}

#[test]
fn a_dropped_send_breaks_sending_and_not_receiving() {
    on_each_driver(|| async {
        warm_up().await;
        let before = pool_stats().leases_in_use;
        for vectored in [false, true] {
            let (mut stream, mut peer) = tcp_pair().await;
            let bytes = vec![5u8; 64 * 1024 * 1024];
            let sent = if vectored {
                let chunks = std::iter::once(corelane_runtime::buf::Chunk::from(bytes)).collect();
                poll_and_drop(3, stream.send_vectored(chunks)).await
            } else {
                poll_and_drop(3, stream.send(bytes)).await
            };
            assert!(sent.is_none(), "no socket buffer is that large");
            let error = stream.send("more").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            peer.send("still heard").await.unwrap();
            assert_eq!(&stream.recv().await.unwrap()[..], b"still heard");
            drop(stream);
            // The peer sees a prefix of what was sent, and nothing else.
            loop {
                match peer.recv().await {
                    Ok(bytes) if bytes.is_empty() => break,
                    Ok(bytes) => assert!(bytes.iter().all(|&byte| byte == 5)),
                    Err(error) => break assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                }
            }
        }
        settle(|| pool_stats().leases_in_use == before).await;
        assert_eq!(pool_stats().leases_in_use, before);
    });
}

#[test]
fn leases_in_dropped_sends_come_back_when_the_kernel_is_done() {
    on_each_driver(|| async {
        warm_up().await;
        let before = pool_stats().leases_in_use;
        let (mut stream, peer) = tcp_pair().await;
        // Fill the socket, so that the lease stays in the kernel's hands.
        assert!(poll_and_drop(3, stream.send(vec![0; 64 * 1024 * 1024])).await.is_none());
        drop(stream);
        let (mut second, peer_of_second) = tcp_pair().await;
        let mut lease = corelane_runtime::buf::Lease::take(4096).unwrap();
        lease.extend_from_slice(&[7; 4096]).unwrap();
        drop(poll_and_drop(1, second.send(lease)).await);
        drop((second, peer, peer_of_second));
        settle(|| pool_stats().leases_in_use == before).await;
        assert_eq!(pool_stats().leases_in_use, before);
    });
}

#[test]
fn dropped_connects_and_accepts_leave_no_descriptor() {
    crate::support::in_child("cancel::dropped_connects_and_accepts_leave_no_descriptor", || {
        on_each_driver(|| async {
            let listener = listen();
            let address = listener.local_addr().unwrap();
            drop(Stream::connect(address).await.unwrap());
            drop(listener.accept().await.unwrap());
            settle(|| false).await;
            let before = open_descriptors();
            for round in 0..200 {
                drop(poll_and_drop(round % 3, Stream::connect(address)).await);
                drop(poll_and_drop(round % 2, listener.accept()).await);
                // Nobody accepts from this one: a documentation address, unreachable here.
                let nowhere = "192.0.2.1:9".parse().unwrap();
                drop(poll_and_drop(1, Stream::connect(nowhere)).await);
            }
            while let Ok(accepted) = time::timeout(Duration::from_millis(50), listener.accept()).await {
                drop(accepted);
            }
            settle(|| open_descriptors() <= before).await;
            assert!(open_descriptors() <= before, "{} before, {} after", before, open_descriptors());
        });
    });
}
