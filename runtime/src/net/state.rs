//! What a stream shares with its deadlines, its watchers and its close handles.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::Shutdown;
use super::duplex::Ends;
use crate::driver::Link;
use crate::executor::Core;
use crate::time::wheel::{Key, Lazy, Target};

/// What there is to shut down.
pub(super) enum Reach {
    /// A socket, while it is open.
    Socket(Cell<Option<Link>>),
    /// The two directions of a pair in memory.
    Memory(Ends),
}

/// The part of a stream that others may hold; per core, behind an `Rc`.
pub(crate) struct SocketState {
    pub(super) reach: Reach,
    /// When a receive is to fail.
    recv_deadline: Cell<Option<Instant>>,
    /// When a send that makes no progress is to fail; set for each send.
    send_deadline: Cell<Option<Instant>>,
    /// How long a send may go without progress.
    stall: Cell<Option<Duration>>,
    /// The time at which the wheel will look. Invariant: not later than any deadline above.
    armed: Cell<Option<Instant>>,
    /// The entry in the wheel, once there was a deadline.
    key: Cell<Option<Key>>,
    pub(super) recv_expired: Cell<bool>,
    pub(super) send_expired: Cell<bool>,
    /// True from the start of a send to its success: what is on the wire is not known otherwise.
    pub(super) broken: Cell<bool>,
    /// The peer has closed or reset.
    pub(super) closed: Cell<bool>,
    pub(super) closed_waker: RefCell<Option<Waker>>,
    pub(super) watch: Cell<Option<usize>>,
}

impl SocketState {
    pub(super) fn new(reach: Reach) -> Rc<SocketState> {
        Rc::new(SocketState {
            reach,
            recv_deadline: Cell::new(None),
            send_deadline: Cell::new(None),
            stall: Cell::new(None),
            armed: Cell::new(None),
            key: Cell::new(None),
            recv_expired: Cell::new(false),
            send_expired: Cell::new(false),
            broken: Cell::new(false),
            closed: Cell::new(false),
            closed_waker: RefCell::new(None),
            watch: Cell::new(None),
        })
    }

    pub(super) fn set_recv_deadline(self: &Rc<Self>, at: Option<Instant>) {
        self.recv_deadline.set(at);
        self.look_at(at);
    }

    /// True once the deadline for receiving has passed.
    pub(crate) fn is_recv_expired(&self) -> bool {
        self.recv_expired.get()
    }

    pub(super) fn stall(&self) -> Option<Duration> {
        self.stall.get()
    }

    pub(super) fn set_stall(&self, stall: Option<Duration>) {
        self.stall.set(stall);
    }

    /// A send begins, or has made progress.
    #[inline]
    pub(crate) fn send_goes_on(self: &Rc<Self>) {
        if let Some(stall) = self.stall.get() {
            let at = crate::time::now() + stall;
            self.send_deadline.set(Some(at));
            self.look_at(Some(at));
        }
    }

    #[inline]
    pub(super) fn send_ended(&self) {
        self.send_deadline.set(None);
    }

    /// Sees to it that the wheel looks at this socket at `at` or before. A deadline later than the
    /// one that is armed costs a comparison: the wheel looks at the old time and is told the new
    /// one then.
    #[inline]
    fn look_at(self: &Rc<Self>, at: Option<Instant>) {
        let Some(at) = at else { return };
        if self.armed.get().is_none_or(|armed| at < armed) {
            self.arm(at);
        }
    }

    #[cold]
    fn arm(self: &Rc<Self>, at: Instant) {
        Core::try_with(|core| {
            let mut wheel = core.wheel.borrow_mut();
            let key = match self.key.get() {
                Some(key) => key,
                None => {
                    let key = wheel.reserve(Target::Lazy(Rc::clone(self) as Rc<dyn Lazy>));
                    self.key.set(Some(key));
                    key
                }
            };
            wheel.arm(key, at);
            self.armed.set(Some(at));
        });
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.reach {
            Reach::Socket(link) => match link.get() {
                Some(link) => link.shutdown(how),
                None => Err(io::ErrorKind::NotConnected.into()),
            },
            Reach::Memory(ends) => {
                ends.shutdown(how);
                Ok(())
            }
        }
    }

    /// The driver has learned that the peer is gone.
    pub(crate) fn peer_closed(&self) {
        self.closed.set(true);
        let waker = self.closed_waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The stream is being dropped: nothing may reach its descriptor any more, which may soon be
    /// somebody else's.
    pub(super) fn end(&self) {
        let link = match &self.reach {
            Reach::Socket(link) => link.take(),
            Reach::Memory(ends) => {
                ends.leave();
                None
            }
        };
        let target = Core::try_with(|core| {
            if let (Some(link), Some(watch)) = (link, self.watch.take()) {
                link.forget(core, watch);
            }
            self.key.take().and_then(|key| core.wheel.borrow_mut().remove(key))
        });
        // Outside the borrow of the wheel: this is a handle on `self`, and may be the last but one.
        drop(target);
    }
}

impl Lazy for SocketState {
    fn expired(&self, now: Instant) -> Option<Instant> {
        let due = |deadline: &Cell<Option<Instant>>| {
            let due = deadline.get().is_some_and(|at| at <= now);
            if due {
                deadline.set(None);
            }
            due
        };
        if due(&self.recv_deadline) {
            self.recv_expired.set(true);
            // Guard 12: the pending receive completes with nothing and its buffer comes back. An
            // error means the peer was faster.
            let _gone = self.shutdown(Shutdown::Read);
        }
        if due(&self.send_deadline) {
            self.send_expired.set(true);
            let _gone = self.shutdown(Shutdown::Both);
        }
        let next = [self.recv_deadline.get(), self.send_deadline.get()].into_iter().flatten().min();
        self.armed.set(next);
        next
    }
}

/// Shuts a stream down from another task of the same core, as a drain does with idle connections.
///
/// It does not keep the stream open; once the stream is gone it does nothing.
#[derive(Clone)]
pub struct CloseHandle {
    pub(super) state: Rc<SocketState>,
}

impl CloseHandle {
    /// Ends one half or both. A receive that waits ends as at the end of the stream.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the stream or the peer is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.state.shutdown(how)
    }
}

impl fmt::Debug for CloseHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseHandle").finish_non_exhaustive()
    }
}
