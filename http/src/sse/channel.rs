//! A bounded queue of events between tasks of one core.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::Event;

struct Queue {
    events: VecDeque<Event>,
    /// Invariant: `events.len() <= capacity`, and at least one.
    capacity: usize,
    senders: usize,
    is_received: bool,
    receiver: Option<Waker>,
    /// Of senders that wait for room, or for the receiver to go.
    waiting: Vec<Waker>,
}

impl Queue {
    fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|found| found.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    /// Wakers to be woken once the queue is no longer borrowed.
    fn take_waiting(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting)
    }
}

pub(super) fn channel(capacity: usize) -> (Sender, Receiver) {
    let queue = Rc::new(RefCell::new(Queue {
        events: VecDeque::new(),
        capacity: capacity.max(1),
        senders: 1,
        is_received: true,
        receiver: None,
        waiting: Vec::new(),
    }));
    (Sender { queue: queue.clone() }, Receiver { queue })
}

/// The end that events are put into. When the last clone is dropped, the response ends behind what is in the queue.
pub struct Sender {
    queue: Rc<RefCell<Queue>>,
}

impl Sender {
    /// Puts an event in; waits while there is no room, which is while the client reads too slowly.
    ///
    /// # Errors
    /// The response is over: the client has left, or the server drains. The event comes back.
    ///
    /// # Cancellation
    /// If dropped while it waits, the event was not sent.
    pub async fn send(&self, event: Event) -> Result<(), SendError> {
        let mut event = Some(event);
        poll_fn(|cx| {
            let Some(given) = event.take() else { unreachable!("not polled behind its end") };
            match self.try_send(given) {
                Ok(()) => Poll::Ready(Ok(())),
                Err(TrySendError { event: back, is_full: true }) => {
                    event = Some(back);
                    self.queue.borrow_mut().wait(cx.waker());
                    Poll::Pending
                }
                Err(TrySendError { event, .. }) => Poll::Ready(Err(SendError(event))),
            }
        })
        .await
    }

    /// Puts an event in if there is room now.
    ///
    /// # Errors
    /// There is none, or the response is over. The event comes back.
    pub fn try_send(&self, event: Event) -> Result<(), TrySendError> {
        let mut queue = self.queue.borrow_mut();
        let is_full = queue.events.len() == queue.capacity;
        if !queue.is_received || is_full {
            return Err(TrySendError { event, is_full: queue.is_received });
        }
        queue.events.push_back(event);
        let receiver = queue.receiver.take();
        drop(queue);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }

    /// True once the response is over.
    pub fn is_closed(&self) -> bool {
        !self.queue.borrow().is_received
    }

    /// Waits until the response is over: for a source that has nothing to send and wants to stop.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn closed(&self) {
        poll_fn(|cx| {
            let mut queue = self.queue.borrow_mut();
            if !queue.is_received {
                return Poll::Ready(());
            }
            queue.wait(cx.waker());
            Poll::Pending
        })
        .await;
    }
}

impl Clone for Sender {
    fn clone(&self) -> Sender {
        self.queue.borrow_mut().senders += 1;
        Sender { queue: self.queue.clone() }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut queue = self.queue.borrow_mut();
        queue.senders -= 1;
        let receiver = if queue.senders == 0 { queue.receiver.take() } else { None };
        drop(queue);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.queue.borrow();
        f.debug_struct("Sender").field("waiting", &queue.events.len()).finish_non_exhaustive()
    }
}

/// The end that the response takes events from: a [`Stream`].
pub struct Receiver {
    queue: Rc<RefCell<Queue>>,
}

impl Stream for Receiver {
    type Item = Result<Event, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queue = self.queue.borrow_mut();
        if let Some(event) = queue.events.pop_front() {
            let waiting = queue.take_waiting();
            drop(queue);
            waiting.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(event)));
        }
        if queue.senders == 0 {
            return Poll::Ready(None);
        }
        queue.receiver = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut queue = self.queue.borrow_mut();
        queue.is_received = false;
        queue.events.clear();
        let waiting = queue.take_waiting();
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// The response is over; the event that was not sent.
#[derive(Debug, PartialEq, Eq)]
pub struct SendError(pub Event);

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client has left or the server drains: nobody receives events any more")
    }
}

impl std::error::Error for SendError {}

/// An event that could not be sent at once.
#[derive(Debug, PartialEq, Eq)]
pub struct TrySendError {
    event: Event,
    is_full: bool,
}

impl TrySendError {
    /// True if the client reads too slowly; false if it is gone.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// The event.
    pub fn into_event(self) -> Event {
        self.event
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.is_full {
            true => "the queue of events is full: the client reads too slowly",
            false => "the client has left or the server drains: nobody receives events any more",
        })
    }
}

impl std::error::Error for TrySendError {}

#[cfg(test)]
mod tests {
    use corelane_runtime::{self as runtime, block_on};

    use super::*;

    async fn next(receiver: &mut Receiver) -> Option<String> {
        let event = poll_fn(|cx| Pin::new(&mut *receiver).poll_next(cx)).await;
        event.map(|event| event.unwrap().as_wire().to_owned())
    }

    #[test]
    fn a_full_queue_makes_senders_wait_and_keeps_the_order() {
        block_on(async {
            let (sender, mut receiver) = channel(2);
            let task = runtime::spawn(async move {
                for number in 0..10 {
                    sender.send(Event::data(number.to_string())).await.unwrap();
                    assert!(sender.queue.borrow().events.len() <= 2, "never more than its capacity");
                }
            });
            for number in 0..10 {
                assert_eq!(next(&mut receiver).await, Some(format!("data: {number}\n\n")));
            }
            assert_eq!(next(&mut receiver).await, None, "the last sender is gone");
            task.await.unwrap();
        });
    }

    #[test]
    fn senders_learn_that_nobody_receives() {
        block_on(async {
            let (sender, receiver) = channel(0);
            sender.try_send(Event::data("a")).unwrap();
            assert!(sender.try_send(Event::data("b")).unwrap_err().is_full(), "a capacity of 0 is 1");
            let other = sender.clone();
            let waits = runtime::spawn(async move { other.send(Event::data("c")).await });
            let closed = sender.clone();
            let told = runtime::spawn(async move { closed.closed().await });
            runtime::yield_now().await;
            drop(receiver);
            assert_eq!(waits.await.unwrap().unwrap_err().0, Event::data("c"));
            told.await.unwrap();
            let error = sender.try_send(Event::data("d")).unwrap_err();
            assert!(!error.is_full() && sender.is_closed());
            assert_eq!(error.into_event(), Event::data("d"));
        });
    }
}
