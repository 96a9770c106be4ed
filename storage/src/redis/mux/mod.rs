//! Many callers on one connection: who waits for which reply. No I/O happens here.
//!
//! Every call has a slot. A slot is in the *queue* while there is no connection or no room, then in
//! the *fifo* until its replies have come: the server answers in order, so the oldest slot there owns
//! the next reply. A caller that goes away leaves its slot in the fifo, marked; the reply that
//! comes for it is thrown away. That is all that keeps callers and replies together, and there is no
//! await in it.
//!
//! A slot's number is reused only when neither its caller nor a list refers to it any more, so numbers
//! need no generation.

mod slot;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use corelane_runtime::buf::Chunks;
use corelane_runtime::net::{CloseHandle, Shutdown};
use slab::Slab;

use self::slot::{Slot, State};
use super::config::Config;
use super::error::{Cause, Kind, RedisError};
use super::proto::{Command, Value};
use super::stats::Stats;
use super::tracking::Pushes;
use crate::output::Output;

/// Fewest replies that are told as a half: a second send costs about as much as telling these.
const SHARE_MIN: usize = 16;

/// What one call sends.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// One command.
    One(Command),
    /// Several that are sent together, with nobody else's in between. Their replies become one array.
    Many(Rc<[Command]>),
}

impl Request {
    pub(super) fn commands(&self) -> &[Command] {
        match self {
            Request::One(command) => std::slice::from_ref(command),
            Request::Many(commands) => commands,
        }
    }

    /// Whether to send it again by ourselves: only after the end of a connection, and only what does no harm twice.
    pub(super) fn may_repeat(&self, error: &RedisError) -> bool {
        match error.kind() {
            Kind::Lost { sent: false, .. } => true,
            Kind::Lost { sent: true, .. } => self.commands().iter().all(Command::is_read_only),
            _ => false,
        }
    }
}

/// How the connection is.
#[derive(Debug)]
enum Link {
    /// Being made; callers queue.
    Connecting,
    /// There. The cause is set by whoever ends it, if that is us.
    Up { closer: Option<CloseHandle>, ending: Option<Cause> },
    /// The circuit is open: callers fail at once.
    Away(Cause),
    /// For good.
    Closed,
}

/// Names a slot to its caller.
pub(super) type SlotId = usize;

pub(super) struct Mux {
    config: Rc<Config>,
    link: Link,
    /// Counts connections. A writer of an older one has nothing to say.
    epoch: u64,
    slots: Slab<Slot>,
    /// Slots that wait to be sent, oldest first.
    queue: VecDeque<SlotId>,
    /// Those of them whose caller has gone or was told already.
    queue_dead: usize,
    /// Slots that were written, oldest first.
    fifo: VecDeque<SlotId>,
    /// Slots at the end of the fifo whose bytes the writer has not taken. Invariant: at most `fifo.len()`.
    unsent: usize,
    /// Replies that are owed. Invariant: the sum of `left` over the fifo.
    in_flight: usize,
    output: Output,
    writer: Option<Waker>,
    /// When the timer looks next. Invariant: not later than any caller's deadline.
    timer_at: Option<Instant>,
    timer: Option<Waker>,
    /// When something was heard last, or began to be owed.
    progress: Instant,
    /// Somebody wanted the server while it was away.
    demand: bool,
    supervisor: Option<Waker>,
    pub(super) stats: Stats,
    pub(super) pushes: Pushes,
    /// To be woken once nothing is borrowed.
    pub(super) wakes: Vec<Waker>,
}

impl Mux {
    pub(super) fn new(config: Rc<Config>, now: Instant) -> Mux {
        Mux {
            config,
            link: Link::Connecting,
            epoch: 0,
            slots: Slab::new(),
            queue: VecDeque::new(),
            queue_dead: 0,
            fifo: VecDeque::new(),
            unsent: 0,
            in_flight: 0,
            output: Output::default(),
            writer: None,
            timer_at: None,
            timer: None,
            progress: now,
            demand: false,
            supervisor: None,
            stats: Stats::default(),
            pushes: Pushes::default(),
            wakes: Vec::new(),
        }
    }

    /// Takes a call. It has a slot from now on, to be [polled](Self::poll_slot) or [given up](Self::give_up).
    ///
    /// # Errors
    /// If it is not taken: nothing was sent then.
    #[inline]
    pub(super) fn submit(
        &mut self,
        request: &Request,
        now: Instant,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Result<SlotId, RedisError> {
        match &self.link {
            Link::Up { .. } if self.queue.is_empty() && self.has_room(request) => {
                let slot = self.insert(State::Sent(cx.waker().clone()), request, now, deadline);
                self.write(slot, request, now);
                Ok(slot)
            }
            Link::Up { .. } | Link::Connecting => self.enqueue(request, now, deadline, cx),
            Link::Away(_) | Link::Closed => {
                Err(self.refusal().unwrap_or_else(|| unreachable!("it is away or closed")))
            }
        }
    }

    /// The error for a caller while there is no connection and none under way. Notes that somebody asked.
    pub(super) fn refusal(&mut self) -> Option<RedisError> {
        let kind = match &self.link {
            Link::Up { .. } | Link::Connecting => return None,
            Link::Closed => return Some(RedisError::new(Kind::Closed)),
            Link::Away(cause) => Kind::Unavailable(cause.clone()),
        };
        self.stats.refused += 1;
        if !std::mem::replace(&mut self.demand, true) {
            self.wakes.extend(self.supervisor.take());
        }
        Some(RedisError::new(kind))
    }

    fn enqueue(
        &mut self,
        request: &Request,
        now: Instant,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Result<SlotId, RedisError> {
        let waiting = self.queue.len() - self.queue_dead;
        let waiting_max = self.config.waiting_max;
        if waiting >= waiting_max {
            self.stats.refused += 1;
            return Err(RedisError::new(Kind::Overloaded { waiting_max }));
        }
        if self.queue_dead > waiting.max(64) {
            self.bury_dead();
        }
        self.stats.waits += 1;
        let slot = self.insert(State::Queued(cx.waker().clone(), request.clone()), request, now, deadline);
        self.queue.push_back(slot);
        Ok(slot)
    }

    #[inline]
    fn insert(&mut self, state: State, request: &Request, now: Instant, deadline: Instant) -> SlotId {
        self.stats.commands += request.commands().len() as u64;
        if self.timer_at.is_none_or(|at| deadline < at) {
            self.timer_at = Some(deadline);
            self.wakes.extend(self.timer.take());
        }
        self.slots.insert(Slot {
            state,
            began: now,
            deadline,
            left: request.commands().len(),
            many: matches!(request, Request::Many(_)),
            values: Vec::new(),
            is_listed: true,
        })
    }

    /// Whether the request may be written now. One that is larger than a bound may when it is alone.
    #[inline]
    fn has_room(&self, request: &Request) -> bool {
        let commands = request.commands();
        let bytes: usize = commands.iter().map(Command::encoded_len_max).sum();
        let queued = self.output.queued();
        (self.in_flight == 0 || self.in_flight + commands.len() <= self.config.in_flight_max)
            && (queued == 0 || queued + bytes <= self.config.queued_bytes_max)
    }

    #[inline]
    fn write(&mut self, slot: SlotId, request: &Request, now: Instant) {
        let output = &mut self.output;
        let before = output.queued();
        for command in request.commands() {
            command.pieces(|piece| output.push(piece));
        }
        self.stats.bytes_out += (output.queued() - before) as u64;
        if self.in_flight == 0 {
            self.progress = now;
        }
        self.in_flight += request.commands().len();
        self.fifo.push_back(slot);
        self.unsent += 1;
        self.wakes.extend(self.writer.take());
    }

    /// Sends from the queue what there is room for.
    fn pump(&mut self, now: Instant) {
        while matches!(self.link, Link::Up { .. })
            && let Some(&id) = self.queue.front()
        {
            if let State::Queued(_, request) = &self.slots[id].state
                && !self.has_room(request)
            {
                return;
            }
            if let Some(request) = self.slots[id].leave_queue() {
                self.queue.pop_front();
                self.write(id, &request, now);
            } else {
                self.queue.pop_front();
                self.queue_dead -= 1;
                self.unlist(id);
            }
        }
    }

    /// A list no longer refers to the slot. Frees it if its caller does not either.
    fn unlist(&mut self, id: SlotId) {
        let slot = &mut self.slots[id];
        slot.is_listed = false;
        if matches!(slot.state, State::GivenUp) {
            self.slots.remove(id);
        }
    }

    /// Takes out of the queue what nobody waits for.
    fn bury_dead(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        for id in queue {
            if matches!(self.slots[id].state, State::Queued(..)) {
                self.queue.push_back(id);
            } else {
                self.unlist(id);
            }
        }
        self.queue_dead = 0;
    }

    /// The outcome of a call, once; its slot is gone with it.
    #[inline]
    pub(super) fn poll_slot(&mut self, id: SlotId, cx: &mut Context<'_>) -> Poll<Result<Value, RedisError>> {
        let slot = &mut self.slots[id];
        match &mut slot.state {
            State::Sent(waker) | State::Queued(waker, _) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            State::Done(_) => {
                let State::Done(outcome) = std::mem::replace(&mut slot.state, State::GivenUp) else {
                    unreachable!("it was just matched")
                };
                if !slot.is_listed {
                    self.slots.remove(id);
                }
                Poll::Ready(outcome)
            }
            State::GivenUp => unreachable!("a slot outlives its caller only for the lists"),
        }
    }

    /// The caller has gone.
    pub(super) fn give_up(&mut self, id: SlotId) {
        let slot = &mut self.slots[id];
        self.queue_dead += usize::from(matches!(slot.state, State::Queued(..)));
        slot.state = State::GivenUp;
        slot.values = Vec::new();
        if !slot.is_listed {
            self.slots.remove(id);
        }
    }

    /// A reply has come.
    ///
    /// # Errors
    /// If nothing was asked: the connection is of no use any more.
    #[inline]
    pub(super) fn on_reply(&mut self, value: Value, now: Instant) -> Result<(), Cause> {
        if self.fifo.len() <= self.unsent {
            return Err(Cause::Unasked);
        }
        let Some(&id) = self.fifo.front() else { return Err(Cause::Unasked) };
        self.in_flight -= 1;
        self.stats.replies += 1;
        let slot = &mut self.slots[id];
        slot.left -= 1;
        let value = if slot.many {
            if !matches!(slot.state, State::GivenUp) {
                slot.values.push(value);
            }
            if slot.left > 0 {
                return Ok(());
            }
            Value::Array(std::mem::take(&mut slot.values))
        } else {
            value
        };
        let took = now.saturating_duration_since(slot.began);
        self.stats.note_latency(took);
        if let Some(waker) = slot.finish(Ok(value)) {
            self.wakes.push(waker);
        }
        self.fifo.pop_front();
        self.unlist(id);
        Ok(())
    }

    /// A message that answers no command has come.
    pub(super) fn on_push(&mut self, items: Vec<Value>) {
        self.stats.pushes += 1;
        self.stats.pushes_dropped += u64::from(!self.pushes.take(items, &mut self.wakes));
    }

    /// Replies to tell before those who got one have a turn.
    ///
    /// When all replies that are owed come at once, the server has nothing to do: told all at once, client and server would
    /// take turns for ever. Told by halves, the server works on the first while we tell the second; from then on
    /// the replies come by halves, and nothing is divided any more.
    pub(super) fn share(&self) -> usize {
        if self.in_flight < 2 * SHARE_MIN { usize::MAX } else { self.in_flight.div_ceil(2) }
    }

    /// Something was received and replies in it were told.
    pub(super) fn on_received(&mut self, now: Instant) {
        self.progress = now;
        if !self.queue.is_empty() {
            self.pump(now);
        }
    }

    /// Bytes for the writer of this epoch; `None` when its connection is over.
    pub(super) fn poll_output(&mut self, epoch: u64, cx: &mut Context<'_>) -> Poll<Option<Chunks>> {
        if self.epoch != epoch || !matches!(self.link, Link::Up { .. }) {
            return Poll::Ready(None);
        }
        if self.output.is_empty() {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.unsent = 0;
        Poll::Ready(Some(self.output.take()))
    }

    /// The writer's bytes are with the kernel.
    pub(super) fn on_sent(&mut self, epoch: u64, now: Instant) {
        if self.epoch == epoch {
            self.output.sent();
            self.pump(now);
        }
    }

    /// There is a connection.
    pub(super) fn on_up(&mut self, closer: Option<CloseHandle>, now: Instant) -> u64 {
        if matches!(self.link, Link::Closed) {
            return self.epoch;
        }
        self.epoch += 1;
        self.link = Link::Up { closer, ending: None };
        self.progress = now;
        self.demand = false;
        self.stats.connects += 1;
        self.pump(now);
        self.epoch
    }

    /// The connection is over: everybody who waits for a reply is told, and whether it was sent. Gives
    /// the cause, which is ours rather than `cause` if it was we who ended it.
    pub(super) fn on_lost(&mut self, cause: Cause) -> Cause {
        let mut cause = cause;
        if let Link::Up { ending, .. } = &mut self.link {
            cause = ending.take().unwrap_or(cause);
            self.link = Link::Connecting;
        }
        let sent = self.fifo.len() - self.unsent;
        for (place, id) in std::mem::take(&mut self.fifo).into_iter().enumerate() {
            let error = RedisError::new(Kind::Lost { sent: place < sent, cause: cause.clone() });
            let waiting = self.slots[id].finish(Err(error));
            self.stats.lost += u64::from(waiting.is_some());
            self.wakes.extend(waiting);
            self.unlist(id);
        }
        self.in_flight = 0;
        self.unsent = 0;
        self.output.clear();
        self.wakes.extend(self.writer.take());
        self.pushes.on_lost(&mut self.wakes);
        cause
    }

    /// The server cannot be reached: from now on callers fail at once, and those in the queue do now.
    pub(super) fn on_away(&mut self, cause: &Cause) {
        if matches!(self.link, Link::Closed) {
            return;
        }
        self.link = Link::Away(cause.clone());
        self.demand = false;
        self.fail_queue(|| RedisError::new(Kind::Unavailable(cause.clone())));
    }

    fn fail_queue(&mut self, error: impl Fn() -> RedisError) {
        for id in std::mem::take(&mut self.queue) {
            if matches!(self.slots[id].state, State::Queued(..)) {
                let waker = self.slots[id].finish(Err(error()));
                self.wakes.extend(waker);
            }
            self.unlist(id);
        }
        self.queue_dead = 0;
    }

    /// The client goes away: nobody is left who could wait, but tasks are.
    pub(super) fn close(&mut self) {
        if let Link::Up { closer: Some(closer), .. } = &self.link {
            shut(closer);
        }
        self.link = Link::Closed;
        self.fail_queue(|| RedisError::new(Kind::Closed));
        self.wakes.extend(self.writer.take());
        self.wakes.extend(self.timer.take());
        self.wakes.extend(self.supervisor.take());
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.link, Link::Closed)
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// True if callers are refused at once.
    pub(super) fn is_away(&self) -> bool {
        matches!(self.link, Link::Away(_))
    }

    /// True if somebody asked since the circuit opened. Else the supervisor is woken when somebody does.
    pub(super) fn poll_demand(&mut self, cx: &mut Context<'_>) -> bool {
        self.supervisor = Some(cx.waker().clone());
        self.demand
    }

    /// Tells everybody whose deadline has passed, and gives up a silent server. Gives the next time
    /// to look.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let unsent_from = self.fifo.len() - self.unsent;
        let mut expired = 0;
        for (id, slot) in &mut self.slots {
            let sent = match &slot.state {
                State::Queued(..) => false,
                // The few that are written and not taken by the writer are looked for one by one.
                State::Sent(_) => !self.fifo.range(unsent_from..).any(|&unsent| unsent == id),
                State::Done(_) | State::GivenUp => continue,
            };
            if slot.deadline > now {
                next = Some(next.map_or(slot.deadline, |next| next.min(slot.deadline)));
                continue;
            }
            self.queue_dead += usize::from(matches!(slot.state, State::Queued(..)));
            let after = slot.deadline.saturating_duration_since(slot.began);
            let waker = slot.finish(Err(RedisError::new(Kind::Deadline { after, sent })));
            self.wakes.extend(waker);
            expired += 1;
        }
        self.stats.deadlines += expired;
        if let Some(silent_at) = self.silent_at() {
            if silent_at <= now {
                self.end(Cause::Silent(self.config.silence_max));
            } else {
                next = Some(next.map_or(silent_at, |next| next.min(silent_at)));
            }
        }
        self.timer_at = next;
        next
    }

    /// When a server that owes replies will have been silent for too long.
    fn silent_at(&self) -> Option<Instant> {
        (self.is_up() && self.in_flight > 0).then(|| self.progress + self.config.silence_max)
    }

    /// Ends the connection from our side; the reader then notices.
    pub(super) fn end(&mut self, cause: Cause) {
        if let Link::Up { closer, ending } = &mut self.link
            && ending.is_none()
        {
            *ending = Some(cause);
            if let Some(closer) = closer {
                shut(closer);
            }
        }
    }

    /// The writer has failed. Its error says more than the end that the reader will see.
    pub(super) fn on_write_failed(&mut self, epoch: u64, cause: Cause) {
        if self.epoch == epoch {
            self.end(cause);
        }
    }

    /// When the timer is to look next; the timer is woken when that moves nearer.
    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        self.timer = Some(cx.waker().clone());
        self.timer_at
    }

    /// Calls that have no outcome yet, those that were given up included: what the bounds bound.
    pub(super) fn depth(&self) -> Depth {
        Depth {
            in_flight: self.in_flight,
            waiting: self.queue.len() - self.queue_dead,
            queued_bytes: self.output.queued(),
        }
    }
}

/// Ends a connection, so that its reader and its writer notice. An error means that it had ended already.
fn shut(closer: &CloseHandle) {
    let _ended = closer.shutdown(Shutdown::Both);
}

/// How full a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) in_flight: usize,
    pub(super) waiting: usize,
    pub(super) queued_bytes: usize,
}
