//! Who has which connection, and who waits for one. No I/O: the pool tells what has happened, and does what this asks for.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use corelane_runtime::CoreId;
use slab::Slab;

use super::budget::Permit;
use super::config::PoolConfig;
use super::link::Link;
use super::stats::PoolStats;
use crate::backoff::Backoff;
use crate::circuit::Circuit;

pub(super) mod upkeep;

/// Statements issued in one turn of the core that go on one connection together: they leave in one write, and the server
/// wakes up once. More go on the next, so that a slow one among them delays few.
const TURN_BATCH: usize = 8;

/// Failed tries in a row before callers fail at once, if there is no connection: a lost one and a refused one.
const FAILURES_MAX: u32 = 1;

/// What a caller needs a connection for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::postgres) enum Want {
    /// One statement, which may share the connection with others.
    Statement,
    /// More than that: nobody else may use it meanwhile.
    Exclusive,
}

/// Why a caller gets no connection.
#[derive(Clone, Debug)]
pub(in crate::postgres) enum Refusal<E> {
    /// There is none, and the last try to open one failed.
    Away(E),
    /// So many wait already.
    Overloaded(usize),
    /// There was none within this time.
    Deadline(Duration),
    /// The pool is closed.
    Closed,
}

/// Who uses a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Free,
    /// So many single statements. Never zero.
    Shared(usize),
    /// Somebody for themselves.
    Lent,
    /// Somebody who looks first whether it is still there.
    Checked,
}

/// How a connection comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// The next may have it.
    Fit,
    /// With something unfinished.
    Unclean,
    /// It does not answer.
    Stale,
}

struct Member<L> {
    link: Rc<L>,
    usage: Use,
    /// Nobody else gets it; it is closed once nobody uses it.
    retiring: bool,
    /// It has ended; it is here for its users only, and does not count.
    ended: bool,
    opened: Instant,
    expires: Instant,
    /// When it was last given to somebody or came back.
    used: Instant,
    /// Single statements given to it in the turn of `used`.
    turn_count: usize,
    permit: Option<Permit>,
    /// The core that gets the permit.
    heir: Option<CoreId>,
}

/// A connection to be closed, and what becomes of its permit.
pub(super) struct Doomed<L> {
    pub(super) link: Rc<L>,
    pub(super) permit: Option<Permit>,
    pub(super) heir: Option<CoreId>,
}

struct Waiter<E> {
    want: Want,
    ticket: u64,
    began: Instant,
    state: WaitState<E>,
}

enum WaitState<E> {
    Waiting(Waker),
    Granted(Granted),
    Refused(Refusal<E>),
    Taken,
}

/// A connection for a caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted {
    pub(super) id: usize,
    pub(super) usage: Use,
}

pub(super) enum Acquired<E> {
    Granted(Granted),
    /// Wait, under this key.
    Queued(usize),
    Refused(Refusal<E>),
}

pub(super) struct Roster<L: Link> {
    pub(super) config: PoolConfig,
    members: Slab<Member<L>>,
    waiters: Slab<Waiter<L::Error>>,
    /// Tickets and keys of those who wait, oldest first.
    statements: VecDeque<(u64, usize)>,
    exclusives: VecDeque<(u64, usize)>,
    next_ticket: u64,
    /// Members that have not ended.
    size: usize,
    lent: usize,
    opening: usize,
    /// The connection that is to become free for the first who waits for one of their own.
    reserved: Option<usize>,
    /// A shared connection has much to do: another one would help.
    crowded: bool,
    /// There was no permit for another connection; not to be tried before this.
    dry: Option<Instant>,
    away: Option<L::Error>,
    /// Somebody has asked since the last try.
    demand: bool,
    /// No try before this, and whether an earlier one is worth it if somebody asks.
    pause: Option<(Instant, Instant)>,
    circuit: Circuit,
    backoff: Backoff,
    closed: bool,
    pub(super) stats: PoolStats,
    /// To be woken when the roster is not borrowed.
    pub(super) wakes: Vec<Waker>,
    /// To be closed when the roster is not borrowed.
    pub(super) doomed: Vec<Doomed<L>>,
    /// What there is to wait for has changed: the keeper should look.
    pub(super) stirred: bool,
}

impl<L: Link> Roster<L> {
    pub(super) fn new(config: PoolConfig) -> Roster<L> {
        Roster {
            config: config.sound(),
            members: Slab::new(),
            waiters: Slab::new(),
            statements: VecDeque::new(),
            exclusives: VecDeque::new(),
            next_ticket: 0,
            size: 0,
            lent: 0,
            opening: 0,
            reserved: None,
            crowded: false,
            dry: None,
            away: None,
            demand: false,
            pause: None,
            circuit: Circuit::new(FAILURES_MAX),
            backoff: Backoff::default(),
            closed: false,
            stats: PoolStats::default(),
            wakes: Vec::new(),
            doomed: Vec::new(),
            stirred: false,
        }
    }

    pub(super) fn stats(&self) -> PoolStats {
        let shared =
            self.members.iter().filter(|(_, m)| matches!(m.usage, Use::Shared(_)) && !m.ended).count();
        PoolStats {
            size: self.size,
            exclusive: self.lent,
            shared,
            opening: self.opening,
            waiting: self.waiting(),
            away: self.away.is_some(),
            ..self.stats
        }
    }

    fn waiting(&self) -> usize {
        self.statements.len() + self.exclusives.len()
    }

    pub(super) fn link(&self, id: usize) -> Rc<L> {
        Rc::clone(&self.members[id].link)
    }

    pub(super) fn each_link(&self, f: impl FnMut(&L)) {
        self.members.iter().map(|(_, member)| &*member.link).for_each(f);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// A connection, or a place in the queue.
    pub(super) fn acquire(&mut self, want: Want, now: Instant, cx: &Context<'_>) -> Acquired<L::Error> {
        if self.closed {
            return Acquired::Refused(Refusal::Closed);
        }
        // Whoever waits for the same came first. Those who wait for the other only keep what is free.
        let granted = match want {
            Want::Statement if self.statements.is_empty() => self.grant_shared(u64::MAX, now),
            Want::Exclusive if self.exclusives.is_empty() => self.grant_exclusive(u64::MAX, now),
            _ => None,
        };
        if let Some(granted) = granted {
            self.stats.acquired += 1;
            return Acquired::Granted(granted);
        }
        if let Some(error) = &self.away {
            self.stirred |= !std::mem::replace(&mut self.demand, true);
            self.stats.refused += 1;
            return Acquired::Refused(Refusal::Away(error.clone()));
        }
        if self.waiting() >= self.config.waiting_max {
            self.stats.refused += 1;
            return Acquired::Refused(Refusal::Overloaded(self.config.waiting_max));
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let state = WaitState::Waiting(cx.waker().clone());
        let key = self.waiters.insert(Waiter { want, ticket, began: now, state });
        self.queue(want).push_back((ticket, key));
        self.stirred |= self.waiting() == 1;
        self.reserve();
        Acquired::Queued(key)
    }

    pub(super) fn poll_waiter(
        &mut self,
        key: usize,
        cx: &Context<'_>,
    ) -> Poll<Result<Granted, Refusal<L::Error>>> {
        let waiter = &mut self.waiters[key];
        match std::mem::replace(&mut waiter.state, WaitState::Taken) {
            WaitState::Waiting(mut waker) => {
                waker.clone_from(cx.waker());
                waiter.state = WaitState::Waiting(waker);
                Poll::Pending
            }
            WaitState::Granted(granted) => Poll::Ready(Ok(granted)),
            WaitState::Refused(refusal) => Poll::Ready(Err(refusal)),
            WaitState::Taken => unreachable!("a waiter leaves once it has its outcome"),
        }
    }

    /// The caller has its outcome, or has gone: what it was given and did not take goes to the next.
    pub(super) fn leave(&mut self, key: usize, now: Instant) {
        let waiter = self.waiters.remove(key);
        match waiter.state {
            WaitState::Waiting(_) => {
                let queue = self.queue(waiter.want);
                if let Ok(place) = queue.binary_search_by_key(&waiter.ticket, |&(ticket, _)| ticket) {
                    queue.remove(place);
                }
                self.dispatch(now);
            }
            WaitState::Granted(granted) => self.release(granted, Back::Fit, now),
            WaitState::Refused(_) | WaitState::Taken => {}
        }
    }

    /// Somebody has done with a connection.
    pub(super) fn release(&mut self, granted: Granted, back: Back, now: Instant) {
        let member = &mut self.members[granted.id];
        if granted.usage == Use::Lent {
            self.lent -= 1;
        }
        if back != Back::Fit && !member.ended {
            member.retiring = true;
            let count = if back == Back::Stale { &mut self.stats.stale } else { &mut self.stats.unclean };
            *count += 1;
        }
        member.usage = match member.usage {
            Use::Shared(users) if users > 1 => Use::Shared(users - 1),
            _ => Use::Free,
        };
        if member.usage == Use::Free {
            if granted.usage != Use::Checked {
                member.used = now;
            }
            let unfit = member.retiring || member.ended || now >= member.expires || !member.link.is_fit();
            if unfit {
                self.remove(granted.id);
            }
        }
        self.dispatch(now);
    }

    /// A connection that was looked at is still there, and is used for what it was asked for.
    pub(super) fn checked(&mut self, granted: Granted, want: Want, now: Instant) -> Granted {
        let member = &mut self.members[granted.id];
        let usage = match want {
            Want::Statement => Use::Shared(1),
            Want::Exclusive => Use::Lent,
        };
        (member.usage, member.used) = (usage, now);
        if usage == Use::Lent {
            self.lent += 1;
        } else {
            self.dispatch(now);
        }
        Granted { id: granted.id, usage }
    }

    /// A connection for the holder of `ticket` that may be shared.
    fn grant_shared(&mut self, ticket: u64, now: Instant) -> Option<Granted> {
        // What is free is for whoever has waited longer for a connection of their own, if they may have one.
        let elder = self.exclusives.front().is_some_and(|&(other, _)| other < ticket);
        let free_is_spoken_for = elder && self.lent < self.config.exclusive_max();
        let (mut shared, mut least, mut free) = (0, None, None);
        for (id, member) in &self.members {
            if member.retiring || member.ended || self.reserved == Some(id) || !member.link.is_fit() {
                continue;
            }
            match member.usage {
                Use::Shared(users) => {
                    shared += 1;
                    if users >= self.config.pipeline_max {
                        continue;
                    }
                    if member.used == now && member.turn_count < TURN_BATCH {
                        return Some(self.share(id, users, now));
                    }
                    let load = users.max(member.link.pending());
                    if least.is_none_or(|(_, _, other)| load < other) {
                        least = Some((id, users, load));
                    }
                }
                // The one used last: those that are not needed stay unused, and are closed in time.
                Use::Free
                    if now < member.expires
                        && !free_is_spoken_for
                        && free.is_none_or(|(_, used)| member.used > used) =>
                {
                    free = Some((id, member.used));
                }
                _ => {}
            }
        }
        if let Some((id, used)) = free.filter(|_| shared < self.config.shared_max) {
            if now.saturating_duration_since(used) >= self.config.check_after {
                return Some(self.give(id, Use::Checked, now));
            }
            return Some(self.share(id, 0, now));
        }
        let (id, users, load) = least?;
        self.crowded |= load >= TURN_BATCH && shared < self.config.shared_max;
        Some(self.share(id, users, now))
    }

    fn share(&mut self, id: usize, users: usize, now: Instant) -> Granted {
        let member = &mut self.members[id];
        member.turn_count = if users > 0 && member.used == now { member.turn_count + 1 } else { 1 };
        self.give(id, Use::Shared(users + 1), now)
    }

    fn give(&mut self, id: usize, usage: Use, now: Instant) -> Granted {
        let member = &mut self.members[id];
        member.usage = usage;
        if usage == Use::Lent {
            self.lent += 1;
        }
        // Kept by a look, so that it does not count as used if it fails.
        if usage != Use::Checked {
            member.used = now;
        }
        Granted { id, usage }
    }

    /// A connection for the holder of `ticket` and nobody else.
    fn grant_exclusive(&mut self, ticket: u64, now: Instant) -> Option<Granted> {
        let elder = self.statements.front().is_some_and(|&(other, _)| other < ticket);
        if elder || self.lent >= self.config.exclusive_max() {
            return None;
        }
        let fit = |member: &Member<L>| {
            member.usage == Use::Free
                && !member.retiring
                && !member.ended
                && now < member.expires
                && member.link.is_fit()
        };
        let free =
            self.members.iter().filter(|(_, member)| fit(member)).max_by_key(|(_, member)| member.used);
        let (id, member) = free?;
        // Answers that nobody waits for any more are waited for: what they leave behind would be the next one's.
        let look = member.link.pending() > 0
            || now.saturating_duration_since(member.used) >= self.config.check_after;
        if self.reserved == Some(id) {
            self.reserved = None;
        }
        Some(self.give(id, if look { Use::Checked } else { Use::Lent }, now))
    }

    fn queue(&mut self, want: Want) -> &mut VecDeque<(u64, usize)> {
        match want {
            Want::Statement => &mut self.statements,
            Want::Exclusive => &mut self.exclusives,
        }
    }

    /// Gives what is there to those who wait, the oldest first.
    fn dispatch(&mut self, now: Instant) {
        while self.waiting() > 0 {
            let front =
                |queue: &VecDeque<(u64, usize)>| queue.front().map_or(u64::MAX, |&(ticket, _)| ticket);
            let order = if front(&self.exclusives) < front(&self.statements) {
                [Want::Exclusive, Want::Statement]
            } else {
                [Want::Statement, Want::Exclusive]
            };
            if !order.into_iter().any(|want| self.serve(want, now)) {
                break;
            }
        }
        self.reserve();
    }

    /// Gives a connection to the first who waits for this. False if there is nobody or nothing.
    fn serve(&mut self, want: Want, now: Instant) -> bool {
        let Some(&(ticket, key)) = self.queue(want).front() else { return false };
        let granted = match want {
            Want::Statement => self.grant_shared(ticket, now),
            Want::Exclusive => self.grant_exclusive(ticket, now),
        };
        let Some(granted) = granted else { return false };
        self.queue(want).pop_front();
        let waiter = &mut self.waiters[key];
        self.stats.acquired += 1;
        self.stats.note_wait(now.saturating_duration_since(waiter.began));
        if let WaitState::Waiting(waker) = std::mem::replace(&mut waiter.state, WaitState::Granted(granted)) {
            self.wakes.push(waker);
        }
        true
    }

    /// If somebody waits for a connection of their own and no further one can be opened, statements leave one alone.
    fn reserve(&mut self) {
        let needed = !self.exclusives.is_empty() && self.lent < self.config.exclusive_max();
        let may_open =
            self.opening > 0 || (self.size < self.config.max && self.dry.is_none() && self.pause.is_none());
        if !needed || may_open {
            self.reserved = None;
            return;
        }
        if self.reserved.is_none() {
            let shared = self.members.iter().filter_map(|(id, member)| match member.usage {
                Use::Shared(users) if !member.retiring && !member.ended => Some((users, id)),
                _ => None,
            });
            self.reserved = shared.min().map(|(_, id)| id);
        }
    }
}
