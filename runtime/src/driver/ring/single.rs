//! Operations that complete once and own what the kernel reads or writes meanwhile: connect, poll
//! and file work.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::task::{Context, Poll, Waker};

use io_uring::squeue;

use super::conn::remember;
use super::token::{Key, Kind, Token};
use super::{Inner, Retired};

/// Memory and descriptors a single operation needs until it completes.
///
/// Whoever dropped the future is gone by then: the driver keeps them.
#[allow(dead_code, reason = "held for the kernel, which reads them behind the compiler's back")]
pub(crate) enum Hold {
    /// The operation points to nothing.
    Nothing,
    /// A socket being connected, and the address it is connected to.
    Connect(OwnedFd, Box<socket2::SockAddr>),
    /// A descriptor the operation works on.
    Descriptor(OwnedFd),
}

impl Hold {
    /// The descriptor the operation works on, -1 if there is none.
    pub(super) fn raw_fd(&self) -> RawFd {
        match self {
            Self::Nothing => -1,
            Self::Connect(fd, _) | Self::Descriptor(fd) => fd.as_raw_fd(),
        }
    }
}

/// What a result that nobody takes means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Yields {
    /// A number.
    Number,
    /// A descriptor, to be closed if nobody takes it.
    Descriptor,
}

/// One operation in flight or just completed.
pub(super) struct Single {
    hold: Hold,
    yields: Yields,
    waker: Option<Waker>,
    result: Option<i32>,
    /// The future was dropped: throw the result away.
    orphaned: bool,
}

impl Inner {
    /// Submits an operation.
    ///
    /// # Errors
    /// Hands `hold` back when the slab is full.
    ///
    /// # Safety
    /// Everything `entry` points to is owned by `hold` and does not move with it.
    pub(super) unsafe fn start_single(&mut self, entry: squeue::Entry, hold: Hold, yields: Yields) -> Result<Key, Hold> {
        let single = Single {
            hold,
            yields,
            waker: None,
            result: None,
            orphaned: false,
        };
        let key = self.singles.insert(single).map_err(|single| single.hold)?;
        let entry = entry.user_data(Token::new(Kind::Single, key).bits());
        // SAFETY: the slab keeps `hold` until the completion, whoever drops what.
        unsafe { self.uring.push(&entry) };
        Ok(key)
    }

    /// The result of an operation and what it held, once.
    pub(super) fn poll_single(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<(i32, Hold)> {
        let Some(single) = self.singles.get_mut(key) else {
            return Poll::Ready((-libc::EBADF, Hold::Nothing));
        };
        if let Some(result) = single.result {
            let hold = std::mem::replace(&mut single.hold, Hold::Nothing);
            self.singles.remove(key);
            return Poll::Ready((result, hold));
        }
        remember(&mut single.waker, cx.waker());
        Poll::Pending
    }

    /// The future was dropped. Cancels the operation if it has not completed; its memory waits for
    /// the completion either way.
    pub(super) fn drop_single(&mut self, key: Key) {
        let Some(single) = self.singles.get_mut(key) else { return };
        if single.result.is_some() {
            self.bury(key);
            return;
        }
        single.orphaned = true;
        single.waker = None;
        self.cancel(Token::new(Kind::Single, key));
    }

    /// An operation has completed.
    pub(super) fn on_single(&mut self, key: Key, result: i32) {
        let Some(single) = self.singles.get_mut(key) else { return };
        single.result = Some(result);
        self.wakes.extend(single.waker.take());
        if single.orphaned {
            self.bury(key);
        }
    }

    fn bury(&mut self, key: Key) {
        let Some(single) = self.singles.remove(key) else { return };
        if let (Yields::Descriptor, Some(fd @ 0..)) = (single.yields, single.result) {
            // SAFETY: the operation succeeded with a new descriptor, and nobody else has seen it.
            self.retired.push(Retired::Descriptor(unsafe { OwnedFd::from_raw_fd(fd) }));
        }
        self.retired.push(Retired::Hold(single.hold));
    }
}
