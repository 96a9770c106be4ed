//! A pair of connected streams in memory, for tests without sockets.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{Shutdown, Stream};
use crate::buf::{LEASE_SMALL, Lease};

/// Makes two streams, each receiving what the other sends. Each direction holds up to `capacity`
/// bytes; a send beyond that waits for the other end to receive.
///
/// Deadlines, stalls, shutdown and close handles work as on sockets. Unlike a socket, a send to an
/// end that is gone fails at once rather than at the next one.
///
/// ```
/// use corelane_runtime as runtime;
/// runtime::block_on(async {
///     let (mut left, mut right) = runtime::net::duplex(1024);
///     left.send("ping").await?;
///     assert_eq!(&right.recv().await?[..], b"ping");
///     drop(left);
///     assert!(right.recv().await?.is_empty());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Panics
/// If `capacity` is zero.
#[track_caller]
pub fn duplex(capacity: usize) -> (Stream, Stream) {
    assert!(capacity > 0, "a pair without capacity can send nothing");
    let (there, back) = (Pipe::new(capacity), Pipe::new(capacity));
    let end = |inward: &Rc<Pipe>, outward: &Rc<Pipe>| End {
        ends: Ends { inward: Rc::clone(inward), outward: Rc::clone(outward), streams: Rc::new(Cell::new(1)) },
    };
    let (left, right) = (end(&back, &there), end(&there, &back));
    (Stream::memory(left), Stream::memory(right))
}

/// One direction.
struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    capacity: usize,
    /// Nobody will send any more.
    send_ended: Cell<bool>,
    /// Nobody will receive any more.
    recv_ended: Cell<bool>,
    receiver: RefCell<Option<Waker>>,
    sender: RefCell<Option<Waker>>,
    /// Who waits to learn that the sender has ended.
    watcher: RefCell<Option<Waker>>,
}

impl Pipe {
    fn new(capacity: usize) -> Rc<Pipe> {
        Rc::new(Pipe {
            bytes: RefCell::new(VecDeque::new()),
            capacity,
            send_ended: Cell::new(false),
            recv_ended: Cell::new(false),
            receiver: RefCell::new(None),
            sender: RefCell::new(None),
            watcher: RefCell::new(None),
        })
    }

    fn end(&self, ended: &Cell<bool>) {
        ended.set(true);
        for waiter in [&self.receiver, &self.sender, &self.watcher] {
            wake(waiter);
        }
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Lease>> {
        let mut bytes = self.bytes.borrow_mut();
        let ended = self.send_ended.get() || self.recv_ended.get();
        if bytes.is_empty() && !ended {
            *self.receiver.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut lease = Lease::take(LEASE_SMALL)?;
        let n = bytes.len().min(lease.spare_len());
        let (front, back) = bytes.as_slices();
        let first = n.min(front.len());
        lease.extend_from_slice(&front[..first])?;
        lease.extend_from_slice(&back[..n - first])?;
        bytes.drain(..n);
        drop(bytes);
        wake(&self.sender);
        Poll::Ready(Ok(lease))
    }

    fn poll_send(&self, new: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.send_ended.get() || self.recv_ended.get() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut bytes = self.bytes.borrow_mut();
        let n = new.len().min(self.capacity - bytes.len());
        if n == 0 {
            *self.sender.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        bytes.extend(&new[..n]);
        drop(bytes);
        wake(&self.receiver);
        Poll::Ready(Ok(n))
    }
}

fn wake(waiter: &RefCell<Option<Waker>>) {
    let waker = waiter.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Both directions as one end sees them.
#[derive(Clone)]
pub(super) struct Ends {
    inward: Rc<Pipe>,
    outward: Rc<Pipe>,
    /// Streams on this side: one, or the two halves of one.
    streams: Rc<Cell<u8>>,
}

impl Ends {
    /// A stream of this side is dropped. The last one ends both directions.
    pub(super) fn leave(&self) {
        self.streams.set(self.streams.get() - 1);
        if self.streams.get() == 0 {
            self.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Write {
            self.inward.end(&self.inward.recv_ended);
        }
        if how != Shutdown::Read {
            self.outward.end(&self.outward.send_ended);
        }
    }
}

/// One end of a pair.
pub(super) struct End {
    ends: Ends,
}

impl End {
    pub(super) fn ends(&self) -> Ends {
        self.ends.clone()
    }

    /// The same end once more, for a stream in two halves.
    pub(super) fn twin(&self) -> End {
        self.ends.streams.set(self.ends.streams.get() + 1);
        End { ends: self.ends() }
    }

    pub(super) async fn recv(&mut self) -> io::Result<Lease> {
        poll_fn(|cx| self.ends.inward.poll_recv(cx)).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.ends.outward.poll_send(bytes, cx)).await
    }

    pub(super) fn is_quiet(&self) -> bool {
        let inward = &self.ends.inward;
        inward.bytes.borrow().is_empty() && !inward.send_ended.get() && !inward.recv_ended.get()
    }

    pub(super) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ends.inward.send_ended.get() {
            return Poll::Ready(());
        }
        *self.ends.inward.watcher.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}
