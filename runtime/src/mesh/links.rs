//! The rings between cores, and one core's end of all of them.
//!
//! For each ordered pair of cores, a core and itself included, there are two rings: requests one way
//! and replies the other. A call occupies its place from the push of the request until the caller
//! has popped the reply, so neither ring can be full when its turn comes, and everything that is
//! counted is counted on the caller's core, in plain cells. What crosses threads are the rings
//! (`rtrb`), the announcement bits ([`callers`](super::callers)) and the doorbell.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    task::Waker,
};

use crossbeam_utils::CachePadded;
use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    BACKLOG_MAX, CALL_DEPTH_MAX, CALLS_IN_FLIGHT_MAX, REQUESTS_PER_TURN,
    callers::{Announced, Callers},
    drop_quietly,
    error::Kind,
    pending::{Key, Outcome, Pending},
    sharded::Shards,
};
use crate::{counters::Counters, executor::Core, mailbox::CoreShared};

/// What runs on the called core. It answers, at once or later, through what it is given.
pub(super) type Work = Box<dyn FnOnce(Answer) + Send>;

/// Slots of each ring: every depth has places of its own.
const RING_SLOTS: usize = CALLS_IN_FLIGHT_MAX * CALL_DEPTH_MAX;

struct Request {
    key: Key,
    depth: usize,
    work: Work,
}

struct Reply {
    key: Key,
    depth: usize,
    outcome: Outcome,
}

/// What others see of a core.
struct Inbox {
    callers: Callers,
    core: Arc<CoreShared>,
}

/// The ends of the four rings that one core shares with another.
struct Rings {
    requests_out: Producer<Request>,
    requests_in: Consumer<Request>,
    replies_out: Producer<Reply>,
    replies_in: Consumer<Reply>,
}

/// A core's place in the mesh, made by [`connect`] on one thread and taken by the core to its own.
pub(crate) struct Seat {
    me: usize,
    rings: Vec<Rings>,
    inboxes: Arc<[CachePadded<Inbox>]>,
}

/// Connects each core with each.
pub(crate) fn connect(cores: &[Arc<CoreShared>]) -> Vec<Seat> {
    let inboxes: Arc<[_]> = cores
        .iter()
        .map(|core| CachePadded::new(Inbox { callers: Callers::new(cores.len()), core: core.clone() }))
        .collect();
    let each = 0..cores.len();
    // The outer index is the owner of the end, the inner one the core at the other end. Pushing in
    // the order of the loops puts each end at its index.
    let (mut requests_out, mut requests_in) = (each.clone().map(|_| vec![]).collect::<Vec<_>>(), vec![]);
    let (mut replies_out, mut replies_in) = (vec![], each.clone().map(|_| vec![]).collect::<Vec<_>>());
    for _ in each.clone() {
        requests_in.push(vec![]);
        replies_out.push(vec![]);
    }
    for caller in each.clone() {
        for target in each.clone() {
            let (producer, consumer) = RingBuffer::new(RING_SLOTS);
            requests_out[caller].push(producer);
            requests_in[target].push(consumer);
            let (producer, consumer) = RingBuffer::new(RING_SLOTS);
            replies_out[target].push(producer);
            replies_in[caller].push(consumer);
        }
    }
    let ends = requests_out.into_iter().zip(requests_in).zip(replies_out.into_iter().zip(replies_in));
    ends.enumerate()
        .map(|(me, ((requests_out, requests_in), (replies_out, replies_in)))| Seat {
            me,
            rings: requests_out
                .into_iter()
                .zip(requests_in)
                .zip(replies_out.into_iter().zip(replies_in))
                .map(|((requests_out, requests_in), (replies_out, replies_in))| Rings {
                    requests_out,
                    requests_in,
                    replies_out,
                    replies_in,
                })
                .collect(),
            inboxes: inboxes.clone(),
        })
        .collect()
}

/// Calls of one depth to one core.
#[derive(Default)]
struct Lane {
    /// Requests pushed whose reply was not popped. Invariant: at most [`CALLS_IN_FLIGHT_MAX`].
    in_flight: usize,
    /// Requests that wait for a place, oldest first. Invariant: at most [`BACKLOG_MAX`], and empty
    /// while `in_flight` is below its bound.
    backlog: VecDeque<Request>,
}

/// All that a core has with one other.
struct Peer {
    rings: Rings,
    lanes: [Lane; CALL_DEPTH_MAX],
    /// Something was pushed and not announced yet.
    dirty: bool,
    /// The other core has ended, or this one has.
    ended: bool,
}

/// One core's end of the mesh. Lives on that core.
///
/// No borrow of a cell is held while code runs that is not of this module: closures, destructors
/// and wakers may all come back here.
pub(crate) struct Mesh {
    me: usize,
    peers: Box<[RefCell<Peer>]>,
    inboxes: Arc<[CachePadded<Inbox>]>,
    pending: RefCell<Pending>,
    /// Peers that are dirty.
    dirty: RefCell<Vec<usize>>,
    /// Callers whose requests were not all run, because the turn's share was used up, and this core
    /// itself if it has called itself.
    unserved: RefCell<Vec<usize>>,
    /// In how many calls, each made by the one before, the code runs that runs now.
    depth: Cell<usize>,
    pub(super) shards: Shards,
}

impl Mesh {
    pub(crate) fn new(seat: Seat) -> Self {
        let peers = seat
            .rings
            .into_iter()
            .map(|rings| RefCell::new(Peer { rings, lanes: Default::default(), dirty: false, ended: false }))
            .collect();
        Self {
            me: seat.me,
            peers,
            inboxes: seat.inboxes,
            pending: RefCell::default(),
            dirty: RefCell::default(),
            unserved: RefCell::default(),
            depth: Cell::new(0),
            shards: Shards::default(),
        }
    }

    /// Sends `work` to a core, or puts it behind those that wait for a place.
    pub(super) fn submit(&self, target: usize, work: Work, waker: &Waker) -> Result<Key, Kind> {
        let depth = self.depth.get();
        let peer = &mut *self.peers.get(target).ok_or(Kind::NoSuchCore)?.borrow_mut();
        if peer.ended {
            return Err(Kind::CoreEnded);
        }
        let lane = peer.lanes.get_mut(depth).ok_or(Kind::TooDeep)?;
        if lane.backlog.len() == BACKLOG_MAX {
            return Err(Kind::Full);
        }
        let key = self.pending.borrow_mut().insert(target, waker.clone());
        self.counters().calls_made.add(1);
        let request = Request { key, depth, work };
        if lane.in_flight == CALLS_IN_FLIGHT_MAX {
            lane.backlog.push_back(request);
        } else {
            peer.send(request);
            self.mark(target, peer);
        }
        Ok(key)
    }

    /// The answer to a call, or nothing yet.
    pub(super) fn poll(&self, key: Key, waker: &Waker) -> Option<Outcome> {
        self.pending.borrow_mut().poll(key, waker)
    }

    /// Nobody waits for the call any more.
    pub(super) fn abandon(&self, key: Key) {
        let abandoned = self.pending.borrow_mut().abandon(key);
        if let Some(abandoned) = abandoned {
            abandoned.finish();
        }
    }

    /// Runs `f` as part of a call made at `depth`.
    pub(super) fn inside<R>(&self, depth: usize, f: impl FnOnce() -> R) -> R {
        struct Restore<'a>(&'a Cell<usize>, usize);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let _restore = Restore(&self.depth, self.depth.replace(depth + 1));
        f()
    }

    /// All cores of the runtime, in their order.
    pub(crate) fn cores(&self) -> impl Iterator<Item = &CoreShared> {
        self.inboxes.iter().map(|inbox| &*inbox.core)
    }

    fn counters(&self) -> &Counters {
        &self.inboxes[self.me].core.counters
    }

    /// Calls of this core without an answer, those that nobody awaits any more included.
    pub(crate) fn calls_pending(&self) -> usize {
        self.pending.borrow().len()
    }

    /// Takes replies and runs requests. `rung` says whether the doorbell has rung since the last turn.
    #[inline]
    pub(crate) fn turn_begins(&self, rung: bool) {
        if rung || !self.unserved.borrow().is_empty() {
            self.receive(rung);
        }
    }

    /// Announces what this turn has pushed, once to each core whatever its number. Returns whether
    /// there is work left, so that the core must not park.
    #[inline]
    #[must_use = "requests left over wait for the next ring otherwise"]
    pub(crate) fn turn_ends(&self) -> bool {
        if !self.dirty.borrow().is_empty() {
            self.announce();
        }
        !self.unserved.borrow().is_empty()
    }

    fn receive(&self, rung: bool) {
        let mut callers = self.unserved.take();
        if rung {
            self.inboxes[self.me].callers.take(|caller| {
                if !callers.contains(&caller) {
                    callers.push(caller);
                }
            });
        }
        for caller in callers {
            self.take_replies(caller);
            self.run_requests(caller);
        }
    }

    fn take_replies(&self, from: usize) {
        loop {
            let reply = self.peers[from].borrow_mut().rings.replies_in.pop();
            let Ok(Reply { key, depth, outcome }) = reply else { break };
            let settled = self.pending.borrow_mut().settle(key, outcome);
            settled.finish();
            self.peers[from].borrow_mut().lanes[depth].in_flight -= 1;
            self.refill(from, depth);
        }
    }

    /// Gives free places to calls that wait for one.
    fn refill(&self, target: usize, depth: usize) {
        loop {
            let given_up = {
                let peer = &mut *self.peers[target].borrow_mut();
                let lane = &mut peer.lanes[depth];
                if lane.in_flight == CALLS_IN_FLIGHT_MAX {
                    return;
                }
                let Some(request) = lane.backlog.pop_front() else { return };
                if !self.pending.borrow_mut().forget_if_abandoned(request.key) {
                    peer.send(request);
                    self.mark(target, peer);
                    continue;
                }
                request
            };
            drop_quietly(given_up);
        }
    }

    fn run_requests(&self, caller: usize) {
        for _ in 0..REQUESTS_PER_TURN {
            let request = self.peers[caller].borrow_mut().rings.requests_in.pop();
            let Ok(Request { key, depth, work }) = request else { return };
            self.counters().calls_served.add(1);
            let answer = Answer { caller, key, depth, given: false, on_core: PhantomData };
            let run = || self.inside(depth, || work(answer));
            if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
                self.counters().panics.add(1);
                tracing::error!(caller, "a call from another core panicked; the core goes on");
                // The caller was told when the unwinding dropped the answer.
                drop_quietly(payload);
            }
        }
        if !self.peers[caller].borrow().rings.requests_in.is_empty() {
            self.unserved.borrow_mut().push(caller);
        }
    }

    fn reply(&self, caller: usize, reply: Reply) {
        let peer = &mut *self.peers[caller].borrow_mut();
        // A caller that has ended reads no more, but its ring has a place for this all the same.
        if peer.rings.replies_out.push(reply).is_err() {
            unreachable!("a call has a place for its reply");
        }
        self.mark(caller, peer);
    }

    /// Notes that `target` is to be told at the end of the turn.
    fn mark(&self, target: usize, peer: &mut Peer) {
        if !std::mem::replace(&mut peer.dirty, true) {
            self.dirty.borrow_mut().push(target);
        }
    }

    fn announce(&self) {
        for target in self.dirty.take() {
            self.peers[target].borrow_mut().dirty = false;
            if target == self.me {
                self.unserved.borrow_mut().push(target);
                continue;
            }
            let inbox = &self.inboxes[target];
            match inbox.callers.announce(self.me) {
                Announced::First => inbox.core.ring(),
                Announced::Coalesced => {}
                Announced::Ended => self.peer_ended(target),
            }
        }
    }

    /// The other core looks into its rings no more. What it pushed before is still taken; all else fails.
    fn peer_ended(&self, target: usize) {
        self.take_replies(target);
        let waiting = self.peers[target].borrow_mut().end();
        let failed = self.pending.borrow_mut().fail_all(target);
        for settled in failed {
            settled.finish();
        }
        drop_quietly(waiting);
    }

    /// The core ends: its tasks are gone, and whoever called it is told so. After this the mesh
    /// takes no calls.
    pub(crate) fn leave(&self) {
        // From here on an announcement is refused; what was announced before is in the rings now.
        self.inboxes[self.me].callers.end();
        for (caller, peer) in self.peers.iter().enumerate() {
            loop {
                let request = peer.borrow_mut().rings.requests_in.pop();
                let Ok(Request { key, depth, work }) = request else { break };
                drop_quietly(work);
                self.reply(caller, Reply { key, depth, outcome: Err(Kind::CoreEnded) });
            }
            let waiting = peer.borrow_mut().end();
            drop_quietly(waiting);
        }
        self.announce();
        self.shards.clear();
    }
}

impl Peer {
    fn send(&mut self, request: Request) {
        self.lanes[request.depth].in_flight += 1;
        if self.rings.requests_out.push(request).is_err() {
            unreachable!("calls in flight have a slot each");
        }
    }

    /// Takes no more calls; gives those that waited for a place, to be dropped unborrowed.
    fn end(&mut self) -> Vec<Request> {
        self.ended = true;
        self.lanes.iter_mut().flat_map(|lane| lane.backlog.drain(..)).collect()
    }
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
