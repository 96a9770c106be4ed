//! Connections that one core has accepted and another is to serve.
//!
//! The kernel queues connections on the socket of one core by a hash of their addresses, or wakes whichever waits first
//! where cores share a socket. Both know nothing of who is busy. A core far above the mean could leave its queue alone, but then what
//! the kernel puts there would wait while other cores rest. So it takes no connection for itself: it hands them on.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use corelane_runtime::CoreId;
use corelane_runtime::net::Accepted;

/// What is handed on: the connection, and the place it came in at.
pub(super) type Arrival = (usize, Accepted);

/// The doors between the cores. A lock is taken for each connection that is handed on, not for any request.
#[derive(Clone)]
pub(super) struct Intake {
    cores: Arc<[Mutex<Queue>]>,
}

#[derive(Default)]
struct Queue {
    /// Bounded by the loads that the senders compare: what is in here counts to the core's.
    arrived: VecDeque<Arrival>,
    waiting: Option<Waker>,
    closed: bool,
}

impl Intake {
    pub(super) fn new(cores: usize) -> Intake {
        Intake { cores: (0..cores).map(|_| Mutex::default()).collect() }
    }

    fn queue(&self, core: CoreId) -> MutexGuard<'_, Queue> {
        self.cores[core.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a connection to a core.
    ///
    /// # Errors
    /// Hands it back if that core takes none any more.
    pub(super) fn send(&self, core: CoreId, arrival: Arrival) -> Result<(), Arrival> {
        let waiting = {
            let mut queue = self.queue(core);
            if queue.closed {
                return Err(arrival);
            }
            queue.arrived.push_back(arrival);
            queue.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
        Ok(())
    }

    /// The next connection for this core; `None` once it is closed and all are taken.
    pub(super) async fn next(&self, here: CoreId) -> Option<Arrival> {
        poll_fn(|cx| {
            let mut queue = self.queue(here);
            match queue.arrived.pop_front() {
                Some(arrival) => Poll::Ready(Some(arrival)),
                None if queue.closed => Poll::Ready(None),
                None => {
                    queue.waiting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Takes no more for this core.
    pub(super) fn close(&self, here: CoreId) {
        let mut queue = self.queue(here);
        queue.closed = true;
        if let Some(waker) = queue.waiting.take() {
            drop(queue);
            waker.wake();
        }
    }
}
