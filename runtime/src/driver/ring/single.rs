//! Operations that complete once and that one future waits for.

use std::task::{Context, Poll, Waker};

use io_uring::squeue;

use super::Inner;
use super::conn::remember;
use super::token::{Key, Kind, Token};

/// One operation in flight or just completed. It lends no memory to the kernel.
pub(super) struct Single {
    waker: Option<Waker>,
    result: Option<i32>,
    /// The future was dropped: throw the result away.
    orphaned: bool,
}

impl Inner {
    /// Submits an operation; `None` when the slab is full.
    ///
    /// # Safety
    /// `entry` points to no memory.
    pub(super) unsafe fn start_single(&mut self, entry: squeue::Entry) -> Option<Key> {
        let single = Single { waker: None, result: None, orphaned: false };
        let key = self.singles.insert(single).ok()?;
        let entry = entry.user_data(Token::new(Kind::Single, key).bits());
        // SAFETY: it points to no memory, says the caller.
        unsafe { self.uring.push(&entry) };
        Some(key)
    }

    /// The result of an operation, once.
    pub(super) fn poll_single(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<i32> {
        let Some(single) = self.singles.get_mut(key) else {
            return Poll::Ready(-libc::EBADF);
        };
        if let Some(result) = single.result {
            self.singles.remove(key);
            return Poll::Ready(result);
        }
        remember(&mut single.waker, cx.waker());
        Poll::Pending
    }

    /// The future was dropped. Cancels the operation if it has not completed.
    pub(super) fn drop_single(&mut self, key: Key) {
        let Some(single) = self.singles.get_mut(key) else { return };
        if single.result.is_some() {
            self.singles.remove(key);
            return;
        }
        single.orphaned = true;
        single.waker = None;
        self.cancel(Token::new(Kind::Single, key));
    }

    /// An operation has completed.
    pub(super) fn on_single(&mut self, key: Key, result: i32) {
        let Some(single) = self.singles.get_mut(key) else { return };
        if single.orphaned {
            self.singles.remove(key);
            return;
        }
        single.result = Some(result);
        self.wakes.extend(single.waker.take());
    }
}
