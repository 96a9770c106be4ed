//! Seeded disorder: futures dropped at random on every connection, every byte checked.

use std::future::Future;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use corelane_runtime::buf::{Chunk, Lease, pool_stats};
use corelane_runtime::net::{Shutdown, Stream, duplex};
use corelane_runtime::{spawn, time, yield_now};

use crate::support::{on_each_driver, open_descriptors, settle, tcp_pair, warm_up};

/// A small generator (xorshift64*), so that a failure is repeated by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

fn byte(seed: u64, at: usize) -> u8 {
    (at as u64).wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]
}

/// Polls a few times, a turn apart, and drops.
async fn maybe<F: Future>(polls: usize, future: F) -> Option<F::Output> {
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

/// Sends `total` bytes in chunks of every kind, with pauses, then ends its half.
async fn send(mut stream: Stream, seed: u64, total: usize) {
    let mut dice = Dice(seed | 1);
    let mut sent = 0;
    while sent < total {
        let n = (1 + dice.below(3_000) * (1 + dice.below(20))).min(total - sent);
        let bytes: Vec<u8> = (sent..sent + n).map(|at| byte(seed, at)).collect();
        match dice.below(4) {
            0 => stream.send(bytes).await.unwrap(),
            1 if n <= 65_536 => {
                let mut lease = Lease::take(n).unwrap();
                lease.extend_from_slice(&bytes).unwrap();
                stream.send(lease.freeze()).await.unwrap();
            }
            2 => stream.send(bytes::Bytes::from(bytes)).await.unwrap(),
            _ => {
                let cut = dice.below(n);
                let parts = [Chunk::from(bytes[..cut].to_vec()), Chunk::from(bytes[cut..].to_vec())];
                stream.send_vectored(parts.into_iter().collect()).await.unwrap();
            }
        }
        sent += n;
        match dice.below(6) {
            0 => yield_now().await,
            1 => time::sleep(Duration::from_micros(dice.below(2_000) as u64)).await,
            _ => {}
        }
    }
    stream.shutdown(Shutdown::Write).unwrap();
    // Until the receiver has seen the end: closing with its bytes unread would reset.
    assert!(stream.recv().await.unwrap().is_empty());
}

/// Receives it all, dropping receives and watches half-way and moving deadlines about.
async fn receive(mut stream: Stream, seed: u64, total: usize) {
    let mut dice = Dice(seed.rotate_left(32) | 1);
    let mut received = 0;
    loop {
        match dice.below(5) {
            0 => stream.set_recv_deadline(Some(time::now() + Duration::from_secs(600))),
            1 => stream.set_recv_deadline(None),
            2 => drop(maybe(dice.below(3), stream.closed()).await),
            _ => {}
        }
        let polls = dice.below(6);
        // The last choice waits for as long as it takes.
        let outcome = match polls {
            5 => Some(stream.recv().await),
            _ => maybe(polls, stream.recv()).await,
        };
        let Some(outcome) = outcome else { continue };
        let bytes = outcome.unwrap();
        if bytes.is_empty() {
            break;
        }
        for &got in bytes.iter() {
            assert_eq!(got, byte(seed, received), "seed {seed}, byte {received}");
            received += 1;
        }
    }
    assert_eq!(received, total, "seed {seed}");
}

#[test]
fn every_byte_arrives_whatever_is_dropped() {
    on_each_driver(|| async {
        warm_up().await;
        let leases = pool_stats().leases_in_use;
        let tasks: Vec<_> = (1..=24u64)
            .map(|seed| {
                spawn(async move {
                    let (near, far) = if seed % 4 == 0 { duplex(10_000) } else { tcp_pair().await };
                    let total = 100_000 + Dice(seed).below(400_000);
                    let sending = spawn(send(near, seed, total));
                    receive(far, seed, total).await;
                    sending.await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        settle(|| pool_stats().leases_in_use == leases).await;
        assert_eq!(pool_stats().leases_in_use, leases);
    });
}

/// Tasks aborted at random points, each with a connection in some state.
#[test]
fn aborted_tasks_leave_nothing_behind() {
    crate::support::in_child("stress::aborted_tasks_leave_nothing_behind", || {
        on_each_driver(|| async {
            warm_up().await;
            let (leases, descriptors) = (pool_stats().leases_in_use, open_descriptors());
            let held = Rc::new(());
            let mut dice = Dice(7);
            for _ in 0..300 {
                let (near, far) = tcp_pair().await;
                let (sends, receives) = (Rc::clone(&held), Rc::clone(&held));
                let sending = spawn(async move {
                    let _sends = sends;
                    let mut near = near;
                    while near.send(vec![1; 100_000]).await.is_ok() {}
                });
                let receiving = spawn(async move {
                    let _receives = receives;
                    let mut far = far;
                    while far.recv().await.is_ok_and(|bytes| !bytes.is_empty()) {}
                });
                for _ in 0..dice.below(4) {
                    yield_now().await;
                }
                let (first, second) =
                    if dice.below(2) == 0 { (sending, receiving) } else { (receiving, sending) };
                first.abort();
                if dice.below(2) == 0 {
                    yield_now().await;
                }
                second.abort();
            }
            let clean = || {
                pool_stats().leases_in_use == leases
                    && open_descriptors() <= descriptors
                    && Rc::strong_count(&held) == 1
            };
            settle(clean).await;
            assert_eq!(Rc::strong_count(&held), 1, "every task was dropped");
            assert_eq!(pool_stats().leases_in_use, leases);
            assert!(open_descriptors() <= descriptors, "{descriptors} before, {}", open_descriptors());
        });
    });
}
