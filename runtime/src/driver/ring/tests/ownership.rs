//! One test per row of `ownership.md`, under its name. Those of files are in `files.rs`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::{closed, connect, drive, pair, poll_once, recv, ring, send, settle};
use crate::buf::{Batch, Chunk, pool_stats};
use crate::driver::ring::files::Place;
use crate::driver::ring::send::Payload;
use crate::driver::ring::{Acceptor, Socket};

/// Bytes that tell when they are dropped.
pub(super) fn watched(len: usize) -> (Chunk, Arc<AtomicBool>) {
    struct Watched(Vec<u8>, Arc<AtomicBool>);
    impl AsRef<[u8]> for Watched {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Watched {
        fn drop(&mut self) {
            self.1.store(true, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let owner = Watched(vec![9; len], Arc::clone(&dropped));
    (Chunk::Bytes(Bytes::from_owner(owner)), dropped)
}

pub(super) fn is_dropped(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}

/// More than any socket takes at once.
const MUCH: usize = 4_000_000;

#[test]
fn multishot_accept() {
    let ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(&ring, listener.into()).unwrap();
    let mut first = Box::pin(acceptor.accept());
    assert!(poll_once(&mut first).is_pending());
    let mut early = TcpStream::connect(address).unwrap();
    settle(&ring);
    drop(first);
    let taken = drive(&ring, acceptor.accept()).expect("the connection waited for the next call");
    drop(taken);
    let mut untaken = TcpStream::connect(address).unwrap();
    settle(&ring);
    drop(acceptor);
    settle(&ring);
    for (name, peer) in [("taken and dropped", &mut early), ("accepted, never taken", &mut untaken)] {
        let end = peer.read(&mut [0; 1]);
        assert!(matches!(end, Ok(0) | Err(_)), "{name}: the peer hears of the end");
    }
    TcpStream::connect(address).expect_err("nobody listens any more");
}

/// Steps: accept is asked for and not submitted, its listener goes, and another one gets its number. A
/// connection to the other one that is accepted for the first one is closed: that is the failure.
#[test]
fn an_accept_that_was_not_submitted_takes_nothing_from_the_next_listener() {
    let ring = ring();
    let acceptor = Acceptor::new(&ring, TcpListener::bind("127.0.0.1:0").unwrap().into()).unwrap();
    let mut pending = Box::pin(acceptor.accept());
    assert!(poll_once(&mut pending).is_pending());
    drop(pending);
    drop(acceptor);
    let listeners: Vec<_> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut clients: Vec<_> = listeners
        .iter()
        .map(|listener| TcpStream::connect(listener.local_addr().unwrap()).unwrap())
        .collect();
    settle(&ring);
    for (listener, client) in listeners.iter().zip(&mut clients) {
        listener.set_nonblocking(true).unwrap();
        let (mut accepted, _) = listener.accept().expect("its connection still waits for it");
        accepted.write_all(b"x").unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
    }
}

#[test]
fn multishot_receive() {
    let before = pool_stats().leases_in_use;
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let mut pending = Box::pin(recv(&socket));
    assert!(poll_once(&mut pending).is_pending());
    settle(&ring);
    drop(pending);
    peer.write_all(b"late").unwrap();
    settle(&ring);
    assert_eq!(&drive(&ring, recv(&socket)).unwrap().unwrap()[..], b"late");
    let lent = pool_stats().leases_in_use;
    // Received and unread, and on its way while the socket is dropped.
    peer.write_all(b"unread").unwrap();
    settle(&ring);
    peer.write_all(b"racing").unwrap();
    drop(socket);
    settle(&ring);
    assert_eq!(pool_stats().leases_in_use, lent, "both buffers are back with the ring");
    drop(ring);
    assert_eq!(pool_stats().leases_in_use, before, "and all of them with the pool");
}

#[test]
fn bulk_receive() {
    let before = pool_stats().leases_in_use;
    let ring = ring();
    let (socket, peer) = pair(&ring);
    let mut writer = peer.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        // Ends with an error once the socket is gone.
        while writer.write_all(&[3; 65536]).is_ok() {}
    });
    while drive(&ring, recv(&socket)).unwrap().unwrap().capacity() == 4096 {}
    let mut pending = Box::pin(recv(&socket));
    let _ = poll_once(&mut pending);
    drop(pending);
    drop(socket);
    settle(&ring);
    drop(peer);
    drop(ring);
    thread.join().unwrap();
    assert_eq!(pool_stats().leases_in_use, before);
}

#[test]
fn first_attempt_of_a_send() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let (chunk, dropped) = watched(100);
    let mut send = Box::pin(send(&socket, Payload::from(chunk)));
    assert!(poll_once(&mut send).is_ready(), "a small send is taken at once");
    drop(send);
    drop(socket);
    assert!(!is_dropped(&dropped), "not submitted yet: the driver keeps it");
    settle(&ring);
    assert!(is_dropped(&dropped), "decided in the turn that submitted it");
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all, [9; 100]);
}

#[test]
fn rest_of_a_send() {
    let ring = ring();
    for gathered in [false, true] {
        let (socket, mut peer) = pair(&ring);
        let (chunk, dropped) = watched(MUCH);
        let payload = if gathered {
            Payload::from(Batch::new([Chunk::Static(b"head"), chunk].into_iter().collect()))
        } else {
            Payload::from(chunk)
        };
        let mut send = Box::pin(send(&socket, payload));
        assert!(poll_once(&mut send).is_pending());
        drop(send);
        settle(&ring);
        drop(socket);
        settle(&ring);
        assert!(!is_dropped(&dropped), "the socket is full: the kernel will read the rest later");
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all.len()
        });
        while !reader.is_finished() {
            settle(&ring);
        }
        assert_eq!(reader.join().unwrap(), MUCH + if gathered { 4 } else { 0 });
        assert!(is_dropped(&dropped));
    }
}

#[test]
fn rest_of_a_send_to_a_peer_that_resets() {
    let ring = ring();
    let (socket, peer) = pair(&ring);
    let (chunk, dropped) = watched(MUCH);
    let mut send = Box::pin(send(&socket, Payload::from(chunk)));
    assert!(poll_once(&mut send).is_pending());
    settle(&ring);
    drop(peer);
    drive(&ring, send).expect_err("the peer is gone");
    settle(&ring);
    assert!(is_dropped(&dropped));
}

#[test]
fn rest_of_a_send_when_the_core_ends() {
    let ring = ring();
    let (socket, _peer) = pair(&ring);
    let (chunk, dropped) = watched(MUCH);
    let mut send = Box::pin(send(&socket, Payload::from(chunk)));
    assert!(poll_once(&mut send).is_pending());
    drop(send);
    settle(&ring);
    drop(socket);
    drop(ring);
    assert!(is_dropped(&dropped), "shut down, completed, freed");
}

#[test]
fn entry_into_the_table_of_files() {
    let ring = ring();
    for turns_between in [0, 1] {
        let (socket, mut peer) = pair(&ring);
        for round in 0..3 {
            drive(&ring, send(&socket, Payload::from(Chunk::Static(b"x")))).unwrap();
            if turns_between > 0 {
                settle(&ring);
                let held = ring.with(|inner| inner.conns.get(socket.key()).unwrap().place == Place::Held);
                assert_eq!(held, round > 0, "entered with the second send");
            }
        }
        drop(socket);
        settle(&ring);
        assert!(ring.with(|inner| inner.entering.is_empty()));
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("the table does not keep the socket open");
        assert_eq!(all, b"xxx");
    }
    // The place is used again by the next connection, whose bytes must not go to the old socket.
    let (socket, mut peer) = pair(&ring);
    for _ in 0..3 {
        drive(&ring, send(&socket, Payload::from(Chunk::Static(b"y")))).unwrap();
        settle(&ring);
    }
    peer.read_exact(&mut [0; 3]).unwrap();
}

#[test]
fn poll_for_a_connect() {
    let ring = ring();
    // A listener whose backlog is full leaves a connect waiting.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let sockets: Vec<_> = (0..4).map(|_| connect(&ring, address)).collect();
    let mut waiting: Vec<_> = sockets.iter().map(|socket| Box::pin(socket.writable())).collect();
    waiting.retain_mut(|wait| poll_once(wait).is_pending());
    settle(&ring);
    waiting.retain_mut(|wait| poll_once(wait).is_pending());
    assert!(!waiting.is_empty(), "a full backlog leaves connects waiting");
    assert_eq!(ring.with(|inner| inner.singles.len()) as usize, waiting.len());
    drop(waiting);
    settle(&ring);
    assert_eq!(ring.with(|inner| inner.singles.len()), 0, "cancelled, completed, forgotten");
}

#[test]
fn hang_up_poll() {
    let ring = ring();
    let (socket, peer) = pair(&ring);
    for _ in 0..3 {
        let mut closed = Box::pin(closed(&socket));
        assert!(poll_once(&mut closed).is_pending());
        settle(&ring);
    }
    drop(peer);
    settle(&ring);
    drive(&ring, closed(&socket));
    let (socket, mut peer) = pair(&ring);
    let mut closed = Box::pin(closed(&socket));
    assert!(poll_once(&mut closed).is_pending());
    settle(&ring);
    drop(closed);
    drop(socket);
    settle(&ring);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0, "the armed poll does not keep the socket open");
}

#[test]
fn close_frees_the_slot_and_late_completions_find_nobody() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let mut pending = Box::pin(recv(&socket));
    assert!(poll_once(&mut pending).is_pending());
    drop(pending);
    settle(&ring);
    let old = socket.key();
    // The bytes are received in the same turn that closes the socket.
    peer.write_all(b"for the old connection").unwrap();
    drop(socket);
    let (new, _new_peer) = pair(&ring);
    assert_eq!(old.index, new.key().index, "the slot is used again at once");
    let mut pending = Box::pin(recv(&new));
    assert!(poll_once(&mut pending).is_pending());
    settle(&ring);
    assert!(poll_once(&mut pending).is_pending(), "the new connection does not see the old one's bytes");
    ring.shutdown(old, rustix::net::Shutdown::Both).expect_err("nobody has that key any more");
    settle(&ring);
    assert!(poll_once(&mut pending).is_pending(), "a stale key shuts nothing down");
}

#[test]
fn a_full_slab_refuses_and_closes() {
    let ring = super::ring_for(1);
    let (_socket, _peer) = pair(&ring);
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let Err(error) = Socket::new(&ring, ours.into()) else { panic!("there is room for one") };
    assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0, "refused and closed");
}
