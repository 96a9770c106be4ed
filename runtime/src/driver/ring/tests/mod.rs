//! The driver by itself: no executor, one future at a time, real sockets.

mod faults;
mod files;
mod messages;
mod ownership;
mod sockets;
mod stress;
mod zero_copy;

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::send::Payload;
use super::{Ring, Sizes, Socket, Wait};
use crate::buf::Lease;
use crate::launch::RingOptions;

/// Longest any test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn ring() -> Rc<Ring> {
    ring_for(4096)
}

pub(super) fn ring_for(conns_max: u32) -> Rc<Ring> {
    ring_with(conns_max, Sizes::default())
}

pub(super) fn ring_with(conns_max: u32, sizes: Sizes) -> Rc<Ring> {
    ring_as(conns_max, sizes, RingOptions::default())
}

pub(super) fn ring_as(conns_max: u32, sizes: Sizes, options: RingOptions) -> Rc<Ring> {
    Ring::with_sizes(conns_max, sizes, options).expect("these tests need io_uring with multishot receive")
}

fn eventfd() -> OwnedFd {
    // SAFETY: no pointers; the result is checked.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    assert!(fd >= 0);
    // SAFETY: made just now, owned by nobody else.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Turns the ring until `future` is done. It is polled only when woken: a lost wake is a failure.
pub(super) fn drive<F: Future>(ring: &Rc<Ring>, future: F) -> F::Output {
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let started = Instant::now();
    loop {
        if flag.0.swap(false, Ordering::Relaxed)
            && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return output;
        }
        let wait =
            if flag.0.load(Ordering::Relaxed) { Wait::No } else { Wait::AtMost(Duration::from_millis(50)) };
        ring.turn(wait, Instant::now());
        assert!(started.elapsed() < PATIENCE, "the future was not woken in {PATIENCE:?}");
    }
}

/// Polls `future` once, whether or not it is ready.
pub(super) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A few turns that do not sleep: what was submitted is decided and what is due has arrived.
pub(super) fn settle(ring: &Rc<Ring>) {
    for _ in 0..4 {
        ring.turn(Wait::AtMost(Duration::from_millis(2)), Instant::now());
    }
}

/// A socket of the driver and its other end.
pub(super) fn pair(ring: &Rc<Ring>) -> (Socket, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    theirs.set_write_timeout(Some(PATIENCE)).unwrap();
    (Socket::new(ring, ours.into()).unwrap(), theirs)
}

/// Waits for the peer's end.
pub(super) fn closed(socket: &Socket) -> impl Future<Output = ()> {
    std::future::poll_fn(|cx| socket.poll_closed(cx))
}

/// Sends without caring for progress.
pub(super) fn send(socket: &Socket, payload: Payload) -> impl Future<Output = std::io::Result<()>> + Unpin {
    let mut send = socket.send(payload, || {});
    std::future::poll_fn(move |cx| Pin::new(&mut send).poll(cx).map_ok(drop))
}

/// Receives; `None` is the end.
pub(super) fn recv(socket: &Socket) -> impl Future<Output = std::io::Result<Option<Lease>>> + Unpin {
    let mut recv = socket.recv();
    std::future::poll_fn(move |cx| {
        Pin::new(&mut recv).poll(cx).map_ok(|lease| Some(lease).filter(|lease| !lease.is_empty()))
    })
}

/// A socket whose connect is under way.
pub(super) fn connect(ring: &Rc<Ring>, address: SocketAddr) -> Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let begun = socket.connect(&address.into());
    assert!(begun.is_ok() || begun.unwrap_err().raw_os_error() == Some(libc::EINPROGRESS));
    Socket::new(ring, socket.into()).unwrap()
}
