//! Kernels and peers that refuse, run out, or never answer.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use io_uring::opcode;

use super::{drive, pair, poll_once, recv, ring, ring_with, send, settle};
use crate::buf::{Chunk, Lease, set_bytes_max};
use crate::driver::ring::send::Payload;
use crate::driver::ring::{Acceptor, Sizes, Wait};

const TINY: Sizes = Sizes { submissions: 4, completions: 8, small: 4, large: 2 };

#[test]
fn an_enter_that_is_refused_is_tried_again() {
    let ring = ring();
    for fault in [libc::EINTR, libc::EAGAIN, libc::EBUSY, libc::ENOMEM] {
        for times in [1, 3] {
            let (socket, mut peer) = pair(&ring);
            peer.write_all(b"in").unwrap();
            ring.with(|inner| inner.uring.faults.extend(std::iter::repeat_n(fault, times)));
            assert_eq!(&drive(&ring, recv(&socket)).unwrap().unwrap()[..], b"in", "errno {fault}");
            ring.with(|inner| inner.uring.faults.extend(std::iter::repeat_n(fault, times)));
            drive(&ring, send(&socket, Payload::from(Chunk::Static(b"out")))).unwrap();
            settle(&ring);
            let mut got = [0; 3];
            peer.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"out", "errno {fault}");
        }
    }
}

#[test]
fn a_send_is_not_taken_for_done_while_the_kernel_refuses_it() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    // More refusals than one turn puts up with.
    ring.with(|inner| inner.uring.faults.extend(std::iter::repeat_n(libc::ENOMEM, 40)));
    drive(&ring, send(&socket, Payload::from(Chunk::Vec(vec![1; 100])))).unwrap();
    ring.turn(Wait::No, Instant::now());
    assert!(ring.with(|inner| inner.flights.iter().any(Option::is_some)), "its memory is kept");
    settle(&ring);
    settle(&ring);
    peer.read_exact(&mut [0; 100]).unwrap();
    assert!(ring.with(|inner| inner.flights.is_empty()));
}

#[test]
fn more_submissions_than_the_queue_holds_go_in_rounds() {
    let ring = ring_with(512, TINY);
    let mut pairs: Vec<_> = (0..100).map(|_| pair(&ring)).collect();
    for (socket, _) in &pairs {
        drive(&ring, send(socket, Payload::from(Chunk::Static(b"hello")))).unwrap();
    }
    settle(&ring);
    for (_, peer) in &mut pairs {
        let mut got = [0; 5];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"hello");
    }
}

#[test]
fn more_completions_than_the_queue_holds_are_all_delivered() {
    let ring = ring_with(16, TINY);
    let keys: Vec<_> = (0..200)
        .map(|_| {
            // SAFETY: a no-op points to nothing.
            let start = ring.with(|inner| unsafe { inner.start_single(opcode::Nop::new().build()) });
            start.expect("the slab has room")
        })
        .collect();
    settle(&ring);
    for key in keys {
        let done = std::future::poll_fn(|cx| ring.with(|inner| inner.poll_single(key, cx)));
        assert_eq!(drive(&ring, done), 0);
    }
}

#[test]
fn a_crowd_on_few_buffers_is_served_to_the_last() {
    let ring = ring_with(512, TINY);
    let mut pairs: Vec<_> = (0..60).map(|_| pair(&ring)).collect();
    let mut waiting: Vec<_> = pairs.iter().map(|(socket, _)| Box::pin(recv(socket))).collect();
    for recv in &mut waiting {
        assert!(poll_once(recv).is_pending());
    }
    settle(&ring);
    drop(waiting);
    for (_, peer) in &mut pairs {
        peer.write_all(b"me too").unwrap();
    }
    for (socket, _) in &pairs {
        assert_eq!(&drive(&ring, recv(socket)).unwrap().unwrap()[..], b"me too");
    }
    assert!(ring.with(|inner| inner.starvations) > 0, "four buffers for sixty is too few at once");
}

#[test]
fn without_a_lease_in_the_pool_receives_wait_and_do_not_spin() {
    let ring = ring_with(16, TINY);
    let (socket, mut peer) = pair(&ring);
    peer.write_all(b"patience").unwrap();
    let hoard: Vec<Lease> = {
        set_bytes_max(64 * 1024);
        std::iter::from_fn(|| Lease::take(1).ok()).collect()
    };
    let mut pending = Box::pin(recv(&socket));
    assert!(poll_once(&mut pending).is_pending());
    settle(&ring);
    let enters = ring.with(|inner| inner.uring.stats().enters);
    let until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < until {
        ring.turn(Wait::Forever, Instant::now());
        assert!(poll_once(&mut pending).is_pending());
    }
    let spent = ring.with(|inner| inner.uring.stats().enters) - enters;
    assert!(spent < 200, "{spent} enters in 100 ms is a spin");
    drop(hoard);
    assert_eq!(&drive(&ring, pending).unwrap().unwrap()[..], b"patience");
    set_bytes_max(256 * 1024 * 1024);
}

#[test]
fn an_accept_error_is_told_once_and_accepting_goes_on() {
    let ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(&ring, listener.into()).unwrap();
    let mut accept = Box::pin(acceptor.accept());
    assert!(poll_once(&mut accept).is_pending());
    settle(&ring);
    ring.with(|inner| {
        let key = inner.listeners.keys()[0];
        inner.on_accept(key, -libc::EMFILE, true);
    });
    let error = drive(&ring, accept).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    let _client = std::net::TcpStream::connect(address).unwrap();
    drive(&ring, acceptor.accept()).expect("the next connection is accepted");
}

#[test]
fn a_listener_nobody_asks_stops_accepting() {
    let ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(&ring, listener.into()).unwrap();
    let mut accept = Box::pin(acceptor.accept());
    assert!(poll_once(&mut accept).is_pending());
    drop(accept);
    settle(&ring);
    let clients: Vec<_> = (0..120)
        .map(|_| {
            let client = std::net::TcpStream::connect(address).unwrap();
            settle_quickly(&ring);
            client
        })
        .collect();
    let held = ring.with(|inner| inner.listeners.get(inner.listeners.keys()[0]).unwrap().held());
    assert!((64..100).contains(&held), "{held} of {} are held here, the rest in the backlog", clients.len());
    for number in 0..clients.len() {
        drive(&ring, acceptor.accept()).unwrap_or_else(|error| panic!("connection {number}: {error}"));
    }
}

fn settle_quickly(ring: &std::rc::Rc<crate::driver::ring::Ring>) {
    ring.turn(Wait::AtMost(Duration::from_millis(1)), Instant::now());
}

#[test]
fn a_peer_that_never_reads_is_cut_after_the_linger() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let mut send = Box::pin(send(&socket, Payload::from(Chunk::Vec(vec![1; 4_000_000]))));
    assert!(poll_once(&mut send).is_pending());
    drop(send);
    settle(&ring);
    drop(socket);
    assert_eq!(ring.with(|inner| inner.conns.len()), 1, "the send is still in hand");
    // The driver is told the time; half a minute later by that clock:
    let later = Instant::now() + crate::driver::ring::close::LINGER + Duration::from_secs(1);
    for _ in 0..4 {
        ring.turn(Wait::AtMost(Duration::from_millis(2)), later);
    }
    assert_eq!(ring.with(|inner| inner.conns.len()), 0);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("what had been taken, then the end");
    assert!(all.len() < 4_000_000);
}

#[test]
fn a_connection_reset_before_it_is_taken_is_passed_over() {
    let ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(&ring, listener.into()).unwrap();
    let mut accept = Box::pin(acceptor.accept());
    assert!(poll_once(&mut accept).is_pending());
    let gone = std::net::TcpStream::connect(address).unwrap();
    socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO)).unwrap();
    drop(gone);
    settle(&ring);
    let here = std::net::TcpStream::connect(address).unwrap();
    let (_, peer) = drive(&ring, accept).expect("the listener is fine");
    assert_eq!(peer, Some(here.local_addr().unwrap()));
}
