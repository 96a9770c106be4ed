//! Connections that come and go, and what time does to them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use corelane_runtime::CoreId;

use super::super::budget::Permit;
use super::super::link::{Link, LinkError};
use super::{Doomed, Member, Refusal, Roster, Use, WaitState};

/// Longest time from one try to the next while somebody asks and nobody is there: a refused connection costs neither
/// side anything, so the full backoff would only make the return slower.
const PROBE: Duration = Duration::from_millis(100);

/// A connection that ends sooner counts as a failed try: a server that accepts and closes must not be connected to in a loop.
pub(in super::super) const SETTLED: Duration = Duration::from_secs(1);

impl<L: Link> Roster<L> {
    /// How many connections should be opened now. Each is announced by [`opening`](Self::opening).
    pub(in super::super) fn wanted(&mut self, now: Instant) -> usize {
        let open = self.size + self.opening;
        let few = self.config.min.saturating_sub(open);
        let asked = self.waiting() > 0 || self.crowded || self.demand;
        if self.closed || (few == 0 && !asked) || open >= self.config.max {
            return 0;
        }
        if self.pause.is_some_and(|pause| now < self.pause_end(pause))
            || self.dry.is_some_and(|dry| now < dry)
        {
            return 0;
        }
        if self.away.is_some() {
            // One try tells.
            return usize::from(self.opening == 0);
        }
        let exclusives = self.exclusives.len().min(self.config.exclusive_max().saturating_sub(self.lent));
        let shared = self.members.iter().filter(|(_, m)| matches!(m.usage, Use::Shared(_))).count();
        let statements = match self.statements.len() {
            0 => usize::from(self.crowded),
            waiting => waiting.div_ceil(self.config.pipeline_max),
        };
        let statements = statements.min(self.config.shared_max.saturating_sub(shared));
        let needed = (exclusives + statements).saturating_sub(self.opening);
        needed.max(few).min(self.config.max - open)
    }

    /// True if callers wait who would be helped by another connection.
    pub(in super::super) fn is_in_need(&self) -> bool {
        let lendable = self.lent < self.config.exclusive_max();
        let helped = !self.statements.is_empty() || (!self.exclusives.is_empty() && lendable);
        !self.closed && helped && self.size + self.opening < self.config.max
    }

    pub(in super::super) fn opening(&mut self) {
        self.opening += 1;
        (self.pause, self.dry, self.demand, self.crowded) = (None, None, false, false);
    }

    /// There is no permit for another connection.
    pub(in super::super) fn no_permit(&mut self, until: Instant) {
        (self.dry, self.crowded) = (Some(until), false);
        self.reserve();
    }

    /// A connection was opened. It gives the key for [`on_ended`](Self::on_ended), or the connection if it has come too late.
    pub(in super::super) fn on_opened(
        &mut self,
        link: L,
        permit: Option<Permit>,
        now: Instant,
    ) -> Option<usize> {
        self.opening -= 1;
        let link = Rc::new(link);
        if self.closed {
            self.doomed.push(Doomed { link, permit, heir: None });
            return None;
        }
        self.away = None;
        self.circuit.success();
        self.stats.opened += 1;
        self.size += 1;
        let expires = now + self.config.lifetime - self.backoff.jitter(self.config.lifetime / 10);
        let id = self.members.insert(Member {
            link,
            usage: Use::Free,
            retiring: false,
            ended: false,
            opened: now,
            expires,
            used: now,
            turn_count: 0,
            permit,
            heir: None,
        });
        self.stirred = true;
        self.dispatch(now);
        Some(id)
    }

    pub(in super::super) fn on_open_failed(&mut self, error: L::Error, now: Instant) {
        self.opening -= 1;
        self.stats.open_failures += 1;
        self.fail(error, now);
        self.dispatch(now);
    }

    /// A try has failed: the next one waits, and if there is no connection and none under way, nobody else does.
    fn fail(&mut self, error: L::Error, now: Instant) {
        self.circuit.failure();
        self.stirred = true;
        let later = now + self.backoff.next_wait();
        let sooner = now + PROBE / 2 + self.backoff.jitter(PROBE / 2);
        self.pause = Some((later, if error.is_absent() { sooner } else { later }));
        if self.size > 0 || self.opening > 0 || !self.circuit.is_open() {
            return;
        }
        self.refuse_all(&Refusal::Away(error.clone()));
        self.away = Some(error);
    }

    fn refuse_all(&mut self, refusal: &Refusal<L::Error>) {
        self.demand |= self.waiting() > 0;
        for (_, key) in self.statements.drain(..).chain(self.exclusives.drain(..)) {
            self.stats.refused += 1;
            let state = &mut self.waiters[key].state;
            if let WaitState::Waiting(waker) = std::mem::replace(state, WaitState::Refused(refusal.clone())) {
                self.wakes.push(waker);
            }
        }
    }

    /// A connection has ended.
    pub(in super::super) fn on_ended(&mut self, link: &Rc<L>, id: usize, error: L::Error, now: Instant) {
        // The place may be another's by now.
        let Some(member) = self.members.get_mut(id).filter(|member| Rc::ptr_eq(&member.link, link)) else {
            return;
        };
        member.ended = true;
        self.size -= 1;
        self.stats.lost += u64::from(!member.retiring);
        // Nothing holds it at the server any more, even if its users have not noticed.
        drop(member.permit.take());
        let (age, is_free) = (now.saturating_duration_since(member.opened), member.usage == Use::Free);
        if self.reserved == Some(id) {
            self.reserved = None;
        }
        if is_free {
            self.remove(id);
        }
        if age < SETTLED {
            self.fail(error, now);
        } else {
            self.backoff.reset();
        }
        self.dispatch(now);
    }

    pub(super) fn remove(&mut self, id: usize) {
        let member = self.members.remove(id);
        self.size -= usize::from(!member.ended);
        if self.reserved == Some(id) {
            self.reserved = None;
        }
        self.doomed.push(Doomed { link: member.link, permit: member.permit, heir: member.heir });
    }

    fn pause_end(&self, (later, sooner): (Instant, Instant)) -> Instant {
        if self.demand || self.waiting() > 0 { later.min(sooner) } else { later }
    }

    /// Closes what has had its time. When there is something to do again, if nothing happens before.
    pub(in super::super) fn tick(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        let mut note = |at: Instant| next = Some(next.map_or(at, |next: Instant| next.min(at)));
        if let Some(dry) = self.dry.filter(|dry| now < *dry) {
            note(dry);
        }
        if let Some(pause) = self.pause {
            match self.pause_end(pause) {
                end if now < end => note(end),
                _ => self.pause = None,
            }
        }
        for id in 0..self.members.capacity() {
            let Some(member) = self.members.get_mut(id) else { continue };
            let idle_until = member.used + self.config.idle_timeout;
            let is_spare = self.size > self.config.min;
            let due = if is_spare { idle_until.min(member.expires) } else { member.expires };
            if member.usage != Use::Free {
                member.retiring |= now >= member.expires;
                note(if now < due { due } else { now + self.config.idle_timeout });
            } else if now < due {
                note(due);
            } else {
                self.stats.retired += 1;
                self.remove(id);
            }
        }
        next
    }

    /// A permit of a connection that this can do without, for `heir`; the connection is closed. If all are in use, but there
    /// are more than `share`, one of them is closed when its users have done with it.
    pub(in super::super) fn spare(
        &mut self,
        share: usize,
        heir: CoreId,
        idle: Duration,
        now: Instant,
    ) -> Option<Permit> {
        let over = |size: usize| size > share;
        let mut leaving = 0;
        let (mut spare, mut next) = (None, None);
        for (id, member) in &self.members {
            if member.ended || member.permit.is_none() {
                continue;
            }
            if member.heir.is_some() {
                leaving += 1;
                // It has been promised one.
                if member.heir == Some(heir) {
                    return None;
                }
                continue;
            }
            let rested = now.saturating_duration_since(member.used) >= idle;
            match member.usage {
                Use::Free if self.reserved != Some(id) && (over(self.size) || rested) => spare = Some(id),
                Use::Shared(users) if next.is_none_or(|(other, _)| users < other) => next = Some((users, id)),
                Use::Lent if next.is_none() => next = Some((usize::MAX, id)),
                _ => {}
            }
        }
        if let Some(id) = spare.filter(|_| self.size - leaving > self.config.min.min(share)) {
            let permit = self.members[id].permit.take();
            self.stats.given += 1;
            self.remove(id);
            return permit;
        }
        if let Some((_, id)) = next.filter(|_| over(self.size - leaving)) {
            self.stats.given += 1;
            let member = &mut self.members[id];
            (member.retiring, member.heir) = (true, Some(heir));
        }
        None
    }

    /// Ends everything. What is in use ends when it comes back.
    pub(in super::super) fn close(&mut self) {
        self.closed = true;
        self.refuse_all(&Refusal::Closed);
        for id in 0..self.members.capacity() {
            match self.members.get_mut(id) {
                Some(member) if member.usage == Use::Free => self.remove(id),
                Some(member) => member.retiring = true,
                None => {}
            }
        }
    }
}
