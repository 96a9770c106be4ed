//! One core's end of the mesh: what it has with each other core, and what it does about it in a turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use crossbeam_utils::CachePadded;

use super::callers::Announced;
use super::error::Kind;
use super::pending::{Key, Outcome, Pending};
use super::rings::{Answer, Inbox, Incoming, Outgoing, Reply, Request, Seat, Work};
use super::sharded::Shards;
use super::{BACKLOG_MAX, CALL_DEPTH_MAX, CALLS_IN_FLIGHT_MAX, REQUESTS_PER_TURN, drop_quietly};
use crate::counters::Counters;
use crate::mailbox::CoreShared;

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
    outgoing: Outgoing,
    incoming: Incoming,
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
        let ends = seat.outgoing.into_iter().zip(seat.incoming);
        let peers = ends.map(|(outgoing, incoming)| {
            let lanes = Default::default();
            RefCell::new(Peer { outgoing, incoming, lanes, dirty: false, ended: false })
        });
        Self {
            me: seat.me,
            peers: peers.collect(),
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

    /// Wakes the driver of a core whose doorbell has rung.
    pub(crate) fn wake_driver(&self, core: usize) {
        if let Some(inbox) = self.inboxes.get(core) {
            inbox.core.bell.ring();
        }
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
            let reply = self.peers[from].borrow_mut().outgoing.replies.pop();
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
            let request = self.peers[caller].borrow_mut().incoming.requests.pop();
            let Ok(Request { key, depth, work }) = request else { return };
            self.counters().calls_served.add(1);
            let answer = Answer::to(caller, key, depth);
            let run = || self.inside(depth, || work(answer));
            if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
                self.counters().panics.add(1);
                tracing::error!(caller, "a call from another core panicked; the core goes on");
                // The caller was told when the unwinding dropped the answer.
                drop_quietly(payload);
            }
        }
        if !self.peers[caller].borrow().incoming.requests.is_empty() {
            self.serve_next_turn(caller);
        }
    }

    fn serve_next_turn(&self, caller: usize) {
        let mut unserved = self.unserved.borrow_mut();
        if !unserved.contains(&caller) {
            unserved.push(caller);
        }
    }

    pub(super) fn reply(&self, caller: usize, reply: Reply) {
        let peer = &mut *self.peers[caller].borrow_mut();
        // A caller that has ended reads no more, but its ring has a place for this all the same.
        if peer.incoming.replies.push(reply).is_err() {
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
                self.serve_next_turn(target);
                continue;
            }
            let inbox = &self.inboxes[target];
            match inbox.callers.announce(self.me) {
                Announced::First => inbox.core.ring_at_end_of_turn(),
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
                let request = peer.borrow_mut().incoming.requests.pop();
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
        if self.outgoing.requests.push(request).is_err() {
            unreachable!("calls in flight have a slot each");
        }
    }

    /// Takes no more calls; gives those that waited for a place, to be dropped unborrowed.
    fn end(&mut self) -> Vec<Request> {
        self.ended = true;
        self.lanes.iter_mut().flat_map(|lane| lane.backlog.drain(..)).collect()
    }
}
