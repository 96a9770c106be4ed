//! Sends without a copy: the rows of `ownership.md` about them, and what they fall back to.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::ownership::{is_dropped, watched};
use super::{PATIENCE, drive, pair, poll_once, ring_as, send, settle};
use crate::buf::{Batch, Chunk};
use crate::driver::ring::send::{Payload, Sending};
use crate::driver::ring::{Ring, Sizes, Socket};
use crate::launch::RingOptions;

/// More than any socket takes at once.
const MUCH: usize = 8_000_000;

fn ring() -> Rc<Ring> {
    let options = RingOptions { zero_copy_from: Some(1), ..RingOptions::default() };
    let ring = ring_as(64, Sizes::default(), options);
    assert_eq!(ring.features().options, options, "these tests need IORING_OP_SEND_ZC");
    ring
}

/// Sends without a copy are for TCP.
fn tcp_pair(ring: &Rc<Ring>) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    (Socket::new(ring, near.into()).unwrap(), far)
}

fn payload(len: usize, gathered: bool) -> (Payload, std::sync::Arc<AtomicBool>) {
    let (chunk, dropped) = watched(len);
    let payload = if gathered {
        Payload::from(Batch::new([Chunk::Static(b"head"), chunk].into_iter().collect()))
    } else {
        Payload::from(chunk)
    };
    (payload, dropped)
}

/// Slots, and bytes in them.
fn lent(ring: &Rc<Ring>) -> (u32, usize) {
    ring.with(|inner| (inner.zero_copies.len(), inner.zero_copy_bytes))
}

fn turn_until(ring: &Rc<Ring>, what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        settle(ring);
    }
}

#[test]
fn send_without_a_copy() {
    let ring = ring();
    for gathered in [false, true] {
        for len in [1, 5_000, 70_000, MUCH] {
            let (socket, mut peer) = tcp_pair(&ring);
            let (payload, dropped) = payload(len, gathered);
            let mut sending = Box::pin(send(&socket, payload));
            let _taken = poll_once(&mut sending);
            assert_eq!(lent(&ring).0, 1);
            // The future goes at once, the socket in the middle of the send.
            drop(sending);
            assert!(!is_dropped(&dropped));
            settle(&ring);
            drop(socket);
            let want = len + if gathered { 4 } else { 0 };
            let reading = std::thread::spawn(move || {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).unwrap();
                all.len()
            });
            turn_until(&ring, "the end is never seen", || reading.is_finished());
            assert_eq!(reading.join().unwrap(), want);
            turn_until(&ring, "the memory is never free again", || is_dropped(&dropped));
            assert_eq!(lent(&ring), (0, 0));
            assert_eq!(ring.with(|inner| inner.conns.len()), 0);
        }
    }
}

/// The connection goes on, and ends, while the memory is still lent.
#[test]
fn notification_of_a_send_without_a_copy() {
    let ring = ring();
    let (socket, mut peer) = tcp_pair(&ring);
    let (payload, dropped) = payload(MUCH, false);
    let mut sending = Box::pin(send(&socket, payload));
    assert!(poll_once(&mut sending).is_pending());
    settle(&ring);
    assert_eq!(lent(&ring), (1, MUCH));
    assert!(ring.with(|inner| matches!(inner.conns.get(socket.key()).unwrap().sending, Sending::Lent)));
    peer.read_exact(&mut [0; 1000]).unwrap();
    // Cut by us: the operation ends, and so do its notifications, since nothing is sent any more.
    ring.shutdown(socket.key(), rustix::net::Shutdown::Both).unwrap();
    drive(&ring, sending).expect_err("the connection was cut");
    drop(socket);
    drop(peer);
    turn_until(&ring, "the memory is never free again", || is_dropped(&dropped));
    assert_eq!(lent(&ring), (0, 0));
}

#[test]
fn send_without_a_copy_to_a_peer_that_resets() {
    let ring = ring();
    let (socket, peer) = tcp_pair(&ring);
    let (payload, dropped) = payload(MUCH, true);
    let mut sending = Box::pin(send(&socket, payload));
    assert!(poll_once(&mut sending).is_pending());
    settle(&ring);
    drop(peer);
    drive(&ring, sending).expect_err("the peer is gone");
    drop(socket);
    turn_until(&ring, "the memory is never free again", || is_dropped(&dropped));
}

#[test]
fn send_without_a_copy_when_the_core_ends() {
    let ring = ring();
    let (socket, peer) = tcp_pair(&ring);
    let (payload, dropped) = payload(MUCH, false);
    let mut sending = Box::pin(send(&socket, payload));
    assert!(poll_once(&mut sending).is_pending());
    settle(&ring);
    drop(sending);
    drop(socket);
    let started = Instant::now();
    drop(ring);
    // The peer has what the socket had, unread. Free, or leaked: never free while it is lent.
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(peer);
    let _either = is_dropped(&dropped);
}

#[test]
fn a_shutdown_waits_behind_a_send_without_a_copy() {
    let ring = ring();
    let (socket, mut peer) = tcp_pair(&ring);
    let (payload, _dropped) = payload(MUCH, false);
    let mut sending = Box::pin(send(&socket, payload));
    assert!(poll_once(&mut sending).is_pending());
    settle(&ring);
    ring.shutdown(socket.key(), rustix::net::Shutdown::Write).unwrap();
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all.len()
    });
    drive(&ring, sending).unwrap();
    turn_until(&ring, "the end is never seen", || reading.is_finished());
    assert_eq!(reading.join().unwrap(), MUCH);
}

#[test]
fn sockets_that_know_no_such_sends_copy() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    for round in 0..3 {
        let (payload, dropped) = payload(1000, round % 2 == 1);
        drive(&ring, send(&socket, payload)).unwrap();
        turn_until(&ring, "sent", || is_dropped(&dropped));
        let mut got = vec![0; if round % 2 == 1 { 1004 } else { 1000 }];
        peer.read_exact(&mut got).unwrap();
        assert!(got.ends_with(&[9; 1000]));
        assert!(ring.with(|inner| inner.conns.get(socket.key()).unwrap().copies), "it is not tried again");
        assert_eq!(lent(&ring), (0, 0));
    }
}

#[test]
fn beyond_their_bounds_sends_are_copied() {
    let ring = ring();
    let stuck: Vec<_> = (0..10)
        .map(|_| {
            let (socket, peer) = tcp_pair(&ring);
            let (payload, dropped) = payload(MUCH, false);
            let mut sending = Box::pin(send(&socket, payload));
            assert!(poll_once(&mut sending).is_pending());
            drop(sending);
            (socket, peer, dropped)
        })
        .collect();
    settle(&ring);
    assert_eq!(lent(&ring), (8, 8 * MUCH), "64 MiB hold eight of these");
    drop(stuck);
    settle(&ring);
}
