//! Deadlines: a caller is told at once, and the statement is cancelled once it is the one being executed.
//!
//! A request to cancel names a connection and not a statement, so it is made only while the statement that is over its deadline
//! is the oldest of those in flight. It may still come too late and meet the next one; the server says so and has undone
//! it, and it is issued again.

use std::task::Context;
use std::time::Instant;

use super::slot::State;
use super::{SlotId, Wire};
use crate::postgres::error::{Cause, Kind, PgError};

/// What the timer is to do next.
pub(in crate::postgres) enum Due {
    /// Look again then; for ever if there is nothing to wait for.
    At(Option<Instant>),
    /// Send a request to cancel.
    Cancel,
    /// The connection is over.
    Over,
}

impl Wire {
    /// The timer has to look at `at` or before.
    #[inline]
    pub(super) fn look_at(&mut self, at: Instant) {
        if self.timer_at.is_none_or(|next| at < next) {
            self.timer_at = Some(at);
            self.wakes.extend(self.timer.take());
        }
    }

    /// Asks for a cancel if the oldest call in flight is over its deadline.
    #[inline]
    pub(super) fn check_overdue(&mut self, front: SlotId, now: Instant) {
        let slot = &mut self.slots[front];
        let is_over = slot.deadline.is_some_and(|deadline| deadline <= now);
        if !is_over || self.fifo.len() <= self.unsent {
            return;
        }
        if self.cancel_since.is_none() {
            slot.is_cancelled = true;
            self.cancel_since = Some(now);
            self.cancelled_at = Some(now);
            self.cancel_wanted = true;
            self.stats.cancels += 1;
            self.wakes.extend(self.timer.take());
        }
    }

    /// True while a statement that is over its deadline keeps the connection busy.
    pub(in crate::postgres) fn is_stuck(&self) -> bool {
        self.cancel_since.is_some()
    }

    /// Tells everybody whose deadline has passed, and gives up a connection whose statement cannot be cancelled.
    pub(in crate::postgres) fn expire(&mut self, now: Instant) {
        let mut next: Option<Instant> = None;
        let unsent_from = self.fifo.len() - self.unsent;
        let mut expired = Vec::new();
        for (id, slot) in &self.slots {
            let Some(deadline) = slot.deadline else { continue };
            if deadline > now && slot.is_listed {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            } else if deadline <= now && slot.is_wanted() && !slot.is_open_channel() {
                expired.push(id);
            }
        }
        for id in expired {
            // The few that are written and not taken by the writer are looked for one by one.
            let sent = matches!(self.slots[id].state, State::Sent(_))
                && !self.fifo.range(unsent_from..).any(|&unsent| unsent == id);
            self.note_dead(id);
            let slot = &mut self.slots[id];
            let after = slot.deadline.map(|deadline| deadline.saturating_duration_since(slot.began));
            let error = PgError::new(Kind::Deadline { after: after.unwrap_or_default(), sent });
            let waker = slot.finish(Err(error.into()));
            self.wakes.extend(waker);
            self.stats.deadlines += 1;
        }
        if let Some(&front) = self.fifo.front() {
            self.check_overdue(front, now);
        }
        if let Some(since) = self.cancel_since {
            let until = since + self.options.cancel_grace;
            if until <= now {
                self.end(Cause::CancelUnanswered(self.options.cancel_grace));
            } else {
                next = Some(next.map_or(until, |next| next.min(until)));
            }
        }
        self.timer_at = next;
    }

    /// What the timer is to do; it is woken when that changes.
    pub(in crate::postgres) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Due {
        if self.over().is_some() {
            return Due::Over;
        }
        if std::mem::take(&mut self.cancel_wanted) {
            if let Some(since) = self.cancel_since {
                self.look_at(since + self.options.cancel_grace);
            }
            return Due::Cancel;
        }
        self.timer = Some(cx.waker().clone());
        Due::At(self.timer_at)
    }
}
