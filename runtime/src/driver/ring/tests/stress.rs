//! Random traffic whose futures are dropped at random, every byte checked.
//!
//! Each stream's byte number `n` is a function of the stream's seed and `n`, so a byte that is
//! lost, doubled, or another stream's shows. The seed is printed when a check fails; set
//! `CORELANE_STRESS_SEED` to repeat a run and `CORELANE_STRESS_SECS` (2) for a longer one.

use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{closed, recv, ring_as, send, settle};
use crate::buf::{Batch, Chunk, Lease, pool_stats};
use crate::driver::ring::send::Payload;
use crate::driver::ring::{Ring, Sizes, Socket, Wait};
use crate::launch::RingOptions;

/// Xorshift64*: any generator will do that a seed repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() >> 33) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Byte `n` of the stream `seed`.
fn byte(seed: u64, n: u64) -> u8 {
    (seed.wrapping_add(n).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// One direction of one connection.
struct Stream {
    sender: Option<Socket>,
    receiver: Option<Socket>,
    seed: u64,
    sent: u64,
    received: u64,
    /// The sender saw an error, which is right once the receiver is gone.
    failed: bool,
}

fn open(ring: &Rc<Ring>, dice: &mut Dice) -> Stream {
    let (a, b) = if dice.one_in(2) {
        let (a, b) = UnixStream::pair().unwrap();
        (a.into(), b.into())
    } else {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let a = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (a.into(), listener.accept().unwrap().0.into())
    };
    Stream {
        sender: Some(Socket::new(ring, a).unwrap()),
        receiver: Some(Socket::new(ring, b).unwrap()),
        seed: dice.roll(),
        sent: 0,
        received: 0,
        failed: false,
    }
}

/// Polls `future` and drops it, ready or not.
fn touch<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Pieces of the stream in every kind of memory.
fn payload(stream: &mut Stream, dice: &mut Dice) -> Payload {
    let mut piece = |dice: &mut Dice| {
        let most = if dice.one_in(8) { 300_000 } else { 3000 };
        let len = 1 + dice.below(most);
        let bytes: Vec<u8> = (0..len as u64).map(|n| byte(stream.seed, stream.sent + n)).collect();
        stream.sent += len as u64;
        match Lease::take(len) {
            Ok(mut lease) if dice.one_in(2) => {
                lease.extend_from_slice(&bytes).unwrap();
                if dice.one_in(2) { Chunk::Lease(lease) } else { Chunk::View(lease.freeze()) }
            }
            _ if dice.one_in(2) => Chunk::Bytes(bytes.into()),
            _ => Chunk::Vec(bytes),
        }
    };
    if dice.one_in(3) {
        let pieces = 1 + dice.below(6);
        Payload::from(Batch::new((0..pieces).map(|_| piece(dice)).collect()))
    } else {
        Payload::from(piece(dice))
    }
}

fn step(stream: &mut Stream, dice: &mut Dice, why: &str) {
    if let Some(socket) = &stream.sender {
        match touch(poll_fn(|cx| socket.poll_send_idle(cx))) {
            Some(Ok(())) if dice.one_in(3) => {
                let socket = stream.sender.take().unwrap();
                let payload = payload(stream, dice);
                // A future dropped right after it took the payload: all of it must still arrive.
                touch(send(&socket, payload));
                stream.sender = Some(socket);
            }
            Some(Err(_)) => {
                assert!(stream.receiver.is_none(), "{why}: a send failed while the peer was there");
                stream.failed = true;
            }
            _ => {}
        }
        if dice.one_in(2000) {
            stream.sender = None;
        }
    }
    if let Some(socket) = &stream.receiver {
        if dice.one_in(4) {
            touch(closed(socket));
        }
        for _ in 0..dice.below(4) {
            match touch(recv(socket)) {
                Some(Ok(Some(lease))) => {
                    for (n, &got) in (stream.received..).zip(&lease[..]) {
                        assert_eq!(got, byte(stream.seed, n), "{why}: byte {n}");
                    }
                    stream.received += lease.len() as u64;
                }
                Some(Ok(None)) => {
                    assert!(stream.sender.is_none(), "{why}: an end nobody made");
                    assert_eq!(stream.received, stream.sent, "{why}: the end came early");
                    stream.receiver = None;
                    return;
                }
                Some(Err(error)) => panic!("{why}: {error}"),
                None => break,
            }
        }
        if dice.one_in(3000) {
            stream.receiver = None;
        }
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn every_byte_arrives_whatever_is_dropped() {
    let from_env = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = from_env("CORELANE_STRESS_SEED");
    let seconds = Duration::from_secs(from_env("CORELANE_STRESS_SECS").unwrap_or(2));
    let started = Instant::now();
    let mut seed = first.unwrap_or_else(|| u64::from(std::process::id()) * 7919 + 1);
    let mut total = 0;
    while started.elapsed() < seconds {
        total += run(seed, (started + seconds).min(Instant::now() + Duration::from_secs(5)));
        seed += 1;
        if first.is_some() {
            break;
        }
    }
    assert!(total > 1_000_000, "only {total} bytes were checked");
}

fn run(seed: u64, until: Instant) -> u64 {
    let why = format!("seed {seed}");
    let mut dice = Dice(seed | 1);
    let leases = pool_stats().leases_in_use;
    let sizes = Sizes {
        submissions: 16 << dice.below(4),
        completions: 256,
        small: 8 << dice.below(4),
        large: 2 << dice.below(3),
    };
    let options = RingOptions {
        zero_copy_from: [None, Some(1), Some(2000), Some(20_000)][dice.below(4)],
        busy_poll: dice.one_in(4).then_some(Duration::from_micros(20)),
        submission_poll: dice.one_in(4).then_some(Duration::from_millis(1)),
        ..RingOptions::default()
    };
    let why = format!("{why}, {options:?}");
    let ring = ring_as(512, sizes, options);
    let mut streams: Vec<Stream> = (0..40).map(|_| open(&ring, &mut dice)).collect();
    let mut total = 0;
    while Instant::now() < until {
        for _ in 0..20 {
            let at = dice.below(streams.len());
            step(&mut streams[at], &mut dice, &why);
            let stream = &streams[at];
            if stream.receiver.is_none() && (stream.sender.is_none() || stream.failed) {
                total += streams[at].received;
                streams[at] = open(&ring, &mut dice);
            }
        }
        if dice.one_in(50) {
            let fault = [libc::EINTR, libc::EAGAIN, libc::EBUSY, libc::ENOMEM][dice.below(4)];
            ring.with(|inner| inner.uring.faults.push_back(fault));
        }
        let wait = if dice.one_in(3) { Wait::AtMost(Duration::from_micros(200)) } else { Wait::No };
        ring.turn(wait, Instant::now());
    }
    total += streams.iter().map(|stream| stream.received).sum::<u64>();
    drop(streams);
    settle(&ring);
    for _ in 0..200 {
        // Notifications come with acknowledgements, and polled submissions when they come.
        if ring.with(|inner| inner.conns.len() == 0 && inner.zero_copies.len() == 0) {
            break;
        }
        settle(&ring);
    }
    ring.with(|inner| {
        assert_eq!(inner.conns.len(), 0, "{why}: connections");
        assert_eq!((inner.zero_copies.len(), inner.zero_copy_bytes), (0, 0), "{why}: lent memory");
    });
    drop(ring);
    assert_eq!(pool_stats().leases_in_use, leases, "{why}: leases");
    total
}

#[test]
fn ten_thousand_connections_come_and_go_and_leave_nothing() {
    let before = pool_stats().leases_in_use;
    let ring = super::ring();
    for round in 0..1000 {
        let sockets: Vec<_> = (0..10).map(|_| super::pair(&ring)).collect();
        for (socket, _) in &sockets {
            assert!(touch(recv(socket)).is_none());
            if round % 3 == 0 {
                touch(closed(socket));
            }
        }
        ring.turn(Wait::No, Instant::now());
    }
    settle(&ring);
    ring.with(|inner| {
        assert_eq!(inner.conns.len(), 0);
        assert_eq!(inner.receives_armed, 0, "every cancelled receive has ended");
    });
    drop(ring);
    assert_eq!(pool_stats().leases_in_use, before);
    // Other tests of this process open descriptors too, hence the margin.
    assert!(descriptors() < 2000, "{} descriptors are open", descriptors());
}
