//! What crosses threads: the rings between cores, and what goes through them.
//!
//! For each ordered pair of cores, a core and itself included, there are two rings: requests one way
//! and replies the other. A call occupies its place from the push of the request until the caller
//! has popped the reply, so neither ring can be full when its turn comes, and everything that is
//! counted is counted on the caller's core, in plain cells.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use rtrb::{Consumer, Producer, RingBuffer};

use super::callers::Callers;
use super::error::Kind;
use super::pending::{Key, Outcome};
use super::{CALL_DEPTH_MAX, CALLS_IN_FLIGHT_MAX};
use crate::executor::Core;
use crate::mailbox::CoreShared;

/// Slots of each ring: every depth has places of its own.
const RING_SLOTS: usize = CALLS_IN_FLIGHT_MAX * CALL_DEPTH_MAX;
const _: () = assert!(
    (size_of::<Request>() + size_of::<Reply>()) * RING_SLOTS <= 10 * 1024,
    "the rings of 64 cores, each with each, stay within 40 MiB"
);

/// What runs on the called core. It answers, at once or later, through what it is given.
pub(super) type Work = Box<dyn FnOnce(Answer) + Send>;

/// A call on its way.
pub(super) struct Request {
    pub(super) key: Key,
    pub(super) depth: usize,
    pub(super) work: Work,
}

/// What became of a call, on its way back.
pub(super) struct Reply {
    pub(super) key: Key,
    pub(super) depth: usize,
    pub(super) outcome: Outcome,
}

/// The ends of one pair's rings on the core that calls.
pub(super) struct Outgoing {
    pub(super) requests: Producer<Request>,
    pub(super) replies: Consumer<Reply>,
}

/// The ends of one pair's rings on the core that is called.
pub(super) struct Incoming {
    pub(super) requests: Consumer<Request>,
    pub(super) replies: Producer<Reply>,
}

fn pair() -> (Outgoing, Incoming) {
    let (requests, their_requests) = RingBuffer::new(RING_SLOTS);
    let (their_replies, replies) = RingBuffer::new(RING_SLOTS);
    (Outgoing { requests, replies }, Incoming { requests: their_requests, replies: their_replies })
}

/// What others see of a core.
pub(super) struct Inbox {
    pub(super) callers: Callers,
    pub(super) core: Arc<CoreShared>,
}

/// A core's place in the mesh, made by [`connect`] on one thread and taken by the core to its own.
pub(crate) struct Seat {
    pub(super) me: usize,
    /// By the core that is called.
    pub(super) outgoing: Vec<Outgoing>,
    /// By the core that calls.
    pub(super) incoming: Vec<Incoming>,
    pub(super) inboxes: Arc<[CachePadded<Inbox>]>,
}

/// Connects each core with each.
pub(crate) fn connect(cores: &[Arc<CoreShared>]) -> Vec<Seat> {
    let inboxes: Arc<[_]> = cores
        .iter()
        .map(|core| CachePadded::new(Inbox { callers: Callers::new(cores.len()), core: Arc::clone(core) }))
        .collect();
    let mut seats: Vec<_> = (0..cores.len())
        .map(|me| Seat { me, outgoing: Vec::new(), incoming: Vec::new(), inboxes: Arc::clone(&inboxes) })
        .collect();
    for caller in 0..cores.len() {
        for target in 0..cores.len() {
            // In this order each end is pushed at the index of the core at the other end.
            let (outgoing, incoming) = pair();
            seats[caller].outgoing.push(outgoing);
            seats[target].incoming.push(incoming);
        }
    }
    seats
}

/// The duty to answer a call. Dropped without an answer, it tells the caller why there is none:
/// what was called panicked, or the core has ended.
pub(super) struct Answer {
    caller: usize,
    key: Key,
    depth: usize,
    given: bool,
    /// Stays on the core that was called.
    on_core: PhantomData<Rc<()>>,
}

impl Answer {
    pub(super) fn to(caller: usize, key: Key, depth: usize) -> Self {
        Self { caller, key, depth, given: false, on_core: PhantomData }
    }

    /// The depth the call was made at.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn give(mut self, outcome: Outcome) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Outcome) {
        self.given = true;
        let Answer { caller, key, depth, .. } = *self;
        // No core any more: the end of the core has failed all calls.
        Core::try_with(|core| core.mesh().reply(caller, Reply { key, depth, outcome }));
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.given {
            let kind = if std::thread::panicking() { Kind::Panicked } else { Kind::CoreEnded };
            self.send(Err(kind));
        }
    }
}
