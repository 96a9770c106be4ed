//! A reply slot: carries one value from one thread to a future on another.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::waker_slot::WakerSlot;
use super::{Arc, AtomicU8, Ordering, UnsafeCell};

/// Set by the sender after it wrote the value.
const SENT: u8 = 1;
/// Set by the sender when it goes without a value.
const LOST: u8 = 2;
/// Set by the receiver when it goes.
const ABANDONED: u8 = 4;

/// Makes the two ends of a slot.
pub(crate) fn reply<T: Send>() -> (ReplySender<T>, ReplyReceiver<T>) {
    let slot =
        Arc::new(Slot { state: AtomicU8::new(0), value: UnsafeCell::new(None), receiver: WakerSlot::new() });
    (ReplySender { slot: Some(slot.clone()) }, ReplyReceiver { slot })
}

/// The sender went without a value: the work was dropped before it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

#[derive(Debug)]
struct Slot<T> {
    state: AtomicU8,
    /// Who may touch this is said by `state`: the sender until [`SENT`], then the receiver. If the
    /// receiver was gone before, the sender gets it back.
    value: UnsafeCell<Option<T>>,
    receiver: WakerSlot,
}

// SAFETY: `value` has one owner at a time (see the field), and moves between threads: T is Send.
// The other fields are Sync.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// # Safety
    /// The caller is the owner of `value` by `state`.
    unsafe fn take(&self) -> Option<T> {
        self.value.with_mut(|value| {
            // SAFETY: the caller owns the value, so nobody else is at the cell.
            unsafe { (*value).take() }
        })
    }
}

/// The end that gives the value. Dropped without giving one, it tells the receiver [`Lost`].
#[derive(Debug)]
pub(crate) struct ReplySender<T: Send> {
    /// None once the value was sent.
    slot: Option<Arc<Slot<T>>>,
}

impl<T: Send> ReplySender<T> {
    /// True if nobody waits for the value any more. Work not yet begun need not be done.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.state.load(Ordering::Relaxed) & ABANDONED != 0)
    }

    /// Gives the value and wakes the receiver; hands it back if the receiver is gone.
    pub(crate) fn send(mut self, value: T) -> Result<(), T> {
        let slot = self.slot.take().unwrap_or_else(|| unreachable!("send takes the sender"));
        slot.value.with_mut(|cell| {
            // SAFETY: SENT is not set, and only this sender, used up here, sets it: the value is ours.
            unsafe { *cell = Some(value) }
        });
        let before = slot.state.fetch_or(SENT, Ordering::AcqRel);
        debug_assert_eq!(before & (SENT | LOST), 0, "one sender, one value");
        if before & ABANDONED != 0 {
            // SAFETY: the receiver went before SENT was set, so it left the value to us.
            return match unsafe { slot.take() } {
                Some(value) => Err(value),
                None => unreachable!("written above, and nobody else owned it"),
            };
        }
        slot.receiver.wake();
        Ok(())
    }
}

impl<T: Send> Drop for ReplySender<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.state.fetch_or(LOST, Ordering::AcqRel);
            slot.receiver.wake();
        }
    }
}

/// The end that waits for the value.
///
/// # Cancellation
/// Dropping it abandons the value: it is dropped by whichever end comes second, the work itself goes on.
#[derive(Debug)]
pub(crate) struct ReplyReceiver<T: Send> {
    slot: Arc<Slot<T>>,
}

impl<T: Send> ReplyReceiver<T> {
    fn outcome(&self) -> Poll<Result<T, Lost>> {
        let state = self.slot.state.load(Ordering::Acquire);
        if state & SENT != 0 {
            // SAFETY: SENT hands the value to the receiver, of which there is one.
            return match unsafe { self.slot.take() } {
                Some(value) => Poll::Ready(Ok(value)),
                None => panic!("a reply was polled after it was ready"),
            };
        }
        if state & LOST != 0 { Poll::Ready(Err(Lost)) } else { Poll::Pending }
    }
}

impl<T: Send> Future for ReplyReceiver<T> {
    type Output = Result<T, Lost>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(outcome) = self.outcome() {
            return Poll::Ready(outcome);
        }
        self.slot.receiver.store(cx.waker());
        Poll::Ready(ready!(self.outcome()))
    }
}

impl<T: Send> Drop for ReplyReceiver<T> {
    fn drop(&mut self) {
        if self.slot.state.fetch_or(ABANDONED, Ordering::AcqRel) & SENT != 0 {
            // SAFETY: SENT was set before ABANDONED, so the value, if still there, is the receiver's.
            drop(unsafe { self.slot.take() });
        }
        // The task need not outlive its interest: a waker left behind would keep it in memory.
        drop(self.slot.receiver.take());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll<T: Send>(receiver: &mut ReplyReceiver<T>) -> Poll<Result<T, Lost>> {
        Pin::new(receiver).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_value_arrives_once() {
        let (sender, mut receiver) = reply();
        assert_eq!(poll(&mut receiver), Poll::Pending);
        assert_eq!(sender.send(7), Ok(()));
        assert_eq!(poll(&mut receiver), Poll::Ready(Ok(7)));
    }

    #[test]
    fn a_sender_dropped_is_told() {
        let (sender, mut receiver) = reply::<u8>();
        assert_eq!(poll(&mut receiver), Poll::Pending);
        drop(sender);
        assert_eq!(poll(&mut receiver), Poll::Ready(Err(Lost)));
    }

    #[test]
    fn an_abandoned_value_comes_back() {
        let (sender, receiver) = reply();
        assert!(!sender.is_abandoned());
        drop(receiver);
        assert!(sender.is_abandoned());
        assert_eq!(sender.send(7), Err(7));
    }

    #[test]
    fn a_value_sent_but_never_taken_is_dropped_with_the_receiver() {
        let value = std::sync::Arc::new(());
        let (sender, receiver) = reply();
        sender.send(value.clone()).unwrap();
        assert_eq!(std::sync::Arc::strong_count(&value), 2);
        drop(receiver);
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::future::block_on;
    use loom::thread;

    use super::*;

    /// Steps: one thread sends while the receiver polls, stores its waker and polls again. Failure
    /// shows as a deadlock, a missing value, or two threads at the cell.
    #[test]
    fn a_value_sent_is_received() {
        loom::model(|| {
            let (sender, receiver) = reply();
            let thread = thread::spawn(move || sender.send(Box::new(7)).unwrap());
            assert_eq!(block_on(receiver), Ok(Box::new(7)));
            thread.join().unwrap();
        });
    }

    /// Steps: the sender is dropped while the receiver waits. Failure shows as a deadlock.
    #[test]
    fn a_loss_is_noticed() {
        loom::model(|| {
            let (sender, receiver) = reply::<u8>();
            let thread = thread::spawn(move || drop(sender));
            assert_eq!(block_on(receiver), Err(Lost));
            thread.join().unwrap();
        });
    }

    /// Steps: the receiver polls once and is dropped while the other thread sends. Failure shows as
    /// a value dropped twice or never (loom counts the leak of its `Arc`), or two threads at the cell.
    #[test]
    fn a_value_and_a_drop_may_cross() {
        loom::model(|| {
            let value = Arc::new(());
            let (sender, mut receiver) = reply();
            let theirs = value.clone();
            let thread = thread::spawn(move || {
                let _ = sender.send(theirs);
            });
            let waker = std::task::Waker::noop();
            let _ = Pin::new(&mut receiver).poll(&mut Context::from_waker(waker));
            drop(receiver);
            thread.join().unwrap();
            assert_eq!(Arc::strong_count(&value), 1, "the value is gone with the slot");
        });
    }
}
