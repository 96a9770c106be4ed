//! Many callers on one connection: who waits for which answer. No I/O happens here.
//!
//! Every call has a slot. A slot is in the *queue* while there is no room, then in the *fifo* until the server has
//! said that it is ready again: each call ends with a `Sync` of its own, the server answers in order, so all that comes up
//! to the next `ReadyForQuery` belongs to the oldest slot there. A caller that goes away leaves its slot in the fifo,
//! marked; what comes for it is thrown away. That is all that keeps callers and answers together, and there is no await
//! in it.
//!
//! A *channel* is a slot whose owner writes and reads messages itself, for `COPY` and for streams of rows. While one is
//! open the calls behind it stay in the queue.

mod channel;
mod collect;
mod deadline;
mod hold;
mod link;
mod slot;

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use corelane_runtime::buf::Chunks;
use corelane_runtime::net::CloseHandle;
use slab::Slab;

use self::collect::{Collect, is_stale};
use self::slot::{Simple, Slot, State, Work};
use super::db_error::DbError;
use super::error::{Cause, Kind, PgError};
use super::notification::Notification;
use super::options::{Options, StatementMode};
use super::proto::{Message, Status};
use super::rows::Runs;
use super::stats::Stats;
use crate::output::Output;

pub(super) use self::channel::Event;
pub(super) use self::deadline::Due;
pub(super) use self::hold::OnDrop;
pub(super) use self::slot::{Failure, Reply, Retry};

/// What a call asks for.
pub(super) enum Ask {
    /// Statements that are known.
    Execute(Runs),
    /// The description of a statement.
    Prepare,
    /// The end of a prepared statement.
    Close,
    /// Statements of the simple protocol; whether their rows are wanted.
    Simple { keep: bool },
}

/// Names a slot to its caller.
pub(super) type SlotId = usize;

/// How the connection is.
#[derive(Debug)]
enum Link {
    /// There. The cause is set by whoever ends it, if that is us.
    Up { closer: Option<CloseHandle>, ending: Option<Cause> },
    /// For good.
    Over(Cause),
}

/// What was heard that is nobody's answer.
pub(super) enum Heard {
    Notice(DbError),
    Notification(Notification),
}

pub(super) struct Wire {
    options: Rc<Options>,
    link: Link,
    slots: Slab<Slot>,
    /// Slots that wait to be sent, oldest first.
    queue: VecDeque<SlotId>,
    /// Those of them whose caller has gone or was told already.
    queue_dead: usize,
    /// Bytes of what is to be sent for slots in the queue.
    queue_bytes: usize,
    /// Slots that were written, oldest first.
    fifo: VecDeque<SlotId>,
    /// Slots at the end of the fifo whose bytes the writer has not taken. Invariant: at most `fifo.len()`.
    unsent: usize,
    /// The channel that is open, if its owner may write.
    holder: Option<SlotId>,
    output: Output,
    writer: Option<Waker>,
    /// The reader, while a channel holds too much.
    reader: Option<Waker>,
    /// When the timer looks next. Invariant: not later than any caller's deadline.
    timer_at: Option<Instant>,
    timer: Option<Waker>,
    /// The oldest slot was over its deadline and a cancel was asked for then.
    cancel_since: Option<Instant>,
    /// The timer is to send one.
    cancel_wanted: bool,
    /// When one was asked for last: it may meet somebody else's statement.
    cancelled_at: Option<Instant>,
    status: Status,
    parameters: Vec<(Box<str>, Rc<str>)>,
    /// Buffers for rows, to be used again.
    buffers: Vec<Vec<u8>>,
    /// Who waits until nothing is in flight, or for the end.
    watchers: Vec<Waker>,
    pub(super) heard: Vec<Heard>,
    pub(super) stats: Stats,
    /// To be woken once nothing is borrowed.
    pub(super) wakes: Vec<Waker>,
}

impl Wire {
    pub(super) fn new(options: Rc<Options>, closer: Option<CloseHandle>) -> Wire {
        Wire {
            options,
            link: Link::Up { closer, ending: None },
            slots: Slab::new(),
            queue: VecDeque::new(),
            queue_dead: 0,
            queue_bytes: 0,
            fifo: VecDeque::new(),
            unsent: 0,
            holder: None,
            output: Output::default(),
            writer: None,
            reader: None,
            timer_at: None,
            timer: None,
            cancel_since: None,
            cancel_wanted: false,
            cancelled_at: None,
            status: Status::Idle,
            parameters: Vec::new(),
            buffers: Vec::new(),
            watchers: Vec::new(),
            heard: Vec::new(),
            stats: Stats::default(),
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
        ask: Ask,
        bytes: &[u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<SlotId, PgError> {
        self.check_open()?;
        let bytes_max = self.options.rows_bytes_max.min(i32::MAX.unsigned_abs() as usize);
        let work = match ask {
            Ask::Execute(runs) => {
                let is_unnamed = self.options.statements == StatementMode::Unnamed;
                let buffer = self.buffers.pop().unwrap_or_default();
                let collect = Collect::new(runs, is_unnamed, buffer, bytes_max);
                self.stats.statements += collect.statements();
                Work::Execute(collect)
            }
            Ask::Prepare => Work::Prepare { params: Vec::new(), columns: Vec::new(), error: None },
            Ask::Close => Work::Close,
            Ask::Simple { keep } => {
                self.stats.statements += 1;
                Work::Simple(Simple { keep, ..Simple::default() })
            }
        };
        self.admit(work, bytes, now, deadline)
    }

    /// Sends it, or lets it wait.
    fn admit(
        &mut self,
        work: Work,
        bytes: &[u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<SlotId, PgError> {
        if self.queue.is_empty() && self.has_room(bytes.len()) {
            let id = self.insert(State::Sent(Waker::noop().clone()), work, now, deadline);
            self.write(id, bytes);
            return Ok(id);
        }
        let waiting = self.queue.len() - self.queue_dead;
        let waiting_max = self.options.waiting_max;
        if waiting >= waiting_max || self.queue_bytes + bytes.len() > self.options.waiting_bytes_max {
            self.stats.refused += 1;
            return Err(PgError::new(Kind::Overloaded { waiting_max: waiting }));
        }
        if self.queue_dead > waiting.max(64) {
            self.bury_dead();
        }
        self.stats.waits += 1;
        self.queue_bytes += bytes.len();
        let id = self.insert(State::Queued(Waker::noop().clone(), bytes.to_vec()), work, now, deadline);
        self.queue.push_back(id);
        Ok(id)
    }

    #[inline]
    fn insert(&mut self, state: State, work: Work, now: Instant, deadline: Option<Instant>) -> SlotId {
        if let Some(deadline) = deadline {
            self.look_at(deadline);
        }
        self.slots.insert(Slot { state, work, began: now, deadline, is_cancelled: false, is_listed: true })
    }

    /// Whether so many bytes may be written now. More than a bound may when they are alone.
    #[inline]
    fn has_room(&self, bytes: usize) -> bool {
        let queued = self.output.queued();
        self.holder.is_none()
            && self.fifo.len() < self.options.in_flight_max.max(1)
            && (queued == 0 || queued + bytes <= self.options.queued_bytes_max)
    }

    #[inline]
    fn write(&mut self, id: SlotId, bytes: &[u8]) {
        if matches!(self.slots[id].work, Work::Channel(_)) {
            self.holder = Some(id);
        }
        self.fifo.push_back(id);
        self.unsent += 1;
        self.push(bytes);
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.output.push(bytes);
            self.stats.bytes_out += bytes.len() as u64;
            self.wakes.extend(self.writer.take());
        }
    }

    /// Sends from the queue what there is room for.
    fn pump(&mut self) {
        while let Link::Up { ending: None, .. } = self.link
            && let Some(&id) = self.queue.front()
        {
            if let State::Queued(_, bytes) = &self.slots[id].state
                && !self.has_room(bytes.len())
            {
                return;
            }
            self.queue.pop_front();
            if let Some(bytes) = self.slots[id].leave_queue() {
                self.queue_bytes -= bytes.len();
                self.write(id, &bytes);
                if self.holder == Some(id) {
                    // Its owner waits for this.
                    self.wake_sent(id);
                }
            } else {
                self.queue_dead -= 1;
                self.unlist(id);
            }
        }
    }

    fn wake_sent(&mut self, id: SlotId) {
        if let State::Sent(waker) = &mut self.slots[id].state {
            let waker = std::mem::replace(waker, Waker::noop().clone());
            self.wakes.push(waker);
        }
    }

    /// A list no longer refers to the slot. Frees it if its caller does not either.
    #[inline]
    fn unlist(&mut self, id: SlotId) {
        let slot = &mut self.slots[id];
        slot.is_listed = false;
        if matches!(slot.state, State::GivenUp) {
            self.slots.remove(id);
        }
    }

    /// Takes out of the queue what nobody waits for.
    fn bury_dead(&mut self) {
        for id in std::mem::take(&mut self.queue) {
            if matches!(self.slots[id].state, State::Queued(..)) {
                self.queue.push_back(id);
            } else {
                self.unlist(id);
            }
        }
        self.queue_dead = 0;
    }

    /// Notes that a slot in the queue will not be sent.
    fn note_dead(&mut self, id: SlotId) {
        if let State::Queued(_, bytes) = &self.slots[id].state {
            self.queue_bytes -= bytes.len();
            self.queue_dead += 1;
        }
    }

    /// The outcome of a call, once; its slot is gone with it.
    #[inline]
    pub(super) fn poll_slot(&mut self, id: SlotId, cx: &mut Context<'_>) -> Poll<Result<Reply, Failure>> {
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
        self.note_dead(id);
        let slot = &mut self.slots[id];
        slot.state = State::GivenUp;
        if !slot.is_listed {
            self.slots.remove(id);
        }
    }

    /// A message has come.
    ///
    /// # Errors
    /// If it does not belong there: the connection is of no use any more.
    #[inline]
    pub(super) fn on_message(&mut self, message: Message<'_>, now: Instant) -> Result<(), Cause> {
        let message = match message {
            Message::Notice(_) | Message::Notification { .. } | Message::ParameterStatus { .. } => {
                self.on_aside(message);
                return Ok(());
            }
            Message::Error(fields) => {
                let error = DbError::from_fields(&fields);
                self.stats.errors.count(error.code());
                if error.is_fatal() || self.fifo.len() <= self.unsent {
                    // It closes the connection next.
                    return Err(Cause::Ended(error.into()));
                }
                message
            }
            message => message,
        };
        if self.fifo.len() <= self.unsent {
            return Err(Cause::Unexpected("an answer to nothing"));
        }
        let Some(&id) = self.fifo.front() else { return Err(Cause::Unexpected("an answer to nothing")) };
        match message {
            Message::Ready(status) => self.on_ready(id, status, now),
            Message::Authentication(_)
            | Message::BackendKeyData { .. }
            | Message::NegotiateVersion { .. } => Err(Cause::Unexpected("a message of the startup")),
            message => {
                self.stats.rows += u64::from(matches!(message, Message::Row(_)));
                let slot = &mut self.slots[id];
                slot.work.on_message(message, self.options.rows_bytes_max)?;
                if matches!(slot.work, Work::Channel(_)) {
                    self.on_channel_message(id);
                }
                Ok(())
            }
        }
    }

    /// The oldest call is done.
    #[inline]
    fn on_ready(&mut self, id: SlotId, status: Status, now: Instant) -> Result<(), Cause> {
        self.status = status;
        let slot = &mut self.slots[id];
        let is_wanted = slot.is_wanted();
        let outcome = slot.work.on_ready(status, &mut self.buffers, is_wanted)?;
        self.stats.answers += 1;
        self.fifo.pop_front();
        match outcome {
            None => self.on_channel_over(id),
            Some(Ok(reply)) => {
                let waker = self.slots[id].finish(Ok(reply));
                self.wakes.extend(waker);
            }
            Some(Err(error)) => {
                let failure =
                    Failure { retry: self.retry(id, &error, now), is_idle: status == Status::Idle, error };
                let waker = self.slots[id].finish(Err(failure));
                self.wakes.extend(waker);
            }
        }
        self.unlist(id);
        self.cancel_since = None;
        if let Some(&front) = self.fifo.front() {
            self.check_overdue(front, now);
        }
        if self.fifo.is_empty() {
            self.wakes.append(&mut self.watchers);
        }
        Ok(())
    }

    /// What a call that the server refused may be issued again for.
    fn retry(&self, id: SlotId, error: &PgError, now: Instant) -> Option<Retry> {
        if is_stale(error) {
            return Some(Retry::Stale);
        }
        let is_ours = self.slots[id].is_cancelled;
        let meant_for_another = error.sqlstate() == Some("57014")
            && !is_ours
            && self.cancelled_at.is_some_and(|at| at + self.options.cancel_grace > now);
        meant_for_another.then_some(Retry::Interrupted)
    }

    #[cold]
    fn on_aside(&mut self, message: Message<'_>) {
        match message {
            Message::Notice(fields) => {
                self.stats.notices += 1;
                self.heard.push(Heard::Notice(DbError::from_fields(&fields)));
            }
            Message::Notification { process_id, channel, payload } => {
                self.stats.notifications += 1;
                self.heard.push(Heard::Notification(Notification::new(process_id, channel, payload)));
            }
            Message::ParameterStatus { name, value } => self.set_parameter(name, value),
            _ => {}
        }
    }

    /// Something was received and all messages in it were told.
    #[inline]
    pub(super) fn on_received(&mut self) {
        if !self.queue.is_empty() {
            self.pump();
        }
    }

    /// Bytes for the writer; `None` when the connection is over.
    pub(super) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunks>> {
        match &self.link {
            Link::Over(_) => return Poll::Ready(None),
            Link::Up { ending: Some(_), .. } if self.output.is_empty() => return Poll::Ready(None),
            Link::Up { .. } => {}
        }
        if self.output.is_empty() {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.unsent = 0;
        Poll::Ready(Some(self.output.take()))
    }

    /// The writer's bytes are with the kernel.
    pub(super) fn on_sent(&mut self) {
        self.output.sent();
        if !self.queue.is_empty() {
            self.pump();
        }
        if let Some(holder) = self.holder {
            self.wake_sent(holder);
        }
    }
}
