//! What a caller sees.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{PATIENCE, closed, connect, drive, pair, poll_once, recv, ring, send, settle};
use crate::buf::{Batch, Chunk, Lease};
use crate::driver::ring::send::Payload;
use crate::driver::ring::{Acceptor, Socket, Wait};

fn one(bytes: &'static [u8]) -> Payload {
    Payload::from(Chunk::Static(bytes))
}

#[test]
fn bytes_come_in_order_and_then_the_end() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    peer.write_all(b"one").unwrap();
    assert_eq!(&drive(&ring, recv(&socket)).unwrap().unwrap()[..], b"one");
    peer.write_all(b"two").unwrap();
    assert_eq!(&drive(&ring, recv(&socket)).unwrap().unwrap()[..], b"two");
    drop(peer);
    for again in 0..2 {
        assert!(drive(&ring, recv(&socket)).unwrap().is_none(), "call {again} after the end");
    }
}

#[test]
fn a_send_arrives_and_the_next_one_behind_it() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    drive(&ring, async {
        send(&socket, one(b"first ")).await.unwrap();
        send(&socket, one(b"second")).await.unwrap();
    });
    settle(&ring);
    let mut got = [0; 12];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"first second");
}

#[test]
fn a_gathered_send_keeps_the_order_of_its_pieces_however_full_the_socket() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        std::thread::sleep(Duration::from_millis(30));
        peer.read_to_end(&mut all).unwrap();
        all
    });
    let mut want = Vec::new();
    drive(&ring, async {
        for round in 0..5u8 {
            let pieces: Vec<Vec<u8>> =
                (0..4u8).map(|piece| vec![round * 4 + piece; 100_000 * usize::from(piece)]).collect();
            want.extend(pieces.concat());
            let chunks = pieces.into_iter().map(Chunk::Vec).collect();
            send(&socket, Payload::from(Batch::new(chunks))).await.unwrap();
        }
    });
    drop(socket);
    settle(&ring);
    assert!(reader.join().unwrap() == want, "every byte, in order");
}

#[test]
fn a_large_send_returns_only_when_the_peer_has_made_room() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let payload: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
    let want = payload.clone();
    let mut send = Box::pin(send(&socket, Payload::from(Chunk::Vec(payload))));
    assert!(poll_once(&mut send).is_pending());
    settle(&ring);
    assert!(poll_once(&mut send).is_pending(), "no socket buffer holds three megabytes");
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; 3_000_000];
        peer.read_exact(&mut got).unwrap();
        got
    });
    drive(&ring, send).unwrap();
    assert!(reader.join().unwrap() == want);
}

#[test]
fn a_send_to_a_peer_that_is_gone_fails_by_the_second_call() {
    let ring = ring();
    let (socket, peer) = pair(&ring);
    drop(peer);
    let errors = drive(&ring, async {
        let first = send(&socket, one(b"x")).await;
        let second = send(&socket, one(b"y")).await;
        let third = send(&socket, one(b"z")).await;
        (first.is_err(), second.unwrap_err().kind(), third.unwrap_err().kind())
    });
    let gone = std::io::ErrorKind::BrokenPipe;
    assert_eq!(errors, (false, gone, gone), "taken, told, and told again");
}

#[test]
fn an_upload_changes_over_to_large_buffers_and_back() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let payload: Vec<u8> = (0..2_000_000u32).map(|n| n.to_le_bytes()[2] ^ n.to_le_bytes()[0]).collect();
    let sent = payload.clone();
    let writer = std::thread::spawn(move || {
        peer.write_all(&sent).unwrap();
        peer
    });
    let mut got = Vec::new();
    let mut largest = 0;
    while got.len() < payload.len() {
        let lease = drive(&ring, recv(&socket)).unwrap().expect("the peer is open");
        largest = largest.max(lease.len());
        got.extend_from_slice(&lease);
    }
    assert!(got == payload, "every byte, in order");
    assert!(largest > 4096, "large buffers were used, not only 4 KiB ones");
    let mut peer = writer.join().unwrap();
    let mut receive_a_little = || {
        peer.write_all(b"small").unwrap();
        let lease = drive(&ring, recv(&socket)).unwrap().unwrap();
        assert_eq!(&lease[..], b"small");
        lease.capacity()
    };
    // The head of the next upload is small, and must not change the way.
    assert!(receive_a_little() > 4096);
    let capacities: Vec<_> = (0..20).map(|_| receive_a_little()).collect();
    assert_eq!(capacities.last(), Some(&4096), "back to small buffers");
}

#[test]
fn a_task_that_does_not_read_stops_the_peer() {
    let ring = ring();
    let (socket, peer) = pair(&ring);
    let mut first = Box::pin(recv(&socket));
    assert!(poll_once(&mut first).is_pending());
    drop(first);
    peer.set_nonblocking(true).unwrap();
    let mut written = 0u64;
    let mut quiet = 0;
    // Until neither the socket nor the driver takes any more.
    while quiet < 20 {
        match (&peer).write(&[5; 4096]) {
            Ok(n) => {
                written += n as u64;
                quiet = 0;
            }
            Err(_) => quiet += 1,
        }
        ring.turn(Wait::AtMost(Duration::from_millis(1)), Instant::now());
        assert!(written < 16 << 20, "backpressure must have set in by now");
    }
    drop(peer);
    let mut read = 0;
    while let Some(lease) = drive(&ring, recv(&socket)).unwrap() {
        assert!(lease.iter().all(|&byte| byte == 5));
        read += lease.len() as u64;
    }
    assert_eq!(read, written, "what was taken is not lost");
}

#[test]
fn closed_tells_of_the_end_and_not_of_bytes() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let mut closed = Box::pin(closed(&socket));
    assert!(poll_once(&mut closed).is_pending());
    peer.write_all(b"data").unwrap();
    settle(&ring);
    assert!(poll_once(&mut closed).is_pending(), "bytes are not the end");
    peer.shutdown(Shutdown::Write).unwrap();
    drive(&ring, closed);
    assert_eq!(&drive(&ring, recv(&socket)).unwrap().unwrap()[..], b"data", "nothing was read by it");
    drop(peer);
}

#[test]
fn shutting_down_the_reading_side_ends_a_pending_receive_and_leaves_sends() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let mut pending = Box::pin(recv(&socket));
    assert!(poll_once(&mut pending).is_pending());
    settle(&ring);
    ring.shutdown(socket.key(), rustix::net::Shutdown::Read).unwrap();
    assert!(drive(&ring, pending).unwrap().is_none());
    drive(&ring, send(&socket, one(b"408"))).unwrap();
    settle(&ring);
    let mut got = [0; 3];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"408");
}

#[test]
fn shutting_down_the_writing_side_waits_for_the_send_in_hand() {
    let ring = ring();
    let (socket, mut peer) = pair(&ring);
    let mut send = Box::pin(send(&socket, Payload::from(Chunk::Vec(vec![1; 2_000_000]))));
    assert!(poll_once(&mut send).is_pending());
    ring.shutdown(socket.key(), rustix::net::Shutdown::Write).unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all.len()
    });
    drive(&ring, send).unwrap();
    settle(&ring);
    assert_eq!(reader.join().unwrap(), 2_000_000);
}

#[test]
fn dropping_a_socket_with_a_send_in_hand_sends_it_and_closes() {
    let ring = ring();
    for size in [10, 2_000_000] {
        let (socket, mut peer) = pair(&ring);
        let mut pending = Box::pin(recv(&socket));
        assert!(poll_once(&mut pending).is_pending());
        drop(pending);
        let mut send = Box::pin(send(&socket, Payload::from(Chunk::Vec(vec![1; size]))));
        let _ = poll_once(&mut send);
        drop(send);
        drop(socket);
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all.len()
        });
        let started = Instant::now();
        while !reader.is_finished() {
            ring.turn(Wait::AtMost(Duration::from_millis(5)), Instant::now());
            assert!(started.elapsed() < PATIENCE, "the peer hears of the close");
        }
        assert_eq!(reader.join().unwrap(), size);
    }
}

#[test]
fn accepts_connects_and_talks_both_ways_over_tcp() {
    let ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(&ring, listener.into()).unwrap();
    let clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    for mut client in clients {
        let served = drive(&ring, acceptor.accept()).unwrap();
        let served = Socket::new(&ring, served.0).unwrap();
        client.write_all(b"hello").unwrap();
        // Which of them was accepted is the kernel's choice, so answer on the socket itself.
        drive(&ring, send(&served, one(b"hi"))).unwrap();
        settle(&ring);
    }
    let near = connect(&ring, address);
    drive(&ring, near.writable()).unwrap();
    let far = Socket::new(&ring, drive(&ring, acceptor.accept()).unwrap().0).unwrap();
    drive(&ring, send(&near, one(b"ping"))).unwrap();
    let lease: Lease = drive(&ring, recv(&far)).unwrap().unwrap();
    drive(&ring, send(&far, Payload::from(Chunk::from(lease)))).unwrap();
    assert_eq!(&drive(&ring, recv(&near)).unwrap().unwrap()[..], b"ping");
}

#[test]
fn shutting_a_listener_down_ends_a_pending_accept() {
    let ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let second = listener.try_clone().unwrap();
    let acceptor = Acceptor::new(&ring, listener.into()).unwrap();
    let mut accept = Box::pin(acceptor.accept());
    assert!(poll_once(&mut accept).is_pending());
    settle(&ring);
    rustix::net::shutdown(&second, rustix::net::Shutdown::Both).unwrap();
    let error = drive(&ring, accept).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn a_refused_connect_says_so() {
    let ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let socket = connect(&ring, address);
    drive(&ring, socket.writable()).unwrap();
    let error = rustix::net::sockopt::socket_error(socket.fd()).unwrap().unwrap_err();
    assert_eq!(error, rustix::io::Errno::CONNREFUSED);
}

#[test]
fn the_doorbell_ends_a_sleep_each_time() {
    use std::io::Write as _;
    let fd = super::eventfd();
    let mut bell = std::fs::File::from(fd.try_clone().unwrap());
    let ring = ring();
    ring.set_bell(fd);
    settle(&ring);
    for _ in 0..3 {
        let started = Instant::now();
        bell.write_all(&1u64.to_ne_bytes()).unwrap();
        ring.turn(Wait::AtMost(PATIENCE), Instant::now());
        assert!(started.elapsed() < PATIENCE / 2, "it slept through the bell");
    }
}

#[test]
fn what_waits_for_a_send_of_this_turn_is_not_slept_over() {
    type Wish = (&'static str, fn(&std::rc::Rc<crate::driver::ring::Ring>, Socket) -> Option<Socket>);
    let wishes: [Wish; 2] = [
        ("close", |_, _socket| None),
        ("shut down the writing side", |ring, socket| {
            ring.shutdown(socket.key(), rustix::net::Shutdown::Write).unwrap();
            Some(socket)
        }),
    ];
    for (wish, make) in wishes {
        let ring = ring();
        let (socket, mut peer) = pair(&ring);
        let mut pending = Box::pin(recv(&socket));
        assert!(poll_once(&mut pending).is_pending());
        drop(pending);
        settle(&ring);
        drive(&ring, send(&socket, one(b"bye"))).unwrap();
        let _kept = make(&ring, socket);
        // Two turns: one decides the send, one submits what waited for it and may sleep.
        let started = Instant::now();
        ring.turn(Wait::AtMost(PATIENCE), started);
        assert!(started.elapsed() < PATIENCE / 2, "{wish}: slept over");
        ring.turn(Wait::AtMost(Duration::from_millis(50)), Instant::now());
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap_or_else(|error| panic!("{wish}: {error}"));
        assert_eq!(all, b"bye", "{wish}");
    }
    // A second send behind the first.
    let ring = ring();
    let (socket, _peer) = pair(&ring);
    drive(&ring, send(&socket, one(b"first"))).unwrap();
    let mut second = Box::pin(send(&socket, one(b"second")));
    assert!(poll_once(&mut second).is_pending());
    let started = Instant::now();
    ring.turn(Wait::AtMost(PATIENCE), started);
    assert!(started.elapsed() < PATIENCE / 2, "slept over the second send");
    assert!(poll_once(&mut second).is_ready());
}

#[test]
fn a_fast_sender_over_tcp_is_stopped_by_a_task_that_reads_once() {
    let ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let socket = Socket::new(&ring, listener.accept().unwrap().0.into()).unwrap();
    const ALL: usize = 64 << 20;
    peer.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let writer = std::thread::spawn(move || {
        let mut written = 0;
        while written < ALL {
            match peer.write(&[7; 65536]) {
                Ok(n) => written += n,
                Err(_) => break,
            }
        }
        written
    });
    let mut first = drive(&ring, recv(&socket)).unwrap().unwrap().len();
    let mut watch = Box::pin(closed(&socket));
    while !writer.is_finished() {
        assert!(poll_once(&mut watch).is_pending());
        ring.turn(Wait::AtMost(Duration::from_millis(5)), Instant::now());
    }
    let written = writer.join().unwrap();
    assert!(written < ALL, "it was never stopped");
    while let Some(lease) = drive(&ring, recv(&socket)).unwrap() {
        first += lease.len();
    }
    assert_eq!(first, written);
}
